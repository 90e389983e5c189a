/**
 * The keys that a relay is given: those of its tickets and of the passwords that are sealed for it,
 * derived for its epochs, and the public ones that grants may be signed with.
 */
import { toBase64Url } from "#shared/base/bytes.ts";
import type { LinkKeys } from "#shared/control/contract.ts";
import { RELAY_CLOCK_SKEW_SECONDS } from "#shared/control/limits.ts";
import { deriveSealKey, deriveTicketKey } from "#shared/ticket/ticket.ts";
import { findRelay, type RelayRow } from "../repositories/relays.ts";
import type { ServiceContext } from "./context.ts";
import { publishedKeys } from "./signing-keys.ts";
import { TICKET_TTL_MS } from "./ticket-life.ts";

/** Null when there is no such relay. */
export async function loadKeysOfRelay(
  context: ServiceContext,
  relayId: string,
): Promise<LinkKeys | null> {
  const row = await findRelay(context.database, relayId);
  return row === null ? null : await linkKeysOf(context, row);
}

/** The newest epoch first, and the one before it for as long as its tickets are good. */
export async function linkKeysOf(
  context: ServiceContext,
  row: Pick<RelayRow, "id" | "ticketEpoch" | "ticketEpochAtMs">,
): Promise<LinkKeys> {
  const { id, ticketEpoch, ticketEpochAtMs } = row;
  const untilMs = epochEndsAtMs(ticketEpochAtMs);
  const isOlderAccepted = untilMs !== null && context.nowMs() < untilMs;
  const [newest, older, grantKeys] = await Promise.all([
    keysOfEpoch(context, id, ticketEpoch),
    isOlderAccepted ? keysOfEpoch(context, id, ticketEpoch - 1) : null,
    publishedKeys(context),
  ]);
  const ticketKeys = older === null ? [newest] : [newest, { ...older, untilMs: untilMs ?? 0 }];
  return { ticketKeys, grantKeys };
}

/** When the last ticket of the epoch before this one has expired; null: this one is the first. */
export function epochEndsAtMs(ticketEpochAtMs: number | null): number | null {
  return ticketEpochAtMs === null ? null : ticketEpochAtMs + EPOCH_OVERLAP_MS;
}

async function keysOfEpoch(context: ServiceContext, relayId: string, epoch: number) {
  const root = context.settings.ticketRoot;
  const [{ key, keyId }, sealKey] = await Promise.all([
    deriveTicketKey(root, relayId, epoch),
    deriveSealKey(root, relayId, epoch),
  ]);
  return {
    keyId: toBase64Url(keyId),
    key: toBase64Url(key),
    sealKey: toBase64Url(sealKey),
  };
}

/** A ticket may be made with an epoch that was read just before, and the relay's clock may be off. */
const EPOCH_OVERLAP_MS = TICKET_TTL_MS + 2 * RELAY_CLOCK_SKEW_SECONDS * 1000;
