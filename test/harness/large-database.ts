/**
 * A control plane's database of the size that it is designed for, made by the database itself from
 * counting queries: seconds instead of the hours that a million requests would take. Rows differ
 * where lists and filters look; what nobody filters by is the same everywhere.
 */
import Database from "libsql";
import { assert } from "#shared/base/assert.ts";
import { writeMigratedDatabase } from "./database-template.ts";
import { type DatabaseSize, DESIGN_SIZE, largeRows } from "./large-rows.ts";

/** Makes the file: migrated, then filled. `nowMs` is when its newest row was made. */
export async function makeLargeDatabase(options: {
  readonly file: string;
  readonly nowMs: number;
  readonly size?: DatabaseSize;
}): Promise<void> {
  await writeMigratedDatabase(options.file);
  fillLargeDatabase(options.file, options);
}

/** Fills a file that is migrated and has no such rows. */
export function fillLargeDatabase(
  file: string,
  options: { readonly nowMs: number; readonly size?: DatabaseSize },
): void {
  const { nowMs, size = DESIGN_SIZE } = options;
  const database = new Database(file);
  try {
    database.exec("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; BEGIN");
    for (const statement of largeRows(size, nowMs)) {
      database.exec(statement);
    }
    database.exec("COMMIT");
    assert(
      database.prepare("PRAGMA foreign_key_check").all().length === 0,
      "every row points to rows that are there",
    );
  } finally {
    database.close();
  }
}
