/** Brings a database up to the newest of the project's migrations, for programs that start on it. */
import { createClient } from "@libsql/client/web";

import { migrateUp } from "./migrate.ts";
import { MIGRATIONS_FOLDER } from "./migrations-folder.ts";

/** The schema could not be brought up; the message is a sentence for the person who starts us. */
export class MigrationFailure extends Error {
  override readonly name = "MigrationFailure";
}

/** @throws {MigrationFailure} when a migration is refused or fails; the failed step left nothing. */
export async function migrateDatabase(database: {
  readonly url: string;
  readonly authToken: string;
}): Promise<void> {
  const client = createClient({ url: database.url, authToken: database.authToken });
  try {
    const nowIso = new Date().toISOString();
    const applied = await migrateUp(client, MIGRATIONS_FOLDER, { nowIso });
    if (!applied.ok) {
      throw new MigrationFailure(applied.error.message);
    }
  } finally {
    client.close();
  }
}
