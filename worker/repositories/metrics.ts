/** What the metrics tell of the whole control plane: counts by state. */
import { and, count, eq, inArray } from "drizzle-orm";
import type { Database } from "./database.ts";
import { relays } from "./schema/relays.ts";
import { sessions } from "./schema/sessions.ts";

export interface StateCount {
  readonly state: string;
  readonly count: number;
}

/** Relays by state; `draining` counts those that are online and take no new sessions. */
export async function countRelays(database: Database): Promise<StateCount[]> {
  const rows = await database
    .select({ state: relays.state, draining: relays.draining, count: count() })
    .from(relays)
    .groupBy(relays.state, relays.draining);
  const counts = new Map<string, number>();
  for (const row of rows) {
    const state = row.state === "online" && row.draining ? "draining" : row.state;
    counts.set(state, (counts.get(state) ?? 0) + row.count);
  }
  return [...counts].map(([state, total]) => ({ state, count: total }));
}

/**
 * Sessions that wait or live, by state. Through the relays, because the index of sessions begins
 * with theirs: those that have ended, which are without bound, are not touched.
 */
export async function countLivingSessions(database: Database): Promise<StateCount[]> {
  return await database
    .select({ state: sessions.state, count: count() })
    .from(relays)
    // Crossed, because SQLite keeps that order: joined, it would read every session there was.
    .crossJoin(sessions)
    .where(and(eq(sessions.relayId, relays.id), inArray(sessions.state, ["pending", "active"])))
    .groupBy(sessions.state);
}
