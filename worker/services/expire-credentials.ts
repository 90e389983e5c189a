/** The job that clears away what time has made worthless. */
import {
  deleteExpiredApiTokens,
  deleteExpiredJoinTokens,
  deleteExpiredLogins,
  deleteExpiredTickets,
  deleteUnusedShares,
  type Expiry,
} from "../repositories/expired-rows.ts";
import type { Database } from "../repositories/database.ts";
import { deleteExpiredKeys } from "../repositories/idempotency-keys.ts";
import { deleteOldDeliveries } from "../repositories/webhook-deliveries.ts";
import type { ServiceContext } from "./context.ts";

export async function expireCredentials(
  context: ServiceContext,
): Promise<{ readonly again: boolean }> {
  let again = false;
  for (const { keptMs, remove } of EXPIRING) {
    const expiry = { untilMs: context.nowMs() - keptMs, limit: ROWS_AT_ONCE };
    const removed = await remove(context.database, expiry);
    again ||= removed === ROWS_AT_ONCE;
  }
  return { again };
}

const DAY_MS = 24 * 60 * 60_000;

/** What is deleted how long after it has expired. */
const EXPIRING: readonly {
  readonly keptMs: number;
  readonly remove: (database: Database, expiry: Expiry) => Promise<number>;
}[] = [
  { keptMs: 0, remove: deleteExpiredLogins },
  // Their owners see for a while that they have expired, and not that they are gone.
  { keptMs: 30 * DAY_MS, remove: deleteExpiredApiTokens },
  { keptMs: 7 * DAY_MS, remove: deleteExpiredJoinTokens },
  // A client that comes late is told that its ticket was used, and not that it never was.
  { keptMs: DAY_MS, remove: deleteExpiredTickets },
  // Their issuers see for a while what became of them.
  { keptMs: 30 * DAY_MS, remove: deleteUnusedShares },
  { keptMs: 0, remove: deleteExpiredKeys },
  { keptMs: 7 * DAY_MS, remove: deliveriesIn("delivered") },
  { keptMs: 30 * DAY_MS, remove: deliveriesIn("dead") },
];

function deliveriesIn(state: "delivered" | "dead") {
  return async (database: Database, { untilMs, limit }: Expiry): Promise<number> =>
    await deleteOldDeliveries(database, { state, beforeMs: untilMs, limit });
}

/** Rows of a kind in one run: a statement of some ten milliseconds. */
const ROWS_AT_ONCE = 1_000;
