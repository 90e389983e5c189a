/** The consoles' table. Deleted rows stay, because sessions and the audit trail point to them. */
import { and, asc, eq, isNull, sql } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Denial } from "#shared/control/denials.ts";
import type { Database } from "./database.ts";
import { denialStatements } from "./denials.ts";
import { consoles, sources } from "./schema/consoles.ts";
import { insertAuditRecords, storeWithAudit } from "./store-with-audit.ts";

export type ConsoleRow = typeof consoles.$inferSelect;

/** What lists and single answers show; the sealed password is not among it. */
export interface ConsoleSummary {
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  readonly source: string;
  readonly host: string;
  readonly port: number | null;
  readonly tlsPort: number | null;
  readonly hostSubject: string | null;
  readonly proxy: string | null;
  /** JSON of its own rules. */
  readonly policy: string | null;
  /** The site whose relays reach it; null: its source's. */
  readonly siteId: string | null;
  readonly createdAtMs: number;
}

/** Position in the list, by name. */
export interface ConsoleCursor {
  readonly name: string;
  readonly id: string;
}

/** @throws {Error} a unique violation when the source has that uuid (see database-errors.ts). */
export async function insertConsole(
  database: Database,
  row: typeof consoles.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(consoles).values(row)]);
}

/** A page of the list, by name and then id. */
export async function listConsoles(
  database: Database,
  page: {
    readonly name: string | undefined;
    readonly after: ConsoleCursor | null;
    readonly limit: number;
  },
): Promise<ConsoleSummary[]> {
  const { name, after } = page;
  return await selectSummaries(database)
    .where(
      and(
        isNull(consoles.deletedAtMs),
        name === undefined ? undefined : eq(consoles.name, name),
        // As a row value, which SQLite looks up in an index; a disjunction it would read through.
        after === null
          ? undefined
          : sql`(${consoles.name}, ${consoles.id}) > (${after.name}, ${after.id})`,
      ),
    )
    .orderBy(asc(consoles.name), asc(consoles.id))
    .limit(page.limit);
}

export async function findConsoleSummary(
  database: Database,
  id: string,
): Promise<ConsoleSummary | null> {
  const [row] = await selectSummaries(database)
    .where(and(eq(consoles.id, id), isNull(consoles.deletedAtMs)))
    .limit(1);
  return row ?? null;
}

/** The whole row, with its sealed password, for making a grant. */
export async function findConsole(database: Database, id: string): Promise<ConsoleRow | null> {
  const [row] = await database
    .select()
    .from(consoles)
    .where(and(eq(consoles.id, id), isNull(consoles.deletedAtMs)))
    .limit(1);
  return row ?? null;
}

/** @throws {Error} a check violation when the console would be left without a port. */
export async function updateConsole(
  database: Database,
  update: { readonly id: string; readonly changes: Partial<typeof consoles.$inferInsert> },
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [
    database
      .update(consoles)
      .set(update.changes)
      .where(and(eq(consoles.id, update.id), isNull(consoles.deletedAtMs))),
  ]);
}

/** Marks the console deleted and denies it; false when there is none, and nothing is recorded. */
export async function markConsoleDeleted(
  database: Database,
  deletion: { readonly id: string; readonly atMs: number; readonly denial: Denial },
  auditsOf: (console: { readonly name: string }) => readonly AuditRecord[],
): Promise<boolean> {
  return await database.transaction(async (transaction) => {
    const [row] = await transaction
      .update(consoles)
      .set({ deletedAtMs: deletion.atMs })
      .where(and(eq(consoles.id, deletion.id), isNull(consoles.deletedAtMs)))
      .returning({ name: consoles.name });
    if (row === undefined) {
      return false;
    }
    const [replace, insert] = denialStatements(transaction, deletion.denial);
    await replace;
    await insert;
    await insertAuditRecords(transaction, auditsOf(row));
    return true;
  });
}

function selectSummaries(database: Database) {
  return database
    .select({
      id: consoles.id,
      name: consoles.name,
      uuid: consoles.uuid,
      source: sources.name,
      host: consoles.host,
      port: consoles.port,
      tlsPort: consoles.tlsPort,
      hostSubject: consoles.hostSubject,
      proxy: consoles.proxy,
      policy: consoles.policy,
      siteId: consoles.siteId,
      createdAtMs: consoles.createdAtMs,
    })
    .from(consoles)
    .innerJoin(sources, eq(sources.id, consoles.sourceId));
}
