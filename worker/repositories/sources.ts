/** The sources' table: where consoles come from. */
import { eq } from "drizzle-orm";
import type { AuditRecord } from "#shared/audit/events.ts";
import type { Database } from "./database.ts";
import { sources } from "./schema/consoles.ts";
import { storeWithAudit } from "./store-with-audit.ts";

export async function findSourceId(database: Database, name: string): Promise<string | null> {
  const [row] = await database
    .select({ id: sources.id })
    .from(sources)
    .where(eq(sources.name, name))
    .limit(1);
  return row?.id ?? null;
}

/** @throws {Error} a unique violation when the name is taken (see database-errors.ts). */
export async function insertSource(
  database: Database,
  source: typeof sources.$inferInsert,
  audit: AuditRecord,
): Promise<void> {
  await storeWithAudit(database, [audit], () => [database.insert(sources).values(source)]);
}
