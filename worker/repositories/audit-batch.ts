/** Many audit rows at once, in statements of a bounded size. */
import type { AuditRecord } from "#shared/audit/events.ts";
import { auditRow } from "./audit-events.ts";
import type { Transaction } from "./database.ts";
import { auditEvents } from "./schema.ts";

export async function insertAuditRecords(
  transaction: Transaction,
  records: readonly AuditRecord[],
): Promise<void> {
  for (let start = 0; start < records.length; start += ROWS_PER_STATEMENT) {
    const rows = records.slice(start, start + ROWS_PER_STATEMENT).map(auditRow);
    await transaction.insert(auditEvents).values(rows);
  }
}

/** SQLite binds at most 32 766 values a statement; a row has 11. */
const ROWS_PER_STATEMENT = 500;
