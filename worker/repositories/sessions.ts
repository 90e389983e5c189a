/** Sessions as they are asked for and listed, and what the control plane itself does to them.
 * What relays report of them is in session-lifecycle.ts. */
import { and, desc, eq, inArray, isNull, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { consoles } from "./schema/consoles.ts";
import { users } from "./schema/people.ts";
import { relays } from "./schema/relays.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { storeWithAudit } from "./store-with-audit.ts";

export interface SessionSummary {
  readonly id: string;
  readonly state: "pending" | "active" | "ended";
  readonly consoleId: string;
  readonly consoleName: string;
  readonly userId: string;
  readonly username: string;
  readonly relayId: string | null;
  readonly relayName: string | null;
  readonly createdAtMs: number;
  readonly openedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly endReason: string | null;
  readonly endDetail: string | null;
  /** Why its relay refused its main channel last, or why it had to end as soon as it was open. */
  readonly refusedCode: string | null;
  readonly clientAddress: string | null;
  readonly clientBytes: number;
  readonly serverBytes: number;
}

/** Position in the list, newest first. */
export interface SessionCursor {
  readonly createdAtMs: number;
  readonly id: string;
}

/** A page of sessions, newest first. */
export async function listSessions(
  database: Database,
  page: {
    /** Null: everybody's. */
    readonly userId: string | null;
    readonly after: SessionCursor | null;
    readonly limit: number;
  },
): Promise<SessionSummary[]> {
  const { userId, after } = page;
  return await selectSummaries(database)
    .where(
      and(
        userId === null ? undefined : eq(sessions.userId, userId),
        // As a row value, which SQLite looks up in an index; a disjunction it would read and sort.
        after === null
          ? undefined
          : sql`(${sessions.createdAtMs}, ${sessions.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(sessions.createdAtMs), desc(sessions.id))
    .limit(page.limit);
}

export async function findSession(database: Database, id: string): Promise<SessionSummary | null> {
  const [row] = await selectSummaries(database).where(eq(sessions.id, id)).limit(1);
  return row ?? null;
}

/** What is told of the session that has a console. */
export interface ActiveSession {
  readonly id: string;
  readonly userId: string;
  readonly username: string;
  readonly createdAtMs: number;
  readonly openedAtMs: number | null;
}

/** The session that has the console now; one that must give way counts no more. */
export async function findActiveSession(
  database: Database,
  consoleId: string,
): Promise<ActiveSession | null> {
  const [row] = await database
    .select({
      id: sessions.id,
      userId: sessions.userId,
      username: users.username,
      createdAtMs: sessions.createdAtMs,
      openedAtMs: sessions.openedAtMs,
    })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(
      and(
        eq(sessions.consoleId, consoleId),
        eq(sessions.state, "active"),
        isNull(sessions.yieldsTo),
      ),
    )
    .limit(1);
  return row ?? null;
}

/** A user's sessions that live or may begin yet, and have a relay. */
export async function listLivingSessionsOfUser(
  database: Database,
  wanted: { readonly userId: string; readonly limit: number },
): Promise<{ id: string; consoleId: string; relayId: string }[]> {
  const rows = await database
    .select({ id: sessions.id, consoleId: sessions.consoleId, relayId: sessions.relayId })
    .from(sessions)
    .where(and(eq(sessions.userId, wanted.userId), inArray(sessions.state, ["pending", "active"])))
    .limit(wanted.limit);
  return rows.flatMap(({ relayId, ...rest }) => (relayId === null ? [] : [{ ...rest, relayId }]));
}

/** Stores a session that could not begin. */
export async function storeFailedSession(
  database: Database,
  session: typeof sessions.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(sessions).values(session)]);
}

/** Ends a session that no relay took. */
export async function markSessionFailed(
  database: Database,
  ending: { readonly id: string; readonly atMs: number; readonly detail: string },
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    database
      .update(sessions)
      .set({
        state: "ended",
        endedAtMs: ending.atMs,
        endReason: "failed",
        endDetail: ending.detail,
      })
      .where(and(eq(sessions.id, ending.id), eq(sessions.state, "pending"))),
  ]);
}

/** Records that the session shall end; its ticket opens nothing any more. */
export async function recordTermination(
  database: Database,
  termination: { readonly id: string; readonly atMs: number },
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    database
      .update(tickets)
      .set({ withdrawnAtMs: termination.atMs })
      .where(and(eq(tickets.sessionId, termination.id), isNull(tickets.withdrawnAtMs))),
  ]);
}

function selectSummaries(database: Database) {
  return database
    .select({
      id: sessions.id,
      state: sessions.state,
      consoleId: sessions.consoleId,
      consoleName: consoles.name,
      userId: sessions.userId,
      username: users.username,
      relayId: sessions.relayId,
      relayName: relays.name,
      createdAtMs: sessions.createdAtMs,
      openedAtMs: sessions.openedAtMs,
      endedAtMs: sessions.endedAtMs,
      endReason: sessions.endReason,
      endDetail: sessions.endDetail,
      refusedCode: sessions.refusedCode,
      clientAddress: sessions.clientAddress,
      clientBytes: sessions.clientBytes,
      serverBytes: sessions.serverBytes,
    })
    .from(sessions)
    .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .leftJoin(relays, eq(relays.id, sessions.relayId));
}
