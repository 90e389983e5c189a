/**
 * The one way into the audit trail: a change and the rows that tell of it are stored together or
 * not at all. Either as one batch (one round trip), or inside a transaction that is open already.
 */
import type { BatchItem } from "drizzle-orm/batch";
import type { AuditRecord } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import { auditRow } from "./audit-events.ts";
import type { Database, Transaction } from "./database.ts";
import { auditEvents } from "./schema/audit.ts";

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
  const [first, ...rest] = [...build(), ...auditInserts(database, audits)];
  assert(first !== undefined, "a change has its audit event");
  await database.batch([first, ...rest]);
}

/** Stores the rows inside the transaction of the change that they tell of. */
export async function insertAuditRecords(
  transaction: Transaction,
  records: readonly AuditRecord[],
): Promise<void> {
  for (const insert of auditInserts(transaction, records)) {
    await insert;
  }
}

/** The rows in statements of a bounded size. */
function auditInserts(database: Database | Transaction, records: readonly AuditRecord[]) {
  const starts = Array.from(
    { length: Math.ceil(records.length / ROWS_PER_STATEMENT) },
    (_, index) => index * ROWS_PER_STATEMENT,
  );
  return starts.map((start) =>
    database
      .insert(auditEvents)
      .values(records.slice(start, start + ROWS_PER_STATEMENT).map(auditRow)),
  );
}

/** SQLite binds at most 32 766 values a statement; a row has 11. */
const ROWS_PER_STATEMENT = 500;
