/**
 * The sessions that a user has: those that are open, and those that wait to be opened with a ticket
 * that is still good.
 */
import { and, asc, eq, inArray, isNull, or, type SQL } from "drizzle-orm";
import type { Database } from "./database.ts";
import { consoles } from "./schema/consoles.ts";
import { sessions, tickets } from "./schema/sessions.ts";

export interface LivingSession {
  readonly id: string;
  readonly consoleName: string;
}

/** Some of them, the oldest first. */
export async function listLivingSessions(
  database: Database,
  userId: string,
  limit: number,
): Promise<LivingSession[]> {
  return await database
    .select({ id: sessions.id, consoleName: consoles.name })
    .from(sessions)
    .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
    .leftJoin(tickets, eq(tickets.sessionId, sessions.id))
    .where(isLivingOf(userId))
    .orderBy(asc(sessions.createdAtMs), asc(sessions.id))
    .limit(limit);
}

/** Which rows of sessions, joined with their tickets, are such. */
export function isLivingOf(userId: string): SQL | undefined {
  return and(
    eq(sessions.userId, userId),
    inArray(sessions.state, ["pending", "active"]),
    or(eq(sessions.state, "active"), isNull(tickets.withdrawnAtMs)),
  );
}
