/**
 * Rotations of the signing key: by command, by the clock, and in an emergency. Safe to race: one
 * wins, the others change nothing. Relays are told at once; what an isolate has still signed with
 * the key before is accepted until it expires, unless it was an emergency.
 */
import type { AuditEvent } from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { storeRotation } from "../repositories/signing-keys.ts";
import { withdrawOutstandingTickets } from "../repositories/tickets.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { eachOnlineRelay } from "./online-relays.ts";
import { isRotationDue, planRotation, type RotationPlan } from "./signing-key-rules.ts";
import {
  ensureSigningKeys,
  eventsOfNew,
  listSigningKeys,
  makeSigningKey,
  type SigningKeyView,
} from "./signing-keys.ts";

export interface RotationWish {
  /** Rotate only while this key is active: saying it makes a repeated wish harmless. */
  readonly activeKid?: string | undefined;
  /** Nothing that was signed before is accepted any more; tickets that are out are void. */
  readonly isEmergency: boolean;
}

/**
 * The keys afterwards, newest first. Fails with `signing-key.changed` when another rotation came
 * first, or with `signing-key.not-published` when the next key is too young.
 */
export async function rotateSigningKeys(
  context: ServiceContext,
  caller: Caller,
  wish: RotationWish,
): Promise<Result<SigningKeyView[], Failure>> {
  const rows = await ensureSigningKeys(context);
  const isWished =
    wish.activeKid === undefined ||
    rows.some(({ kid, state }) => state === "active" && kid === wish.activeKid);
  if (!isWished) {
    return fail({ code: "signing-key.changed", detail: "that key is not active" });
  }
  const plan = planRotation(rows, context.nowMs(), wish.isEmergency);
  if (!plan.ok) {
    return plan;
  }
  const rotated = await carryOut(context, caller, plan.value);
  context.signingKeys.forget();
  if (!rotated) {
    return fail({ code: "signing-key.changed", detail: "" });
  }
  if (wish.isEmergency) {
    await voidOutstandingTickets(context, caller);
  }
  await tellRelaysKeys(context);
  return ok(await listSigningKeys(context));
}

/** Tells every relay that is there its keys; whoever is away learns them when it comes back. */
export async function tellRelaysKeys(context: ServiceContext): Promise<void> {
  await eachOnlineRelay(context, async (relayId) => await context.hubs.tellKeys(relayId));
}

/**
 * The job: makes what is missing and rotates what is due. Relays are told again for a while after a
 * change, should a hub not have been reached when it happened.
 */
export async function keepSigningKeys(context: ServiceContext): Promise<void> {
  const rows = await ensureSigningKeys(context);
  const nowMs = context.nowMs();
  const active = rows.find(({ state }) => state === "active");
  if (active !== undefined && isRotationDue(active, nowMs)) {
    await rotateSigningKeys(context, SYSTEM_CALLER, {
      activeKid: active.kid,
      isEmergency: false,
    });
  } else if (rows.some(({ createdAtMs }) => nowMs - createdAtMs < TOLD_AGAIN_MS)) {
    await tellRelaysKeys(context);
  }
}

async function carryOut(
  context: ServiceContext,
  caller: Caller,
  plan: RotationPlan,
): Promise<boolean> {
  const insert = await Promise.all(
    plan.make.map(async (state) => await makeSigningKey(context, state)),
  );
  const { retire: kid, verifiesUntilMs, next } = plan;
  const atMs = context.nowMs();
  const events = [retiredEvent(kid, verifiesUntilMs), ...eventsOf(next, atMs)];
  const audits = [...events, ...insert.flatMap(eventsOfNew)].map((event) =>
    auditRecord(context, caller, event),
  );
  const changes = { retire: { kid, atMs, verifiesUntilMs }, next, insert };
  return await storeRotation(context.database, changes, audits);
}

function eventsOf(next: RotationPlan["next"], atMs: number): AuditEvent[] {
  if (next === null) {
    return [];
  }
  const { kid } = next;
  return next.becomes === "active"
    ? [{ type: "signing-key.activated", data: { kid } }]
    : [retiredEvent(kid, atMs)];
}

function retiredEvent(kid: string, verifiesUntilMs: number): AuditEvent {
  const verifiesUntil = new Date(verifiesUntilMs).toISOString();
  return { type: "signing-key.retired", data: { kid, verifiesUntil } };
}

/**
 * No console file can be fetched with them and no look-up finds them. Relays drop the grants that
 * they hold by themselves, when they are told keys without the one that signed them.
 */
async function voidOutstandingTickets(context: ServiceContext, caller: Caller): Promise<void> {
  await withdrawOutstandingTickets(context.database, context.nowMs(), (ticket) => {
    const { grantId, ...subjects } = ticket;
    const data = { grantId, code: "signing-key.changed" };
    return auditRecord(context, caller, { type: "ticket.withdrawn", data }, subjects);
  });
}

const TOLD_AGAIN_MS = 2 * 3_600_000;
