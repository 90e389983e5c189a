/**
 * Tickets: one row a session, for the ticket that is in force. Neither the ticket nor the address
 * of its console file can be read from it; both are found by their hashes.
 */
import { and, count, eq, exists, gt, inArray, isNull, ne, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { AuditRecord } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import type { Way } from "#shared/ticket/way.ts";
import type { Database, Transaction } from "./database.ts";
import { consoles } from "./schema/consoles.ts";
import { ownCertificates } from "./schema/keys.ts";
import { users } from "./schema/people.ts";
import { relays } from "./schema/relays.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { takeShareUse } from "./shares.ts";
import { isLivingOf } from "./living-sessions.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";
import { demandEnabledUser } from "./users.ts";

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
  /** Whose session it is. */
  readonly userId: string;
  readonly consoleId: string;
  readonly consoleName: string;
  readonly host: string;
  readonly tlsPort: number;
  readonly connectPort: number | null;
  readonly hostSubject: string;
  /** The certificate of its operator's own that the relay shows. */
  readonly own: { readonly ca: string | null; readonly hostSubject: string | null } | null;
}

/** How many sessions a user may have; null: any number. */
export interface SessionLimit {
  readonly userId: string;
  readonly sessionsMax: number | null;
}

/**
 * Stores a new session with its first ticket, and takes a use of the link that it comes through;
 * false, and nothing stored, beyond the limit.
 *
 * @throws {Error} a check violation when the link has none left, has expired or is revoked, or when
 * the user was disabled or deleted (see database-errors.ts); nothing is then stored.
 */
export async function storeSessionWithTicket(
  database: Database,
  opening: {
    readonly session: typeof sessions.$inferInsert;
    readonly ticket: TicketRow;
    readonly audits: readonly AuditRecord[];
  },
  limit: SessionLimit,
): Promise<boolean> {
  const { session, ticket, audits } = opening;
  const { id: sessionId, shareId, createdAtMs: nowMs } = session;
  return await storeWithinLimit(database, { audits, limit, sessionId }, (on) => [
    // Who disables a user ends the sessions that are stored by then, so none may come afterwards.
    demandEnabledUser(on, session.userId),
    ...(typeof shareId === "string" ? [takeShareUse(on, { id: shareId, nowMs })] : []),
    on.insert(sessions).values(session),
    on.insert(tickets).values(ticket),
  ]);
}

/**
 * Puts another ticket, for another relay, in the place of the session's withdrawn one; false, and
 * nothing stored, beyond the limit. When the session's end was asked for meanwhile, the new one is
 * void from the beginning.
 */
export async function replaceTicket(
  database: Database,
  replacement: { readonly ticket: TicketRow; readonly audit: AuditRecord },
  limit: SessionLimit,
): Promise<boolean> {
  const { ticket, audit } = replacement;
  const { sessionId } = ticket;
  return await storeWithinLimit(database, { audits: [audit], limit, sessionId }, (on) => [
    on.update(sessions).set({ relayId: ticket.relayId }).where(eq(sessions.id, ticket.sessionId)),
    on
      .insert(tickets)
      .values(ticket)
      .onConflictDoUpdate({
        target: tickets.sessionId,
        set: {
          ...ticket,
          vvFetchedAtMs: null,
          consumedAtMs: null,
          withdrawnAtMs: sql`(SELECT end_requested_at_ms FROM sessions WHERE id = excluded.session_id)`,
        },
      }),
  ]);
}

/**
 * One batch, or where there is a limit one transaction with the count: of requests that race for the
 * last session one gets it.
 */
