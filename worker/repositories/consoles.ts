/** The consoles' table. Deleted rows stay, because sessions and the audit trail point to them. */
import { and, eq, getTableColumns, isNull, notInArray, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { type AccessLevel, levelOfRank } from "../identity/access-level.ts";
import { rankOfConsole } from "./access-sql.ts";
import { type ConsoleSummary, SUMMARY, toSummary } from "./console-summary.ts";
import type { Database } from "./database.ts";
import { type NewDenial, storeDenial } from "./denials.ts";
import { consoles, consoleTags, sources } from "./schema/consoles.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export type ConsoleRow = typeof consoles.$inferSelect;

/** @throws {Error} a unique violation when the source has that uuid (see database-errors.ts). */
export async function insertConsole(
  database: Database,
  console: { readonly row: typeof consoles.$inferInsert; readonly tags: readonly string[] },
  audit: AuditRecord,
): Promise<void> {
  const { row, tags } = console;
  await storeWithAudit(database, [audit], () => [
    database.insert(consoles).values(row),
    insertTags(database, row.id, tags),
  ]);
}

/** With what rules grant the user of it. */
export async function findConsoleSummary(
  database: Database,
  wanted: { readonly id: string; readonly userId: string },
): Promise<ConsoleSummary | null> {
  const [row] = await database
    .select({ ...SUMMARY, rank: rankOfConsole(wanted.userId, sql`${consoles.id}`) })
    .from(consoles)
    .innerJoin(sources, eq(sources.id, consoles.sourceId))
    .where(and(eq(consoles.id, wanted.id), isNull(consoles.deletedAtMs)))
    .limit(1);
  return row === undefined ? null : toSummary(row);
}

/** The whole row, with its sealed password, for making a grant; and what the user is granted. */
export async function findConsole(
  database: Database,
  wanted: { readonly id: string; readonly userId: string },
): Promise<(ConsoleRow & { readonly granted: AccessLevel | null }) | null> {
  const [row] = await database
    .select({
      ...getTableColumns(consoles),
      rank: rankOfConsole(wanted.userId, sql.raw("consoles.id")),
    })
    .from(consoles)
    .where(and(eq(consoles.id, wanted.id), isNull(consoles.deletedAtMs)))
    .limit(1);
  if (row === undefined) {
    return null;
  }
  const { rank, ...console } = row;
  return { ...console, granted: levelOfRank(rank) };
}

/**
 * @param update its `tags`, if there are any, take the place of those that it had.
 * @throws {Error} a check violation when the console would be left without a port.
 */
export async function updateConsole(
  database: Database,
  update: {
    readonly id: string;
    readonly changes: Partial<typeof consoles.$inferInsert>;
    readonly tags: readonly string[] | undefined;
  },
  audit: AuditRecord,
): Promise<void> {
  const { id, changes, tags } = update;
  await storeWithAudit(database, [audit], () => [
    ...(Object.keys(changes).length === 0
      ? []
      : [
          database
            .update(consoles)
            .set(changes)
            .where(and(eq(consoles.id, id), isNull(consoles.deletedAtMs))),
        ]),
    ...(tags === undefined ? [] : replaceTags(database, id, tags)),
  ]);
}

function replaceTags(database: Database, id: string, tags: readonly string[]) {
  const others = and(eq(consoleTags.consoleId, id), notInArray(consoleTags.tag, [...tags]));
  return [database.delete(consoleTags).where(others), insertTags(database, id, tags)];
}

/** Adds the tags that the console, if it is not deleted, has not. */
function insertTags(database: Database, id: string, tags: readonly string[]) {
  return database.run(sql`INSERT INTO console_tags (console_id, tag, name)
    SELECT c.id, t.value, c.name FROM consoles AS c CROSS JOIN json_each(${JSON.stringify(tags)}) AS t
    WHERE c.id = ${id} AND c.deleted_at_ms IS NULL
    ON CONFLICT DO NOTHING`);
}

/** Marks the console deleted and denies it; false when there is none, and nothing is recorded. */
export async function markConsoleDeleted(
  database: Database,
  deletion: { readonly id: string; readonly atMs: number; readonly denial: NewDenial },
  auditOf: (console: { readonly name: string }) => AuditRecord,
): Promise<boolean> {
  const { id, atMs, denial } = deletion;
  return await database.transaction(async (transaction) => {
    const [row] = await transaction
      .update(consoles)
      .set({ deletedAtMs: atMs })
      .where(and(eq(consoles.id, id), isNull(consoles.deletedAtMs)))
      .returning({ name: consoles.name });
    if (row === undefined) {
      return false;
    }
    await storeDenial(transaction, denial);
    await insertAuditRecords(transaction, [auditOf(row), denial.audit]);
    return true;
  });
}
