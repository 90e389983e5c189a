/**
 * A migrated database that is made once in a test file: each scene begins with a copy, because
 * migrating takes longer than most of what is tested.
 */
import { readFile, writeFile } from "node:fs/promises";
import { startLibsqlServer } from "../../worker/dev/libsql/server.ts";
import { migrateDatabase } from "../../worker/dev/migrate/migrate-database.ts";
import { makeTempFolder } from "./temp-folder.ts";

/** Writes a new database with the newest schema and no rows. */
export async function writeMigratedDatabase(file: string): Promise<void> {
  template ??= makeTemplate();
  await writeFile(file, await template);
}

let template: Promise<Buffer> | undefined;

async function makeTemplate(): Promise<Buffer> {
  await using folder = await makeTempFolder();
  const file = folder.file("template.db");
  const authToken = "template";
  const server = await startLibsqlServer({ file, authToken });
  try {
    await migrateDatabase({ url: server.url, authToken });
  } finally {
    await server.close();
  }
  return await readFile(file);
}