async function storeWithinLimit(
  database: Database,
  storing: {
    readonly audits: readonly AuditRecord[];
    readonly limit: SessionLimit;
    readonly sessionId: string;
  },
  build: (on: Database | Transaction) => readonly Storing[],
): Promise<boolean> {
  const { audits, limit, sessionId } = storing;
  const { userId, sessionsMax } = limit;
  if (sessionsMax === null) {
    await storeWithAudit(database, audits, () => build(database));
    return true;
  }
  return await database.transaction(async (transaction) => {
    const others = await transaction
      .select({ count: count() })
      .from(sessions)
      .leftJoin(tickets, eq(tickets.sessionId, sessions.id))
      .where(and(isLivingOf(userId), ne(sessions.id, sessionId)));
    if ((others[0]?.count ?? 0) >= sessionsMax) {
      return false;
    }
    for (const statement of build(transaction)) {
      await statement;
    }
    await insertAuditRecords(transaction, audits);
    return true;
  });
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

/** As {@link withdrawTicket}, for every ticket that could still open a session. */
export async function withdrawOutstandingTickets(
  database: Database,
  nowMs: number,
  auditOf: (ticket: OutstandingTicket) => AuditRecord,
): Promise<void> {
  for (let withdrawn = TICKETS_AT_ONCE; withdrawn === TICKETS_AT_ONCE;) {
    withdrawn = await database.transaction(async (transaction) => {
      const found = await transaction
        .select({
          sessionId: tickets.sessionId,
          relayId: tickets.relayId,
          grantId: tickets.grantId,
          consoleId: sessions.consoleId,
        })
        .from(tickets)
        .innerJoin(sessions, eq(sessions.id, tickets.sessionId))
        .where(
          and(
            gt(tickets.expiresAtMs, nowMs),
            isNull(tickets.consumedAtMs),
            isNull(tickets.withdrawnAtMs),
          ),
        )
        .limit(TICKETS_AT_ONCE);
      if (found.length === 0) {
        return 0;
      }
      const ids = found.map(({ sessionId }) => sessionId);
      await transaction
        .update(tickets)
        .set({ withdrawnAtMs: nowMs })
        .where(inArray(tickets.sessionId, ids));
      await insertAuditRecords(transaction, found.map(auditOf));
      return found.length;
    });
  }
}

interface OutstandingTicket {
  readonly sessionId: string;
  readonly relayId: string;
  readonly grantId: string;
  readonly consoleId: string;
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
          mayBeOpened(transaction),
        ),
      )
      .returning({ sessionId: tickets.sessionId });
    if (taken === undefined) {
      return null;
    }
    const [parts] = await transaction
      .select(CONSOLE_FILE_PARTS)
      .from(tickets)
      .innerJoin(sessions, eq(sessions.id, tickets.sessionId))
      .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
      .innerJoin(relays, eq(relays.id, tickets.relayId))
      .leftJoin(ownCertificates, eq(ownCertificates.relayId, tickets.relayId))
      .where(eq(tickets.sessionId, taken.sessionId))
      .limit(1);
    assert(parts !== undefined, "a ticket has a session, a console and a relay");
    await insertAuditRecords(transaction, [auditOf(parts)]);
    return parts;
  });
}

/** Whether the ticket's session is not over, and its console and its user are still there. */
function mayBeOpened(transaction: Transaction) {
  const session = transaction
    .select({ id: sessions.id })
    .from(sessions)
    .innerJoin(consoles, eq(consoles.id, sessions.consoleId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(
      and(
        eq(sessions.id, tickets.sessionId),
        ne(sessions.state, "ended"),
        isNull(consoles.deletedAtMs),
        // A deleted user is disabled as well.
        isNull(users.disabledAtMs),
      ),
    );
  return exists(session);
}

/** Bound values of one statement, and audit rows of one transaction. */
const TICKETS_AT_ONCE = 500;

/** Runs in a batch, and by itself inside a transaction. */
type Storing = BatchItem<"sqlite"> & PromiseLike<unknown>;

/** What a console file is made of. */
const CONSOLE_FILE_PARTS = {
  sessionId: tickets.sessionId,
  relayId: tickets.relayId,
  ticketId: tickets.ticketId,
  ticketEpoch: tickets.ticketEpoch,
  ticketHash: tickets.ticketHash,
  expiresAtMs: tickets.expiresAtMs,
  way: tickets.way,
  userId: sessions.userId,
  consoleId: consoles.id,
  consoleName: consoles.name,
  host: relays.host,
  tlsPort: relays.tlsPort,
  connectPort: relays.connectPort,
  hostSubject: relays.hostSubject,
  own: {
    // Never null in a row that is there, so that the whole is null only without one.
    relayId: ownCertificates.relayId,
    ca: ownCertificates.ca,
    hostSubject: ownCertificates.hostSubject,
  },
};
