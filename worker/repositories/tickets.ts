/**
 * Tickets: one row a session, for the ticket that is in force. Neither the ticket nor the address
 * of its console file can be read from it; both are found by their hashes.
 */
import { and, eq, exists, gt, isNull, ne } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import type { Way } from "#shared/ticket/way.ts";
import type { Database } from "./database.ts";
import { consoles } from "./schema/consoles.ts";
import { relays } from "./schema/relays.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { takeShareUse } from "./shares.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export type TicketRow = Pick<
  typeof tickets.$inferSelect,
  | "sessionId"
  | "relayId"
  | "ticketId"
  | "ticketEpoch"
  | "ticketHash"
  | "expiresAtMs"
  | "way"
  | "vvTokenHash"
  | "grantId"
  | "grantJws"
>;

/** What a console file is made of, all but the ticket itself. */
export interface ConsoleFileParts {
  readonly sessionId: string;
  readonly relayId: string;
  readonly ticketId: string;
  readonly ticketEpoch: number;
  readonly ticketHash: string;
  readonly expiresAtMs: number;
  readonly way: Way;
  readonly consoleId: string;
  readonly consoleName: string;
  readonly host: string;
  readonly tlsPort: number;
  readonly connectPort: number | null;
  readonly hostSubject: string;
}

/**
 * Stores a new session with its first ticket, and takes a use of the link that it comes through.
 *
 * @throws {Error} a check violation when the link has none left, has expired or is revoked (see
 * database-errors.ts); nothing is then stored.
 */
export async function storeSessionWithTicket(
  database: Database,
  opening: {
    readonly session: typeof sessions.$inferInsert;
    readonly ticket: TicketRow;
    readonly audits: readonly AuditRecord[];
  },
): Promise<void> {
  const { session, ticket, audits } = opening;
  const { shareId, createdAtMs: nowMs } = session;
  await storeWithAudit(database, audits, () => [
    ...(typeof shareId === "string" ? [takeShareUse(database, { id: shareId, nowMs })] : []),
    database.insert(sessions).values(session),
    database.insert(tickets).values(ticket),
  ]);
}

/** Puts another ticket, for another relay, in the place of the session's withdrawn one. */
export async function replaceTicket(
  database: Database,
  ticket: TicketRow,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    database
      .update(sessions)
      .set({ relayId: ticket.relayId })
      .where(eq(sessions.id, ticket.sessionId)),
    database
      .insert(tickets)
      .values(ticket)
      .onConflictDoUpdate({
        target: tickets.sessionId,
        set: { ...ticket, vvFetchedAtMs: null, consumedAtMs: null, withdrawnAtMs: null },
      }),
  ]);
}

/** From then on nobody can fetch the ticket or open a session with it. */
export async function withdrawTicket(
  database: Database,
  withdrawal: { readonly sessionId: string; readonly grantId: string; readonly atMs: number },
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    database
      .update(tickets)
      .set({ withdrawnAtMs: withdrawal.atMs })
      .where(
        and(eq(tickets.sessionId, withdrawal.sessionId), eq(tickets.grantId, withdrawal.grantId)),
      ),
  ]);
}

/**
 * Marks the console file as fetched and gives its parts; null when it was fetched, has expired or
 * never was. Of requests that race exactly one gets the parts, and it alone is recorded.
 */
export async function takeConsoleFile(
  database: Database,
  taking: { readonly vvTokenHash: string; readonly nowMs: number },
  auditOf: (parts: ConsoleFileParts) => AuditRecord,
): Promise<ConsoleFileParts | null> {
  return await database.transaction(async (transaction) => {
    const [taken] = await transaction
      .update(tickets)
      .set({ vvFetchedAtMs: taking.nowMs })
      .where(
        and(
          eq(tickets.vvTokenHash, taking.vvTokenHash),
          isNull(tickets.vvFetchedAtMs),
          isNull(tickets.consumedAtMs),
          isNull(tickets.withdrawnAtMs),
          gt(tickets.expiresAtMs, taking.nowMs),
          exists(
            transaction
              .select({ id: sessions.id })
              .from(sessions)
              .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
              .where(
                and(
                  eq(sessions.id, tickets.sessionId),
                  ne(sessions.state, "ended"),
                  isNull(consoles.deletedAtMs),
                ),
              ),
          ),
        ),
      )
      .returning({ sessionId: tickets.sessionId });
    if (taken === undefined) {
      return null;
    }
    const [parts] = await transaction
      .select({
        sessionId: tickets.sessionId,
        relayId: tickets.relayId,
        ticketId: tickets.ticketId,
        ticketEpoch: tickets.ticketEpoch,
        ticketHash: tickets.ticketHash,
        expiresAtMs: tickets.expiresAtMs,
        way: tickets.way,
        consoleId: consoles.id,
        consoleName: consoles.name,
        host: relays.host,
        tlsPort: relays.tlsPort,
        connectPort: relays.connectPort,
        hostSubject: relays.hostSubject,
      })
      .from(tickets)
      .innerJoin(sessions, eq(sessions.id, tickets.sessionId))
      .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
      .innerJoin(relays, eq(relays.id, tickets.relayId))
      .where(eq(tickets.sessionId, taken.sessionId))
      .limit(1);
    assert(parts !== undefined, "a ticket has a session, a console and a relay");
    await insertAuditRecords(transaction, [auditOf(parts)]);
    return parts;
  });
}
