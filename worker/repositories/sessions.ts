/** Sessions as they are asked for and listed, and what the control plane itself does to them.
 * What relays report of them is in session-lifecycle.ts. */
import { and, desc, eq, gte, inArray, isNull, lt, ne, type SQL, sql } from "drizzle-orm";
import { alias, type SQLiteColumn } from "drizzle-orm/sqlite-core";
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
  /** Who asked for its end last. */
  readonly endRequestedBy: string | null;
  readonly endRequesterName: string | null;
  readonly endRequestedAtMs: number | null;
}

/** Whose sessions may be seen. */
export type SessionViewer =
  | { readonly kind: "everybody" }
  | { readonly kind: "own"; readonly userId: string };

/** Every filter that is given must match. */
export interface SessionFilter {
  /** `live` is pending or active. */
  readonly state?: SessionSummary["state"] | "live" | undefined;
  readonly consoleId?: string | undefined;
  readonly userId?: string | undefined;
  readonly relayId?: string | undefined;
  /** Created at or after, and before, in milliseconds since 1970. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
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
    readonly viewer: SessionViewer;
    readonly filter: SessionFilter;
    readonly after: SessionCursor | null;
    readonly limit: number;
  },
): Promise<SessionSummary[]> {
  const { viewer, filter, after } = page;
  return await selectSummaries(database)
    .where(
      and(
        visibleTo(viewer),
        ...conditionsOf(filter),
        // As a row value, which SQLite looks up in an index; a disjunction it would read and sort.
        after === null
          ? undefined
          : sql`(${sessions.createdAtMs}, ${sessions.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(sessions.createdAtMs), desc(sessions.id))
    .limit(page.limit);
}

/** The one condition that guards lists, single sessions and the feed. */
export function visibleTo(viewer: SessionViewer): SQL | undefined {
  return viewer.kind === "everybody" ? undefined : eq(sessions.userId, viewer.userId);
}

function conditionsOf(filter: SessionFilter): (SQL | undefined)[] {
  const { state, consoleId, userId, relayId, fromMs, toMs } = filter;
  return [
    // Written out, because SQLite proves from it that an index of the living has all rows.
    state === undefined || state === "ended" ? undefined : NOT_ENDED,
    state === undefined || state === "live" ? undefined : eq(sessions.state, state),
    consoleId === undefined ? undefined : eq(sessions.consoleId, consoleId),
    userId === undefined ? undefined : eq(sessions.userId, userId),
    relayId === undefined ? undefined : eq(sessions.relayId, relayId),
    fromMs === undefined ? undefined : gte(sessions.createdAtMs, fromMs),
    toMs === undefined ? undefined : lt(sessions.createdAtMs, toMs),
  ];
}

/** The living sessions of a console or of a user, for ending them. */
export async function listLiveSessions(
  database: Database,
  of: { readonly consoleId: string } | { readonly userId: string },
  limit: number,
): Promise<LiveSession[]> {
  return await database
    .select({
      id: sessions.id,
      consoleId: sessions.consoleId,
      userId: sessions.userId,
      relayId: sessions.relayId,
    })
    .from(sessions)
    .where(
      and(
        NOT_ENDED,
        "consoleId" in of ? eq(sessions.consoleId, of.consoleId) : eq(sessions.userId, of.userId),
      ),
    )
    .orderBy(desc(sessions.createdAtMs), desc(sessions.id))
    .limit(limit);
}

export interface LiveSession {
  readonly id: string;
  readonly consoleId: string;
  readonly userId: string;
  readonly relayId: string | null;
}

/** The session, if it is the viewer's to see. */
export async function findSession(
  database: Database,
  find: { readonly id: string; readonly viewer: SessionViewer },
): Promise<SessionSummary | null> {
  const [row] = await selectSummaries(database)
    .where(and(eq(sessions.id, find.id), visibleTo(find.viewer)))
    .limit(1);
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

/** Records that the sessions shall end; their tickets open nothing any more. */
export async function recordTerminations(
  database: Database,
  termination: {
    readonly ids: readonly string[];
    /** Who asked for it; null: the control plane itself. */
    readonly by: string | null;
    readonly atMs: number;
  },
  audits: readonly AuditRecord[],
): Promise<void> {
  const { ids, by, atMs } = termination;
  const named = sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`;
  await storeWithAudit(database, audits, () => [
    database
      .update(tickets)
      .set({ withdrawnAtMs: atMs })
      .where(and(inArray(tickets.sessionId, named), isNull(tickets.withdrawnAtMs))),
    database
      .update(sessions)
      .set({ endRequestedBy: by, endRequestedAtMs: atMs })
      .where(and(inArray(sessions.id, named), ne(sessions.state, "ended"))),
  ]);
}

/** The summaries, with further columns where a join brings them. */
export function selectSummaries<Extra extends Record<string, SQLiteColumn>>(
  database: Database,
  extra: Extra = {} as Extra,
) {
  return database
    .select({
      ...extra,
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
      endRequestedBy: sessions.endRequestedBy,
      endRequesterName: requesters.username,
      endRequestedAtMs: sessions.endRequestedAtMs,
    })
    .from(sessions)
    .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .leftJoin(relays, eq(relays.id, sessions.relayId))
    .leftJoin(requesters, eq(requesters.id, sessions.endRequestedBy));
}

const requesters = alias(users, "requesters");
const NOT_ENDED = sql`${sessions.state} <> 'ended'`;
