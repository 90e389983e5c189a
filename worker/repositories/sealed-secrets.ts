/** Sealed secrets wherever they are kept, as SEALED_COLUMNS lists them: found, counted, replaced. */
import { type SQL, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { SEALED_COLUMNS, type SealedColumn } from "./sealed-columns.ts";
import { insertAuditRecords } from "./store-with-audit.ts";

/** A sealed text and its row. */
export interface SealedRow {
  readonly rowId: string;
  readonly sealed: string;
}

/** The columns, in the order in which they are worked through. */
export const SEALED_COLUMN_NAMES = Object.keys(SEALED_COLUMNS) as SealedColumn[];

/** Rows behind `afterRowId`, by their id, whose text does not begin with `prefix`. */
export async function listSealedOtherwise(
  database: Database,
  wanted: {
    readonly column: SealedColumn;
    readonly prefix: string;
    readonly afterRowId: string;
    readonly limit: number;
  },
): Promise<SealedRow[]> {
  const { table, rowId, sealed } = identifiersOf(wanted.column);
  return await database.all<SealedRow>(
    sql`SELECT ${rowId} AS "rowId", ${sealed} AS "sealed" FROM ${table}
      WHERE ${rowId} > ${wanted.afterRowId} AND ${sealed} IS NOT NULL
        AND substr(${sealed}, 1, ${wanted.prefix.length}) <> ${wanted.prefix}
      ORDER BY ${rowId} LIMIT ${wanted.limit}`,
  );
}

/**
 * Puts new texts in the place of those that are still the old ones; what was changed meanwhile is
 * left alone. The value is how many were replaced; of none the audit trail is not told.
 */
export async function replaceSealed(
  database: Database,
  column: SealedColumn,
  replacements: readonly (SealedRow & { readonly before: string })[],
  auditOf: (count: number) => AuditRecord,
): Promise<number> {
  const { table, rowId, sealed } = identifiersOf(column);
  return await database.transaction(async (transaction) => {
    let count = 0;
    for (const replacement of replacements) {
      const { rowsAffected } = await transaction.run(
        sql`UPDATE ${table} SET ${sealed} = ${replacement.sealed}
          WHERE ${rowId} = ${replacement.rowId} AND ${sealed} = ${replacement.before}`,
      );
      count += rowsAffected;
    }
    if (count > 0) {
      await insertAuditRecords(transaction, [auditOf(count)]);
    }
    return count;
  });
}

/** How many texts of a column begin alike, up to the second dot. Reads the whole column. */
export async function countSealed(
  database: Database,
  column: SealedColumn,
): Promise<{ readonly prefix: string; readonly count: number }[]> {
  const { table, sealed } = identifiersOf(column);
  const rest = sql`substr(${sealed}, 4)`;
  return await database.all(
    sql`SELECT substr(${sealed}, 1, 3 + instr(${rest}, '.')) AS "prefix", count(*) AS "count"
      FROM ${table} WHERE ${sealed} IS NOT NULL GROUP BY 1`,
  );
}

function identifiersOf(column: SealedColumn): Record<"table" | "rowId" | "sealed", SQL> {
  const { table, rowId, sealed } = SEALED_COLUMNS[column];
  return {
    table: sql`${sql.identifier(table)}`,
    rowId: sql`${sql.identifier(rowId)}`,
    sealed: sql`${sql.identifier(sealed)}`,
  };
}
