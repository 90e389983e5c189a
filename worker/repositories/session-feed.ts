/**
 * The numbered feed of sessions' changes. The database numbers changes as they commit, one writer
 * at a time, so a reader that asks for what came after a number misses none.
 */
import { asc, count, eq, gt, max, min, or, sql } from "drizzle-orm";
import { rankOf } from "../identity/access-level.ts";
import { rankOfConsole } from "./access-sql.ts";
import type { Database } from "./database.ts";
import { consoles } from "./schema/consoles.ts";
import { users } from "./schema/people.ts";
import { relays } from "./schema/relays.ts";
import { sessionChanges, sessions } from "./schema/sessions.ts";
import { shares } from "./schema/shares.ts";
import { requesters, SESSION_SUMMARY, type SessionSummary } from "./sessions.ts";

/** Who follows: their own sessions and those of consoles that they own, or everybody's. */
export interface FeedViewer {
  readonly userId: string;
  readonly seesAll: boolean;
}

export interface FeedPage {
  /** Each session that changed, once, as it is now, with the number of its last change. */
  readonly changes: readonly { readonly seq: number; readonly session: SessionSummary }[];
  /** Everything up to this number has been seen, also what is not for this viewer. */
  readonly seenSeq: number;
  /** Whether there may be more at once. */
  readonly more: boolean;
}

/** The first and the last number that are kept; null when nothing has ever changed. */
export async function readFeedBounds(
  database: Database,
): Promise<{ readonly firstSeq: number; readonly lastSeq: number } | null> {
  const [[first], [last]] = await database.batch([
    database.select({ seq: min(sessionChanges.seq) }).from(sessionChanges),
    database.select({ seq: max(sessionChanges.seq) }).from(sessionChanges),
  ]);
  const firstSeq = first?.seq ?? null;
  const lastSeq = last?.seq ?? null;
  return firstSeq === null || lastSeq === null ? null : { firstSeq, lastSeq };
}

/** What changed after a number, for one viewer; `limit` counts changes, also of others. */
export async function readFeed(
  database: Database,
  page: { readonly viewer: FeedViewer; readonly afterSeq: number; readonly limit: number },
): Promise<FeedPage> {
  const { viewer, afterSeq, limit } = page;
  // Cut off before anything is joined, so that a look costs the same for every viewer.
  const next = database
    .select({ seq: sessionChanges.seq, sessionId: sessionChanges.sessionId })
    .from(sessionChanges)
    .where(gt(sessionChanges.seq, afterSeq))
    .orderBy(asc(sessionChanges.seq))
    .limit(limit)
    .as("next");
  const rank = rankOfConsole(viewer.userId, sql`${sessions.consoleId}`);
  const [rows, [seen]] = await database.batch([
    database
      .select({ ...SESSION_SUMMARY, seq: next.seq })
      .from(next)
      .innerJoin(sessions, eq(sessions.id, next.sessionId))
      .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
      .innerJoin(users, eq(users.id, sessions.userId))
      .leftJoin(relays, eq(relays.id, sessions.relayId))
      .leftJoin(shares, eq(shares.id, sessions.shareId))
      .leftJoin(requesters, eq(requesters.id, sessions.endRequestedBy))
      .where(
        viewer.seesAll
          ? undefined
          : or(eq(sessions.userId, viewer.userId), sql`${rank} = ${rankOf("own")}`),
      ),
    database.select({ seq: max(next.seq), count: count() }).from(next),
  ]);
  const latest = new Map<string, { seq: number; session: SessionSummary }>();
  for (const { seq, ...session } of rows.sort((left, right) => left.seq - right.seq)) {
    // Deleted first, so that the map's order is that of the last changes.
    latest.delete(session.id);
    latest.set(session.id, { seq, session });
  }
  return {
    changes: [...latest.values()],
    seenSeq: seen?.seq ?? afterSeq,
    more: seen?.count === limit,
  };
}

/** Forgets all but the newest changes. The value is how many were forgotten now. */
export async function sweepFeed(
  database: Database,
  sweep: { readonly kept: number; readonly atOnceMax: number },
): Promise<number> {
  const swept = await database.delete(sessionChanges).where(
    sql`${sessionChanges.seq} IN (
        SELECT seq FROM session_changes
        WHERE seq <= (SELECT max(seq) FROM session_changes) - ${sweep.kept}
        ORDER BY seq LIMIT ${sweep.atOnceMax}
      )`,
  );
  return swept.rowsAffected;
}
