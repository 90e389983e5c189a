/**
 * How far each relay's stream of events has been stored, and the one transaction in which events
 * become changes: the position is read, the caller decides on what was read, and changes, audit
 * rows and the new position are stored together or not at all.
 */
import { and, desc, eq, inArray, isNull, ne, or, type SQL, sql } from "drizzle-orm";
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
    const [about, viewers] = await Promise.all([
      loadSessions(transaction, batch),
      loadViewers(transaction, batch.aliveIds),
    ]);
    const changes = decide({ storedSeq, sessions: [...viewers, ...about] });
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

async function loadSessions(transaction: Transaction, batch: StreamBatch): Promise<SessionFacts[]> {
  if (batch.sessionIds.length === 0 && !batch.withActive) {
    return [];
  }
  const named = idIn(batch.sessionIds);
  const active = and(eq(sessions.relayId, batch.relayId), eq(sessions.state, "active"));
  return await selectFacts(transaction, batch.withActive ? or(named, active) : named);
}

/** The active sessions of the consoles of those among these sessions that are not active yet. */
async function loadViewers(
  transaction: Transaction,
  aliveIds: readonly string[],
): Promise<SessionFacts[]> {
  if (aliveIds.length === 0) {
    return [];
  }
  const opening = transaction
    .select({ consoleId: sessions.consoleId })
    .from(sessions)
    .where(and(idIn(aliveIds), ne(sessions.state, "active")));
  const viewers = and(inArray(sessions.consoleId, opening), eq(sessions.state, "active"));
  return await selectFacts(transaction, viewers);
}

async function selectFacts(
  transaction: Transaction,
  condition: SQL | undefined,
): Promise<SessionFacts[]> {
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
    .where(condition);
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
