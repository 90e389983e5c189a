/**
 * How far each relay's stream of events has been stored, and the one transaction in which events
 * become changes: the position is read, the caller decides on what was read, and changes, audit
 * rows and the new position are stored together or not at all.
 */
import { and, desc, eq, inArray, isNull, ne, or, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database, Transaction } from "./database.ts";
import { type ChannelChanges, storeChannelChanges } from "./session-channels.ts";
import { idIn, patchSessions, type SessionPatch } from "./session-lifecycle.ts";
import { relayStreams } from "./schema/relays.ts";
import { sessions, tickets } from "./schema/sessions.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

/** What decides about an event that names a session. */
export type SessionFacts = Pick<
  typeof sessions.$inferSelect,
  | "id"
  | "consoleId"
  | "relayId"
  | "state"
  | "openedAtMs"
  | "endReason"
  | "clientAddress"
  | "secondViewer"
  | "yieldsTo"
  | "refusedCode"
>;

export interface StreamBatch {
  readonly relayId: string;
  readonly stream: string;
  /** Every session that an event names. */
  readonly sessionIds: readonly string[];
  /** Whether the relay's active sessions are wanted too. */
  readonly withActive: boolean;
  /** Sessions that may become active: whoever has their consoles then is wanted too. */
  readonly aliveIds: readonly string[];
}

/** What was read, for the decision. */
export interface StreamFacts {
  readonly storedSeq: number;
  readonly sessions: readonly SessionFacts[];
}

/** What to store. */
export interface StreamChanges {
  readonly storedSeq: number;
  readonly patches: ReadonlyMap<string, SessionPatch>;
  /** Sessions whose ticket is used up, and since when. */
  readonly consumed: ReadonlyMap<string, number>;
  readonly audits: readonly AuditRecord[];
  readonly channels: ChannelChanges;
}

/** Carries a batch of events out, once. The value is the last event that is stored afterwards. */
export async function applyToStream(
  database: Database,
  batch: StreamBatch,
  decide: (facts: StreamFacts) => StreamChanges,
): Promise<number> {
  const { relayId, stream } = batch;
  return await database.transaction(async (transaction) => {
    const [position] = await transaction
      .select({ storedSeq: relayStreams.storedSeq })
      .from(relayStreams)
      .where(and(eq(relayStreams.relayId, relayId), eq(relayStreams.stream, stream)))
      .limit(1);
    const storedSeq = position?.storedSeq ?? 0;
    const changes = decide({ storedSeq, sessions: await loadSessions(transaction, batch) });
    if (changes.storedSeq === storedSeq) {
      return storedSeq;
    }
    await patchSessions(transaction, changes.patches);
    await consumeTickets(transaction, changes.consumed);
    await storeChannelChanges(transaction, changes.channels);
    await insertAuditRecords(transaction, changes.audits);
    await advance(transaction, batch, changes.storedSeq);
    return changes.storedSeq;
  });
}

/** The stream that the relay used last, and how far it is stored; null before its first event. */
export async function findNewestStream(
  database: Database,
  relayId: string,
): Promise<{ readonly stream: string; readonly storedSeq: number } | null> {
  const [row] = await database
    .select({ stream: relayStreams.stream, storedSeq: relayStreams.storedSeq })
    .from(relayStreams)
    .where(eq(relayStreams.relayId, relayId))
    .orderBy(desc(sql`rowid`))
    .limit(1);
  return row ?? null;
}

/**
 * Those that the events name, the relay's active ones where they are wanted, and the active ones of
 * the consoles that a session is about to become active of.
 */
async function loadSessions(transaction: Transaction, batch: StreamBatch): Promise<SessionFacts[]> {
  const { relayId, sessionIds, withActive, aliveIds } = batch;
  const isActive = eq(sessions.state, "active");
  const opening = transaction
    .select({ consoleId: sessions.consoleId })
    .from(sessions)
    .where(and(idIn(aliveIds), ne(sessions.state, "active")));
  const wanted = or(
    sessionIds.length > 0 ? idIn(sessionIds) : undefined,
    withActive ? and(eq(sessions.relayId, relayId), isActive) : undefined,
    aliveIds.length > 0 ? and(inArray(sessions.consoleId, opening), isActive) : undefined,
  );
  if (wanted === undefined) {
    return [];
  }
  return await transaction
    .select({
      id: sessions.id,
      consoleId: sessions.consoleId,
      relayId: sessions.relayId,
      state: sessions.state,
      openedAtMs: sessions.openedAtMs,
      endReason: sessions.endReason,
      clientAddress: sessions.clientAddress,
      secondViewer: sessions.secondViewer,
      yieldsTo: sessions.yieldsTo,
      refusedCode: sessions.refusedCode,
    })
    .from(sessions)
    .where(wanted);
}

/** All asked at once, so that they share a round trip: each has a row of its own. */
async function consumeTickets(
  transaction: Transaction,
  consumed: ReadonlyMap<string, number>,
): Promise<void> {
  await Promise.all(
    [...consumed].map(async ([sessionId, consumedAtMs]) => {
      await transaction
        .update(tickets)
        .set({ consumedAtMs })
        .where(and(eq(tickets.sessionId, sessionId), isNull(tickets.consumedAtMs)));
    }),
  );
}

/** A new stream pushes the oldest out: a relay begins one only when it lost its spool. */
async function advance(
  transaction: Transaction,
  batch: Pick<StreamBatch, "relayId" | "stream">,
  storedSeq: number,
): Promise<void> {
  const { relayId, stream } = batch;
  await transaction
    .insert(relayStreams)
    .values({ relayId, stream, storedSeq })
    .onConflictDoUpdate({
      target: [relayStreams.relayId, relayStreams.stream],
      set: { storedSeq },
    });
  const kept = transaction
    .select({ stream: relayStreams.stream })
    .from(relayStreams)
    .where(eq(relayStreams.relayId, relayId))
    .orderBy(desc(sql`rowid`))
    .limit(STREAMS_KEPT);
  await transaction
    .delete(relayStreams)
    .where(and(eq(relayStreams.relayId, relayId), sql`${relayStreams.stream} NOT IN ${kept}`));
}

/** Positions of a relay's streams that are remembered, so that an old spool repeats nothing. */
const STREAMS_KEPT = 8;
