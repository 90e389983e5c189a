/** The consoles' table. Deleted rows stay, because sessions and the audit trail point to them. */
import { and, eq, getTableColumns, isNull, notInArray, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import { ok, type Result } from "#shared/base/result.ts";
import { type AccessLevel, levelOfRank } from "../identity/access-level.ts";
import { rankOfConsole } from "./access-sql.ts";
import { type ConsoleSummary, SUMMARY, toSummary } from "./console-summary.ts";
import type { Database, Transaction } from "./database.ts";
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

/** A console before a change: what is shown of it, and what is not. */
export type ConsoleBefore = ConsoleSummary & Pick<ConsoleRow, "ca" | "sealedPassword">;

export interface ConsoleUpdate {
  readonly changes: Partial<typeof consoles.$inferInsert>;
  /** In the place of those that it had; undefined: it keeps them. */
  readonly tags: readonly string[] | undefined;
  readonly audit: AuditRecord;
}

/**
 * Changes the console, judged by what it is at that moment: `judge` answers the update, or null when
 * there is nothing to change. The value is what it was before, or null when there is no such console.
 */
export async function updateConsole<Refusal>(
  database: Database,
  wanted: { readonly id: string; readonly userId: string },
  judge: (before: ConsoleBefore) => Result<ConsoleUpdate | null, Refusal>,
): Promise<Result<ConsoleBefore | null, Refusal>> {
  const { id } = wanted;
  return await database.transaction(async (transaction) => {
    const before = await findBefore(transaction, wanted);
    const judged = before === null ? ok(null) : judge(before);
    if (!judged.ok || judged.value === null) {
      return judged.ok ? ok(before) : judged;
    }
    const { changes, tags, audit } = judged.value;
    if (Object.keys(changes).length > 0) {
      await transaction.update(consoles).set(changes).where(eq(consoles.id, id));
    }
    if (tags !== undefined) {
      const others = and(eq(consoleTags.consoleId, id), notInArray(consoleTags.tag, [...tags]));
      await transaction.delete(consoleTags).where(others);
      await insertTags(transaction, id, tags);
    }
    await insertAuditRecords(transaction, [audit]);
    return ok(before);
  });
}

async function findBefore(
  transaction: Transaction,
  wanted: { readonly id: string; readonly userId: string },
): Promise<ConsoleBefore | null> {
  const [row] = await transaction
    .select({
      ...SUMMARY,
      rank: rankOfConsole(wanted.userId, sql`${consoles.id}`),
      ca: consoles.ca,
      sealedPassword: consoles.sealedPassword,
    })
    .from(consoles)
    .innerJoin(sources, eq(sources.id, consoles.sourceId))
    .where(and(eq(consoles.id, wanted.id), isNull(consoles.deletedAtMs)))
    .limit(1);
  if (row === undefined) {
    return null;
  }
  const { ca, sealedPassword, ...summary } = row;
  return { ...toSummary(summary), ca, sealedPassword };
}

/** Adds the tags that the console, if it is not deleted, has not. */
function insertTags(database: Database | Transaction, id: string, tags: readonly string[]) {
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
