/** Sessions as they are asked for, and what the control plane itself does to them. Lists of them are
 * in session-list.ts; what relays report of them is in session-lifecycle.ts. */
import { and, desc, eq, inArray, isNull, ne, or, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";
import type { AuditRecord } from "#shared/audit/events.ts";
import { levelOfRank } from "../identity/access-level.ts";
import { rankOfConsole } from "./access-sql.ts";
import type { Database } from "./database.ts";
import { mayHaveLivedOn } from "./presumed-sessions.ts";
import { consoles } from "./schema/consoles.ts";
import { users } from "./schema/people.ts";
import { relays } from "./schema/relays.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { shares } from "./schema/shares.ts";
import { giveShareUseBack } from "./shares.ts";
import { storeWithAudit } from "./store-with-audit.ts";

export interface SessionSummary {
  readonly id: string;
  readonly state: "pending" | "active" | "ended";
  readonly consoleId: string;
  readonly consoleName: string;
  readonly userId: string;
  readonly username: string;
  /** The link through which a guest opened it; its user is then who issued the link. */
  readonly shareId: string | null;
  readonly shareLabel: string | null;
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

/** A session as a user asks for it. */
export interface FoundSession extends SessionSummary {
  /** Whether that user owns its console. */
  readonly ownsConsole: boolean;
}

/** The session, with whether the user owns its console: who may see it, the caller decides. */
export async function findSession(
  database: Database,
  wanted: { readonly id: string; readonly userId: string },
): Promise<FoundSession | null> {
  const [row] = await database
    .select({ ...SESSION_SUMMARY, rank: rankOfConsole(wanted.userId, sql`${sessions.consoleId}`) })
    .from(sessions)
    .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .leftJoin(relays, eq(relays.id, sessions.relayId))
    .leftJoin(shares, eq(shares.id, sessions.shareId))
    .leftJoin(requesters, eq(requesters.id, sessions.endRequestedBy))
    .where(eq(sessions.id, wanted.id))
    .limit(1);
  if (row === undefined) {
    return null;
  }
  const { rank, ...session } = row;
  return { ...session, ownsConsole: levelOfRank(rank) === "own" };
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
        // Written out, because SQLite proves from it that an index of the living has all rows.
        sql`${sessions.state} <> 'ended'`,
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

/** What is told of the session that has a console. */
export interface ActiveSession {
  readonly id: string;
  readonly userId: string;
  readonly username: string;
  /** The link through which a guest opened it. */
  readonly shareId: string | null;
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
      shareId: sessions.shareId,
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

/** Ends a session that no relay took; the link that it came through has its use back. */
export async function markSessionFailed(
  database: Database,
  ending: { readonly id: string; readonly atMs: number; readonly detail: string },
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    giveShareUseBack(database, ending.id),
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
      .where(and(inArray(sessions.id, named), or(ne(sessions.state, "ended"), mayHaveLivedOn()))),
  ]);
}

/** Who asked for a session's end. */
export const requesters = alias(users, "requesters");

/** The columns, for a query of sessions joined with all that they name. */
export const SESSION_SUMMARY = {
  id: sessions.id,
  state: sessions.state,
  consoleId: sessions.consoleId,
  consoleName: consoles.name,
  userId: sessions.userId,
  username: users.username,
  shareId: sessions.shareId,
  shareLabel: shares.label,
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
};
