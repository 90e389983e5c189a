/** Denials: one row a subject, and the sessions that each concerns. */
import { and, asc, desc, eq, gt, inArray, isNull, lte, or, type SQL, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { unreachable } from "#shared/base/assert.ts";
import type { Denial, DenialSubject } from "#shared/control/denials.ts";
import type { Database, Transaction } from "./database.ts";
import { denials } from "./schema/denials.ts";
import { relays } from "./schema/relays.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { endIsPresumed } from "./session-lifecycle.ts";

/** A denial to be stored, with its circumstances. */
export interface NewDenial {
  readonly denial: Denial;
  /** The user who asked for it; null: nobody did. */
  readonly by: string | null;
  /** When; the moment that the denial is about lies a little later. */
  readonly nowMs: number;
  readonly audit: AuditRecord;
}

export interface DenialRow extends Denial {
  readonly revision: number;
}

/** A relay that may hold a grant or a session of a subject. */
export interface ConcernedRelay {
  readonly id: string;
  readonly controlVersion: number | null;
}

/** Whose denial it is, and since when a lost relay is presumed to be gone for good. */
export interface DenialScope {
  readonly subject: DenialSubject;
  readonly id: string;
  readonly lostAfterMs: number;
}

/**
 * Stores a denial in the place of an older one of its subject, with a revision of its own, inside the
 * transaction of the change that it follows from; that one stores the audit record as well. The
 * subject's tickets open nothing any more, and its living sessions tell who asked for their end.
 */
export async function storeDenial(
  transaction: Transaction,
  { denial, by, nowMs }: NewDenial,
): Promise<void> {
  const { subject, id, atMs, untilMs } = denial;
  // Written out, because SQLite proves from it that an index of the living has all rows.
  const living = and(sessionsOf(denial), sql`${sessions.state} <> 'ended'`);
  const ids = transaction.select({ id: sessions.id }).from(sessions).where(living);
  // All asked at once, so that they share a round trip; they are carried out in this order.
  await Promise.all([
    transaction.delete(denials).where(and(eq(denials.subject, subject), eq(denials.subjectId, id))),
    transaction.insert(denials).values({ subject, subjectId: id, atMs, untilMs }),
    transaction
      .update(tickets)
      .set({ withdrawnAtMs: nowMs })
      .where(and(inArray(tickets.sessionId, ids), isNull(tickets.withdrawnAtMs))),
    transaction.update(sessions).set({ endRequestedBy: by, endRequestedAtMs: nowMs }).where(living),
  ]);
}

/** The denials that can still matter, the newest first. */
export async function listDenials(
  database: Database,
  wanted: { readonly nowMs: number; readonly limit: number },
): Promise<DenialRow[]> {
  const rows = await database
    .select()
    .from(denials)
    .where(gt(denials.untilMs, wanted.nowMs))
    .orderBy(desc(denials.revision))
    .limit(wanted.limit);
  return rows.map(fromRow);
}

/** Those that not every relay was told of, the oldest first. */
export async function listUnannounced(database: Database, limit: number): Promise<DenialRow[]> {
  const rows = await database
    .select()
    .from(denials)
    .where(isNull(denials.announcedAtMs))
    .orderBy(asc(denials.revision))
    .limit(limit);
  return rows.map(fromRow);
}

/** The denials of these subjects. */
export async function findDenials(
  database: Database,
  subjects: readonly { readonly subject: DenialSubject; readonly id: string }[],
): Promise<DenialRow[]> {
  const conditions = subjects.map(({ subject, id }) =>
    and(eq(denials.subject, subject), eq(denials.subjectId, id)),
  );
  const rows = await database
    .select()
    .from(denials)
    .where(or(...conditions));
  return rows.map(fromRow);
}

/** The denial of a subject, which was just stored. */
export async function findDenial(
  database: Database,
  about: { readonly subject: DenialSubject; readonly id: string },
): Promise<DenialRow | null> {
  const [row] = await findDenials(database, [about]);
  return row ?? null;
}

/** Every relay that it concerns was told, and it can matter until then at most. */
export async function markAnnounced(
  database: Database,
  denial: { readonly revision: number; readonly atMs: number; readonly untilMs: number },
): Promise<void> {
  await database
    .update(denials)
    .set({ announcedAtMs: denial.atMs, untilMs: denial.untilMs })
    .where(eq(denials.revision, denial.revision));
}

/** Forgets denials that cannot matter any more; so many at most. */
export async function deletePastDenials(
  database: Database,
  past: { readonly nowMs: number; readonly limit: number },
): Promise<void> {
  const gone = database
    .select({ revision: denials.revision })
    .from(denials)
    .where(lte(denials.untilMs, past.nowMs))
    .limit(past.limit);
  await database.delete(denials).where(inArray(denials.revision, gone));
}

/** The relays that may hold something of the subject. */
export async function listConcernedRelays(
  database: Database,
  scope: DenialScope,
): Promise<ConcernedRelay[]> {
  return await database
    .selectDistinct({ id: relays.id, controlVersion: relays.controlVersion })
    .from(sessions)
    .innerJoin(relays, eq(relays.id, sessions.relayId))
    .where(and(sessionsOf(scope), mayLive(scope.lostAfterMs)));
}

/** The subject's sessions that one relay may hold; so many at most. */
export async function listSessionsAtRelay(
  database: Database,
  scope: DenialScope & { readonly relayId: string; readonly limit: number },
): Promise<string[]> {
  const rows = await database
    .select({ id: sessions.id })
    .from(sessions)
    .where(and(sessionsOf(scope), eq(sessions.relayId, scope.relayId), mayLive(scope.lostAfterMs)))
    .limit(scope.limit);
  return rows.map(({ id }) => id);
}

/** Sessions that are not over, and those that are only presumed to be. */
function mayLive(lostAfterMs: number): SQL | undefined {
  return or(
    inArray(sessions.state, ["pending", "active"]),
    and(endIsPresumed(), gt(sessions.endedAtMs, lostAfterMs)),
  );
}

function sessionsOf({ subject, id }: Pick<DenialScope, "subject" | "id">): SQL {
  switch (subject) {
    case "user":
      return eq(sessions.userId, id);
    case "console":
      return eq(sessions.consoleId, id);
    case "session":
      return eq(sessions.id, id);
    case "share":
      return eq(sessions.shareId, id);
    default:
      return unreachable(subject);
  }
}

function fromRow(row: typeof denials.$inferSelect): DenialRow {
  const { revision, subject, subjectId, atMs, untilMs } = row;
  return { revision, subject, id: subjectId, atMs, untilMs };
}
