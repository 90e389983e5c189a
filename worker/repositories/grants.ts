/** Grants by the hash of their ticket, for relays that ask. */
import { and, eq } from "drizzle-orm";
import type { GrantSubjects } from "#shared/control/denials.ts";
import type { Database } from "./database.ts";
import { sessions, tickets } from "./schema/sessions.ts";

/** With the subjects that it can be denied by; its session was made before the grant was. */
export type GrantFacts = Pick<
  typeof tickets.$inferSelect,
  "grantJws" | "expiresAtMs" | "consumedAtMs" | "withdrawnAtMs"
> &
  Pick<typeof sessions.$inferSelect, "state" | "openedAtMs"> &
  GrantSubjects;

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
      userId: sessions.userId,
      consoleId: sessions.consoleId,
      sessionId: sessions.id,
      shareId: sessions.shareId,
      issuedAtMs: sessions.createdAtMs,
    })
    .from(tickets)
    .innerJoin(sessions, eq(sessions.id, tickets.sessionId))
    .where(and(eq(tickets.ticketHash, wanted.ticketHash), eq(tickets.relayId, wanted.relayId)))
    .limit(1);
  return row ?? null;
}
