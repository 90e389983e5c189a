/**
 * The one way into the audit trail: a change and the rows that tell of it are stored together or
 * not at all. Either as one batch (one round trip), or inside a transaction that is open already.
 * Each row becomes the last link of a chain (shared/audit/chain.ts).
 */
import type { SQLWrapper } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { ChainHead } from "#shared/audit/chain.ts";
import type { AuditRecord } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import {
  chooseSharedWriter,
  extendChains,
  type Extension,
  extensionStatements,
  isSharedWriter,
  readHeads,
  writersOf,
} from "./audit-chains.ts";
import type { Database, Transaction } from "./database.ts";
import { isChainRaced } from "./database-errors.ts";
import { restChain, takeRestingChain } from "./resting-chains.ts";

type Statement = BatchItem<"sqlite">;

/**
 * Stores the statements and their audit rows as one atomic batch; without statements the rows
 * alone. `build` may be called again when the batch has to be tried again, so it only builds.
 *
 * @throws {Error} what the database says of a statement (see database-errors.ts); nothing is then
 * stored.
 */
export async function storeWithAudit(
  database: Database,
  audits: readonly AuditRecord[],
  build: () => readonly Statement[] = () => [],
): Promise<void> {
  for (let attempt = 1; attempt <= BATCHES_MAX; attempt += 1) {
    const resting = attempt === 1 && audits.length > 0 ? takeRestingChain() : null;
    const extension = await extend(database, audits, { attempt, resting });
    const [first, ...rest] = [...extensionStatements(database, extension), ...build()];
    assert(first !== undefined, "a change has its audit event");
    try {
      await database.batch([first, ...rest]);
      keepEnd(extension);
      return;
    } catch (error) {
      if (!isChainRaced(error)) {
        throw error;
      }
    }
  }
  await storeInTurn(database, audits, build);
}

/** Stores the rows inside the transaction of the change that they tell of. */
export async function insertAuditRecords(
  transaction: Transaction,
  records: readonly AuditRecord[],
): Promise<void> {
  if (records.length > 0) {
    const extension = await extend(transaction, records, { attempt: 0, resting: null });
    // All asked at once, so that they share a round trip.
    await Promise.all(extensionStatements(transaction, extension));
  }
}

/** Slower, and sure to get through: the chains cannot move while the transaction has the lock. */
async function storeInTurn(
  database: Database,
  audits: readonly AuditRecord[],
  build: () => readonly Statement[],
): Promise<void> {
  await database.transaction(async (transaction) => {
    await insertAuditRecords(transaction, audits);
    await Promise.all(
      build().map(async (statement) => {
        await transaction.run((statement as unknown as SQLWrapper).getSQL());
      }),
    );
  });
}

/** Links the records to their chains' ends: to a chain that rests, or to those that are read now. */
async function extend(
  database: Database | Transaction,
  records: readonly AuditRecord[],
  choice: { readonly attempt: number; readonly resting: ChainHead | null },
): Promise<Extension> {
  const { attempt, resting } = choice;
  const shared = resting?.writer ?? chooseSharedWriter(records, attempt);
  const writers = writersOf(records, shared);
  const unknown = [...writers.values()].filter((writer) => writer !== resting?.writer);
  const read = unknown.length === 0 ? [] : await readHeads(database, unknown);
  const used = resting !== null && unknown.length < records.length ? [resting] : [];
  return await extendChains([...used, ...read], records, writers);
}

function keepEnd({ moves }: Extension): void {
  const moved = moves.map(({ after }) => after).find(({ writer }) => isSharedWriter(writer));
  if (moved !== undefined) {
    restChain(moved);
  }
}

/** Batches that are tried; whoever meets others that often waits for a turn instead. */
const BATCHES_MAX = 3;
