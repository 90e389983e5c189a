/**
 * The audit trail's chains as they are written: which chain a record goes to, and the statements
 * that put records at the end of their chains. Only store-with-audit.ts stores them.
 */
import { inArray, sql } from "drizzle-orm";
import { type ChainHead, emptyChain, hashLink } from "#shared/audit/chain.ts";
import type { AuditRecord } from "#shared/audit/events.ts";
import { auditRow } from "./audit-events.ts";
import type { Database, Transaction } from "./database.ts";
import { auditChains, auditEvents } from "./schema/audit.ts";

/** Which chain each record goes to, by the record's id. */
export type Writers = ReadonlyMap<string, string>;

/** New links, and where their chains end before and after them. */
export interface Extension {
  readonly rows: readonly (typeof auditEvents.$inferInsert)[];
  readonly moves: readonly { readonly before: ChainHead; readonly after: ChainHead }[];
}

/**
 * A relay's reports have a chain of their own, because its hub stores one batch at a time.
 * Everything else goes to `shared`.
 */
export function writersOf(records: readonly AuditRecord[], shared: string): Writers {
  return new Map(
    records.map(({ id, actorKind, actorId }) => [
      id,
      actorKind === "relay" && actorId !== null ? `relay:${actorId}` : shared,
    ]),
  );
}

/**
 * One of a few chains, so that requests seldom meet: which one follows from the first record's
 * random id, and another `attempt` goes to another one.
 */
export function chooseSharedWriter(records: readonly AuditRecord[], attempt: number): string {
  const random = Array.from(records[0]?.id.slice(-8, -2) ?? "", (letter) => letter.codePointAt(0));
  const sum = random.reduce<number>((total, code) => total * 31 + (code ?? 0), attempt * 7);
  return `${SHARED_PREFIX}${sum % SHARED_WRITERS}`;
}

export function isSharedWriter(writer: string): boolean {
  return writer.startsWith(SHARED_PREFIX);
}

/** Where these chains end now. */
export async function readHeads(
  database: Database | Transaction,
  writers: Iterable<string>,
): Promise<ChainHead[]> {
  const names = [...new Set(writers)];
  const { writer, seq, hash } = auditChains;
  const rows = await database
    .select({ writer, seq, hash })
    .from(auditChains)
    .where(inArray(writer, names));
  return names.map((name) => rows.find((row) => row.writer === name) ?? emptyChain(name));
}

/** Links the records to the ends of their chains, in their order. */
export async function extendChains(
  heads: readonly ChainHead[],
  records: readonly AuditRecord[],
  writers: Writers,
): Promise<Extension> {
  const ends = new Map(heads.map((head) => [head.writer, head]));
  const rows: (typeof auditEvents.$inferInsert)[] = [];
  for (const record of records) {
    const writer = writers.get(record.id) ?? "";
    const end = ends.get(writer) ?? emptyChain(writer);
    const fields = auditRow(record);
    const seq = end.seq + 1;
    const hash = await hashLink(end.hash, { ...fields, writer, seq });
    rows.push({ ...fields, writer, seq, hash });
    ends.set(writer, { writer, seq, hash });
  }
  const moves = heads.map((before) => ({ before, after: ends.get(before.writer) ?? before }));
  return { rows, moves };
}

/**
 * The statements that store an extension. The first ones fail, and nothing of a batch is stored,
 * unless each chain still ends where it was seen to end (`isChainRaced` in database-errors.ts).
 */
export function extensionStatements(database: Database | Transaction, { rows, moves }: Extension) {
  const starts = Array.from(
    { length: Math.ceil(rows.length / ROWS_PER_STATEMENT) },
    (_, index) => index * ROWS_PER_STATEMENT,
  );
  return [
    ...moves.map(({ before, after }) => moveHead(database, before, after)),
    ...starts.map((start) =>
      database.insert(auditEvents).values(rows.slice(start, start + ROWS_PER_STATEMENT)),
    ),
  ];
}

/** Moves the head, or violates NOT NULL: an update that finds nothing to do would fail no batch. */
function moveHead(database: Database | Transaction, before: ChainHead, after: ChainHead) {
  const { writer, seq, hash } = after;
  const now = database
    .select({ place: sql`${auditChains.seq} || ' ' || ${auditChains.hash}` })
    .from(auditChains)
    .where(sql`${auditChains.writer} = ${writer}`);
  const seen = `${before.seq} ${before.hash}`;
  const guarded = sql<number>`CASE WHEN coalesce(${now}, '0 ') = ${seen} THEN ${seq} END`;
  return database
    .insert(auditChains)
    .values({ writer, seq: guarded, hash })
    .onConflictDoUpdate({
      target: auditChains.writer,
      set: { seq: sql`excluded.seq`, hash: sql`excluded.hash` },
    });
}

const SHARED_PREFIX = "api:";
/** Changes that can be stored at the same moment; each chain in use costs a line a checkpoint. */
const SHARED_WRITERS = 64;
/** SQLite binds at most 32 766 values a statement; a row has 15. */
const ROWS_PER_STATEMENT = 500;
