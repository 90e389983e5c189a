/**
 * The sessions that a user has: those that are open, and those that wait to be opened with a ticket
 * that is still good.
 */
import { and, desc, eq, isNull, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { consoles } from "./schema/consoles.ts";
import { sessions, tickets } from "./schema/sessions.ts";

export interface LivingSession {
  readonly id: string;
  readonly consoleName: string;
}

/** Some of them, the newest first. */
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
    .orderBy(desc(sessions.createdAtMs), desc(sessions.id))
    .limit(limit);
}

/** Which rows of sessions, joined with their tickets, are such. */
export function isLivingOf(userId: string): SQL | undefined {
  return and(
    eq(sessions.userId, userId),
    // As the index of those that live has it.
    sql`${sessions.state} <> 'ended'`,
    or(eq(sessions.state, "active"), isNull(tickets.withdrawnAtMs)),
  );
}
