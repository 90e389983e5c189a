/** Tells damage of a state folder, which a person can mend, from failures of the program. */
import { DatabaseFileError } from "./libsql/database-file.ts";
import { MigrationFailure } from "./migrate/migrate-database.ts";
import type { StateFolder } from "./state-folder.ts";

/** The error to throw instead: a sentence that says what to do, or the failure as it is. */
export function sayDamage(error: unknown, state: StateFolder): unknown {
  return error instanceof DatabaseFileError || error instanceof MigrationFailure
    ? state.damaged(error.message)
    : error;
}
