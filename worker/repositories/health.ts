/** Whether the database is there, and whether it is the one that this build needs. */
import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/**
 * The newest migration that the code relies on. Those before it are applied too, since they are
 * applied in order; a database that is ahead is fine, so that a build can be rolled back.
 */
export const NEEDED_MIGRATION = "0015_forgotten_links";

/** @throws {DatabaseUnavailableError} somewhere among the causes, when it does not answer. */
export async function pingDatabase(database: Database): Promise<void> {
  await database.run(sql`SELECT 1`);
}

/** @throws {Error} also when the database is empty. */
export async function hasNeededMigration(database: Database): Promise<boolean> {
  const { rows } = await database.run(
    sql`SELECT 1 FROM schema_migrations WHERE tag = ${NEEDED_MIGRATION}`,
  );
  return rows.length > 0;
}
