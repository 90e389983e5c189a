/** Grants by the hash of their ticket, for relays that ask. */
import { and, eq } from "drizzle-orm";
import type { Database } from "./database.ts";
import { sessions, tickets } from "./schema/sessions.ts";

export type GrantFacts = Pick<
  typeof tickets.$inferSelect,
  "grantJws" | "expiresAtMs" | "consumedAtMs" | "withdrawnAtMs"
> &
  Pick<typeof sessions.$inferSelect, "state" | "openedAtMs">;

/** Null when that relay has no such ticket. */
export async function findGrant(
  database: Database,
  wanted: { readonly relayId: string; readonly ticketHash: string },
): Promise<GrantFacts | null> {
  const [row] = await database
    .select({
      grantJws: tickets.grantJws,
      expiresAtMs: tickets.expiresAtMs,
      consumedAtMs: tickets.consumedAtMs,
      withdrawnAtMs: tickets.withdrawnAtMs,
      state: sessions.state,
      openedAtMs: sessions.openedAtMs,
    })
    .from(tickets)
    .innerJoin(sessions, eq(sessions.id, tickets.sessionId))
    .where(and(eq(tickets.ticketHash, wanted.ticketHash), eq(tickets.relayId, wanted.relayId)))
    .limit(1);
  return row ?? null;
}
