/**
 * Sessions as they live and end by what relays report or fail to report. Changes to many sessions
 * go out grouped, one statement for each kind of change.
 */
import { and, asc, eq, inArray, lte, type SQL, sql } from "drizzle-orm";
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
 * Ends pending sessions whose ticket expired at or before a time. The value is the earliest expiry
 * among those that are left, or null when none is pending.
 */
export async function endUnopenedSessions(
  database: Database,
  ending: {
    /** Null: whatever their relay. */
    readonly relayId: string | null;
    readonly expiredAtMs: number;
    readonly patch: SessionPatch;
  },
  auditOf: (session: UnopenedSession) => AuditRecord,
): Promise<number | null> {
  const { relayId, expiredAtMs, patch } = ending;
  return await database.transaction(async (transaction) => {
    const pending = and(
      relayId === null ? undefined : eq(sessions.relayId, relayId),
      eq(sessions.state, "pending"),
    );
    const expired = await transaction
      .select({ id: sessions.id, consoleId: sessions.consoleId, relayId: tickets.relayId })
      .from(sessions)
      .innerJoin(tickets, eq(tickets.sessionId, sessions.id))
      .where(and(pending, lte(tickets.expiresAtMs, expiredAtMs)))
      .limit(ENDED_AT_ONCE_MAX);
    await patchSessions(transaction, new Map(expired.map(({ id }) => [id, patch])));
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

/** A session whose ticket nobody used. */
export interface UnopenedSession {
  readonly id: string;
  readonly consoleId: string;
  readonly relayId: string;
}

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
