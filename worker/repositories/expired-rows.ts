/** Rows that time has made worthless, deleted a bounded number at once. */
import { and, asc, eq, inArray, lte, notExists, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { apiTokens, logins } from "./schema/people.ts";
import { joinTokens } from "./schema/relays.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { shares } from "./schema/shares.ts";

export interface Expiry {
  /** Rows that expired at or before this time, in milliseconds since 1970. */
  readonly untilMs: number;
  readonly limit: number;
}

/** Each gives how many rows it deleted. */
export async function deleteExpiredLogins(database: Database, expiry: Expiry): Promise<number> {
  const old = database
    .select({ id: logins.id })
    .from(logins)
    .where(lte(logins.expiresAtMs, expiry.untilMs))
    .limit(expiry.limit);
  return (await database.delete(logins).where(inArray(logins.id, old))).rowsAffected;
}

export async function deleteExpiredApiTokens(database: Database, expiry: Expiry): Promise<number> {
  const old = database
    .select({ id: apiTokens.id })
    .from(apiTokens)
    .where(lte(apiTokens.expiresAtMs, expiry.untilMs))
    .limit(expiry.limit);
  return (await database.delete(apiTokens).where(inArray(apiTokens.id, old))).rowsAffected;
}

/** Used or not: what became of one that was used is in the audit trail. */
export async function deleteExpiredJoinTokens(database: Database, expiry: Expiry): Promise<number> {
  const old = database
    .select({ id: joinTokens.id })
    .from(joinTokens)
    .where(lte(joinTokens.expiresAtMs, expiry.untilMs))
    .limit(expiry.limit);
  return (await database.delete(joinTokens).where(inArray(joinTokens.id, old))).rowsAffected;
}

/** Of sessions that have ended: a living one's ticket still tells that it is used. */
export async function deleteExpiredTickets(database: Database, expiry: Expiry): Promise<number> {
  // Looked up by itself: joined, SQLite would begin at the sessions and sort all that have ended.
  const state = database
    .select({ state: sessions.state })
    .from(sessions)
    .where(eq(sessions.id, tickets.sessionId));
  const old = database
    .select({ sessionId: tickets.sessionId })
    .from(tickets)
    .where(and(lte(tickets.expiresAtMs, expiry.untilMs), sql`(${state}) = 'ended'`))
    .orderBy(asc(tickets.expiresAtMs))
    .limit(expiry.limit);
  return (await database.delete(tickets).where(inArray(tickets.sessionId, old))).rowsAffected;
}

/** Those that opened nothing: a session names the link that it came through, and stays. */
export async function deleteUnusedShares(database: Database, expiry: Expiry): Promise<number> {
  const named = database
    .select({ id: sessions.id })
    .from(sessions)
    .where(eq(sessions.shareId, shares.id));
  const old = database
    .select({ id: shares.id })
    .from(shares)
    .where(
      and(
        eq(shares.usesLeft, shares.usesMax),
        lte(shares.expiresAtMs, expiry.untilMs),
        // A session that no relay took gave its use back, and names the link all the same.
        notExists(named),
      ),
    )
    .orderBy(asc(shares.expiresAtMs))
    .limit(expiry.limit);
  return (await database.delete(shares).where(inArray(shares.id, old))).rowsAffected;
}
