/**
 * On which terms a ticket may be given: what its session may do, by when it has to be over, what its
 * relay must be able to keep, and how many sessions its user may have. Who gets none is told why,
 * and so is the audit trail.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { type Enforcement, fitPolicy, needsOf } from "#shared/policy/enforcement.ts";
import { type Hours, type Openness, opennessAt } from "#shared/policy/hours.ts";
import { permitsChannel, type Policy, type Rules, sessionPolicy } from "#shared/policy/policy.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { findEffectivePolicy, type PolicySubject } from "./effective-policy.ts";
import { OPENING_GRACE_MS } from "./unopened-sessions.ts";
import { TICKET_TTL_MS } from "./ticket-life.ts";

export interface TicketTerms {
  readonly policy: Policy;
  /** Milliseconds since 1970; null: its policy alone says. */
  readonly notAfterMs: number | null;
  /** What a relay must be able to keep. */
  readonly needs: readonly Enforcement[];
  /** Sessions that the user may have with this one; null: any number. */
  readonly sessionsMax: number | null;
}

/**
 * The terms for somebody who may open the console. Fails with `policy.outside-hours` (the detail
 * says when it opens) or `policy.no-channels`, and records that.
 */
export async function findTicketTerms(
  context: ServiceContext,
  caller: Caller,
  subject: PolicySubject,
): Promise<Result<TicketTerms, Failure>> {
  const { rules } = await findEffectivePolicy(context, subject);
  const terms = termsOf(rules, context.nowMs());
  if (!terms.ok) {
    await recordDenial(context, caller, { consoleId: subject.console.id, failure: terms.error });
  }
  return terms;
}

/** Records that no ticket was given. */
export async function recordDenial(
  context: ServiceContext,
  caller: Caller,
  denial: { readonly consoleId: string; readonly failure: Failure; readonly heldBy?: string },
): Promise<void> {
  const { consoleId, failure, heldBy } = denial;
  const { code, detail } = failure;
  const data = {
    code,
    ...(detail === "" ? {} : { detail }),
    ...(heldBy === undefined ? {} : { heldBy }),
  };
  const event = { type: "ticket.denied", data } as const;
  await storeWithAudit(context.database, [auditRecord(context, caller, event, { consoleId })]);
}

/** When a ticket that is given now expires, in whole seconds since 1970. */
export function ticketExpiryS({ notAfterMs }: TicketTerms, nowMs: number): number {
  const endMs = nowMs + TICKET_TTL_MS;
  return Math.floor((notAfterMs === null ? endMs : Math.min(endMs, notAfterMs)) / 1000);
}

/** The terms as a grant says them to a relay that can keep these rules. */
export function grantTerms(
  { policy, notAfterMs }: TicketTerms,
  relay: { readonly enforces: readonly string[] },
  expiresAtS: number,
): Pick<Grant, "policy" | "notAfterMs"> {
  const fitted = fitPolicy(policy, relay.enforces);
  if (notAfterMs === null || relay.enforces.includes("notAfter")) {
    return { policy: fitted, notAfterMs };
  }
  // It knows a length alone, which begins when the session opens: as late as it possibly can.
  const openedAtMs = expiresAtS * 1000 + OPENING_GRACE_MS;
  const leftS = Math.max(1, Math.floor((notAfterMs - openedAtMs) / 1000));
  const durationS = Math.min(leftS, fitted.durationS ?? leftS);
  return { policy: { ...fitted, durationS }, notAfterMs: null };
}

function termsOf(rules: Rules, nowMs: number): Result<TicketTerms, Failure> {
  const policy = sessionPolicy(rules);
  if (!permitsChannel(policy, "main")) {
    return fail({ code: "policy.no-channels", detail: "" });
  }
  const { sessionsMax, allowedHours } = rules;
  const hours = allowedHours ?? [];
  const openness = opennessForOpening(hours, nowMs);
  if (!openness.open) {
    const detail = sayOpening(openness.opensAtMs, hours);
    return fail({ code: "policy.outside-hours", detail });
  }
  const { closesAtMs: notAfterMs } = openness;
  // A length cannot say it to a relay that knows no end: its session may open too late for any.
  const isNear = notAfterMs !== null && notAfterMs - nowMs < NARROWED_MS_MIN;
  const needs: Enforcement[] = isNear ? [...needsOf(policy), "notAfter"] : needsOf(policy);
  return ok({ policy, notAfterMs, needs, sessionsMax });
}

/** Hours that close before anybody could open a session count as closed. */
function opennessForOpening(hours: readonly Hours[], nowMs: number): Openness {
  const openness = opennessAt(hours, nowMs);
  const closesAtMs = openness.open ? openness.closesAtMs : null;
  return closesAtMs !== null && closesAtMs - nowMs < OPENING_MS_MIN
    ? opennessAt(hours, closesAtMs)
    : openness;
}

/** The wall clock's time besides, where it is one clock. */
function sayOpening(opensAtMs: number | null, allowedHours: readonly Hours[]): string {
  if (opensAtMs === null) {
    return "The hours that its policies allow have no moment in common within the next days.";
  }
  const zones = new Set(allowedHours.map(({ timeZone }) => timeZone));
  const [timeZone] = zones;
  const format = { timeZone, weekday: "short", hour: "2-digit", minute: "2-digit" } as const;
  const wall =
    timeZone === undefined || zones.size > 1
      ? ""
      : ` (${new Intl.DateTimeFormat("en-GB", format).format(opensAtMs)} in ${timeZone})`;
  return `Sessions are allowed again from ${new Date(opensAtMs).toISOString()}${wall}.`;
}

/** From the ticket's request to the client's first link, at the fastest. */
const OPENING_MS_MIN = 5_000;
/** What a session's length can be narrowed by, and a minute that it then lasts at least. */
const NARROWED_MS_MIN = TICKET_TTL_MS + OPENING_GRACE_MS + 60_000;
