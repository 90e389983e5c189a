/**
 * Sessions as they live and end by what relays report or fail to report. Changes to many sessions
 * go out grouped, one statement for each kind of change.
 */
import { and, asc, eq, inArray, isNull, lte, or, type SQL, sql } from "drizzle-orm";
import type { AuditRecord, SessionEndReason } from "#shared/audit/events.ts";
import type { Database, Transaction } from "./database.ts";
import { relays } from "./schema/relays.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

/** Ends that the control plane presumes: the session may live all the same, and its relay knows. */
export const PRESUMED_REASONS = [
  "relay-lost",
  "relay-restarted",
  "never-opened",
] as const satisfies readonly SessionEndReason[];

/**
 * Whether a session's end is one that the control plane presumed, which its relay may correct: also
 * one that was ordered before anybody had told that it was opened.
 */
export function isPresumed(
  session: Pick<typeof sessions.$inferSelect, "state" | "openedAtMs" | "endReason">,
): boolean {
  const { state, openedAtMs, endReason } = session;
  return (
    state === "ended" &&
    ((endReason === "terminated" && openedAtMs === null) ||
      PRESUMED_REASONS.some((reason) => reason === endReason))
  );
}

/** The same of a row. @param reasons those of the presumed ones that count. */
export function endIsPresumed(
  reasons: readonly (typeof PRESUMED_REASONS)[number][] = PRESUMED_REASONS,
): SQL | undefined {
  return and(
    eq(sessions.state, "ended"),
    or(
      inArray(sessions.endReason, [...reasons]),
      and(eq(sessions.endReason, "terminated"), isNull(sessions.openedAtMs)),
    ),
  );
}

/** The columns that a session's life changes. */
export type SessionPatch = Partial<
  Pick<
    typeof sessions.$inferSelect,
    | "state"
    | "openedAtMs"
    | "endedAtMs"
    | "endReason"
    | "endDetail"
    | "clientAddress"
    | "clientBytes"
    | "serverBytes"
    | "yieldsTo"
    | "refusedCode"
  >
>;

export interface EndedSession {
  readonly id: string;
  readonly consoleId: string;
  readonly clientAddress: string | null;
}

/** Applies each session's patch. */
export async function patchSessions(
  transaction: Transaction,
  patches: ReadonlyMap<string, SessionPatch>,
): Promise<void> {
  const groups = new Map<string, { patch: SessionPatch; ids: string[] }>();
  for (const [id, patch] of patches) {
    const key = JSON.stringify(patch);
    const group = groups.get(key) ?? { patch, ids: [] };
    group.ids.push(id);
    groups.set(key, group);
  }
  // All asked at once, so that they share a round trip: each has rows of its own.
  await Promise.all(
    [...groups.values()].map(async ({ patch, ids }) => {
      await transaction.update(sessions).set(patch).where(idIn(ids));
    }),
  );
}

/** Ends the active sessions of a relay that the database shows offline. */
export async function endSessionsOfOfflineRelay(
  database: Database,
  ending: { readonly relayId: string; readonly patch: SessionPatch },
  auditOf: (session: EndedSession) => AuditRecord,
): Promise<void> {
  const { relayId, patch } = ending;
  await database.transaction(async (transaction) => {
    const lost = await transaction
      .select({
        id: sessions.id,
        consoleId: sessions.consoleId,
        clientAddress: sessions.clientAddress,
      })
      .from(sessions)
      .innerJoin(relays, eq(relays.id, sessions.relayId))
      .where(
        and(
          eq(sessions.relayId, relayId),
          eq(sessions.state, "active"),
          eq(relays.state, "offline"),
        ),
      );
    await patchSessions(transaction, new Map(lost.map(({ id }) => [id, patch])));
    await insertAuditRecords(transaction, lost.map(auditOf));
  });
}

/**
 * Ends pending sessions whose ticket expired at or before a time, each with its patch. The value is
 * the earliest expiry among those that are left, or null when none is pending.
 */
export async function endUnopenedSessions(
  database: Database,
  ending: {
    /** Null: whatever their relay. */
    readonly relayId: string | null;
    readonly expiredAtMs: number;
    readonly patchOf: (session: UnopenedSession) => SessionPatch;
  },
  auditOf: (session: UnopenedSession) => AuditRecord,
): Promise<number | null> {
  const { relayId, expiredAtMs, patchOf } = ending;
  return await database.transaction(async (transaction) => {
    const pending = and(
      relayId === null ? undefined : eq(sessions.relayId, relayId),
      eq(sessions.state, "pending"),
    );
    const expired = await transaction
      .select(UNOPENED)
      .from(sessions)
      .innerJoin(tickets, eq(tickets.sessionId, sessions.id))
      .where(and(pending, lte(tickets.expiresAtMs, expiredAtMs)))
      .limit(ENDED_AT_ONCE_MAX);
    await patchSessions(
      transaction,
      new Map(expired.map((session) => [session.id, patchOf(session)])),
    );
    await insertAuditRecords(transaction, expired.map(auditOf));
    const [next] = await transaction
      .select({ expiresAtMs: tickets.expiresAtMs })
      .from(sessions)
      .innerJoin(tickets, eq(tickets.sessionId, sessions.id))
      .where(pending)
      .orderBy(asc(tickets.expiresAtMs))
      .limit(1);
    return next?.expiresAtMs ?? null;
  });
}

/** Ends those of the sessions that, as far as was told, nobody has opened. */
export async function endPendingSessions(
  database: Database,
  ending: { readonly ids: readonly string[]; readonly patch: SessionPatch },
  auditOf: (session: UnopenedSession) => AuditRecord,
): Promise<void> {
  const { ids, patch } = ending;
  if (ids.length === 0) {
    return;
  }
  await database.transaction(async (transaction) => {
    const ended = await transaction
      .update(sessions)
      .set(patch)
      .where(and(idIn(ids), eq(sessions.state, "pending")))
      .returning(UNOPENED);
    await insertAuditRecords(transaction, ended.map(auditOf));
  });
}

/** A session whose ticket nobody used. */
export interface UnopenedSession {
  readonly id: string;
  readonly consoleId: string;
  readonly relayId: string | null;
  /** When its end was asked for; null: nobody did. */
  readonly endRequestedAtMs: number | null;
}

const UNOPENED = {
  id: sessions.id,
  consoleId: sessions.consoleId,
  relayId: sessions.relayId,
  endRequestedAtMs: sessions.endRequestedAtMs,
};

/** The relay's sessions that are not over; so many at most. */
export async function listLivingAtRelay(
  database: Database,
  wanted: { readonly relayId: string; readonly limit: number },
): Promise<string[]> {
  const rows = await database
    .select({ id: sessions.id })
    .from(sessions)
    .where(
      and(eq(sessions.relayId, wanted.relayId), inArray(sessions.state, ["pending", "active"])),
    )
    .limit(wanted.limit);
  return rows.map(({ id }) => id);
}

/** One bound value, however many ids there are. */
export function idIn(ids: readonly string[]): SQL {
  return sql`${sessions.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`;
}

/** More wait for the next look, which then comes at once. */
const ENDED_AT_ONCE_MAX = 1_000;
