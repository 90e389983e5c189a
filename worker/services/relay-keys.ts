/**
 * How a relay changes the key by which it proves itself, and how the key of its tickets is changed.
 *
 * The relay offers a new key that both keys vouch for. From then on it may use either; the new one
 * takes the old one's place when it is used for the first time. So neither side's death between two
 * steps locks the relay out: it keeps both keys until it knows which one counts.
 */
import { importJWK } from "jose";
import { fromBase64Url, toBase64Url, utf8 } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { RELAY_TOKEN_ALGORITHM } from "#shared/control/enrolment.ts";
import {
  keyOfferStatement,
  type RelayAnswer,
  type RelayRequest,
} from "#shared/control/relay-requests.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { storeOfferedKey, storeTicketEpoch, storeUsedKey } from "../repositories/relay-keys.ts";
import { findRelay, type RelayRow } from "../repositories/relays.ts";
import { auditRecord, relayCaller } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { epochEndsAtMs } from "./link-keys.ts";
import { verifyRelayToken } from "./relay-tokens.ts";

type KeyOffer = Extract<RelayRequest, { readonly kind: "offer-key" }>;

/** Accepts the offered key beside the present one. Idempotent. Fails with `relay.key-refused`. */
export async function takeKeyOffer(
  context: ServiceContext,
  relayId: string,
  offer: KeyOffer,
): Promise<Result<RelayAnswer, Failure>> {
  const { database } = context;
  const row = await findRelay(database, relayId);
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const { publicKey } = offer;
  if (publicKey === row.publicKey || !(await isVouchedFor(context, row, offer))) {
    return fail({ code: "relay.key-refused", detail: "" });
  }
  if (acceptedNextKey(row, context.nowMs()) !== publicKey) {
    const data = { fingerprint: await fingerprintOf(publicKey) };
    const event = { type: "relay.key-offered", data } as const;
    const isStored = await storeOfferedKey(
      database,
      {
        id: relayId,
        publicKey: row.publicKey,
        nextPublicKey: publicKey,
        atMs: context.nowMs(),
      },
      auditRecord(context, relayCaller(relayId), event, { relayId }),
    );
    if (!isStored) {
      return fail({ code: "relay.key-refused", detail: "the relay's key has just changed" });
    }
  }
  return ok({ kind: "done" });
}

/** A token signed by the offered key puts it in the other's place. Idempotent. */
export async function takeKeyUse(
  context: ServiceContext,
  relayId: string,
  token: string,
): Promise<Result<RelayAnswer, Failure>> {
  const row = await findRelay(context.database, relayId);
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const used = await findTokenKey(context, row, token);
  if (!used.ok) {
    return fail({ code: "relay.key-refused", detail: used.error.detail });
  }
  await noteKeyUse(context, row, used.value);
  return ok({ kind: "done" });
}

/**
 * Which of the relay's keys signed the token. Fails with `relay.unauthorized`; the detail says
 * which check failed for the present key.
 */
export async function findTokenKey(
  context: ServiceContext,
  row: RelayRow,
  token: string,
): Promise<Result<string, Failure>> {
  const present = await verifyRelayToken(context, token, { ...row, relayId: row.id });
  const next = acceptedNextKey(row, context.nowMs());
  if (present.ok || next === null) {
    return present.ok ? ok(row.publicKey) : present;
  }
  const offered = await verifyRelayToken(context, token, { relayId: row.id, publicKey: next });
  return offered.ok ? ok(next) : present;
}

/** The key has proved that the relay has it: when it is the offered one, the other goes. */
export async function noteKeyUse(
  context: ServiceContext,
  row: RelayRow,
  usedKey: string,
): Promise<void> {
  if (usedKey === row.publicKey) {
    return;
  }
  const relayId = row.id;
  const [from, to] = await Promise.all([fingerprintOf(row.publicKey), fingerprintOf(usedKey)]);
  const event = { type: "relay.key-rotated", data: { from, to } } as const;
  const audit = auditRecord(context, relayCaller(relayId), event, { relayId });
  await storeUsedKey(context.database, { id: relayId, nextPublicKey: usedKey }, audit);
}

/**
 * Gives the relay new keys for tickets and sealed passwords; those of before stay good for as long
 * as tickets of theirs can be out. Fails with `resource.not-found` or, when the keys of before that
 * are still good, with `relay.ticket-key-too-young`.
 */
export async function rotateTicketKey(
  context: ServiceContext,
  caller: Caller,
  relayId: string,
): Promise<Result<number, Failure>> {
  const row = await findRelay(context.database, relayId);
  if (row === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const atMs = context.nowMs();
  const untilMs = epochEndsAtMs(row.ticketEpochAtMs);
  if (untilMs !== null && atMs < untilMs) {
    const detail = `Try again in ${Math.ceil((untilMs - atMs) / 1000)} seconds.`;
    return fail({ code: "relay.ticket-key-too-young", detail });
  }
  const epoch = row.ticketEpoch + 1;
  const event = { type: "relay.ticket-key-rotated", data: { epoch } } as const;
  const audit = auditRecord(context, caller, event, { relayId });
  const raise = { id: relayId, from: row.ticketEpoch, atMs };
  if (!(await storeTicketEpoch(context.database, raise, audit))) {
    return fail({ code: "relay.ticket-key-too-young", detail: "Another rotation came first." });
  }
  await context.hubs.tellKeys(relayId);
  return ok(epoch);
}

/** SHA-256 of a relay's public key, as an operator compares it with the relay's own log. */
export async function fingerprintOf(publicKey: string): Promise<string> {
  const bytes = fromBase64Url(publicKey) ?? new Uint8Array(0);
  return `SHA256:${toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))}`;
}

/** The offered key while it may be used; an offer that nobody took up is void in the end. */
function acceptedNextKey(row: RelayRow, nowMs: number): string | null {
  const isOpen = row.nextKeyAtMs !== null && nowMs - row.nextKeyAtMs < KEY_OFFER_LIFE_MS;
  return isOpen ? row.nextPublicKey : null;
}

async function isVouchedFor(
  context: ServiceContext,
  row: RelayRow,
  offer: KeyOffer,
): Promise<boolean> {
  const statement = utf8(
    keyOfferStatement({
      audience: context.settings.publicUrl,
      relayId: row.id,
      oldKey: row.publicKey,
      newKey: offer.publicKey,
    }),
  );
  const checks = await Promise.all([
    isSignedBy(row.publicKey, offer.oldSignature, statement),
    isSignedBy(offer.publicKey, offer.newSignature, statement),
  ]);
  return checks.every(Boolean);
}

async function isSignedBy(
  publicKey: string,
  signature: string,
  statement: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const bytes = fromBase64Url(signature);
  const jwk = { kty: "OKP", crv: "Ed25519", x: publicKey };
  try {
    const key = await importJWK(jwk, RELAY_TOKEN_ALGORITHM);
    return (
      bytes !== null &&
      !(key instanceof Uint8Array) &&
      (await crypto.subtle.verify("Ed25519", key, bytes, statement))
    );
  } catch {
    // Not every 32 bytes are a point on the curve.
    return false;
  }
}

/** A relay that was away for so long still has the key that it came with. */
export const KEY_OFFER_LIFE_MS = 7 * 24 * 3_600_000;
