/** Asks the database whether it is there. */
import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";

/** @throws {DatabaseUnavailableError} somewhere among the causes, when it does not answer. */
export async function pingDatabase(database: Database): Promise<void> {
  await database.run(sql`SELECT 1`);
}
