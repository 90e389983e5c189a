/** Tells what a person can mend of a state folder from failures of the program. */
import { DatabaseFileError } from "./libsql/database-file.ts";
import { MigrationFailure } from "./migrate/migrate-database.ts";
import { StartError, type StateFolder } from "./state-folder.ts";

/**
 * The error to throw instead: a sentence that says what to do, or the failure as it is. Only damage
 * is called so: its remedy costs what was changed since the backup.
 */
export function sayTrouble(error: unknown, state: StateFolder): unknown {
  if (error instanceof MigrationFailure) {
    const what = `The database ${state.databaseFile} cannot be brought up to this version`;
    return new StartError(`${what}: ${error.message}`);
  }
  if (error instanceof DatabaseFileError) {
    return error.isDamage ? state.damaged(error.message) : new StartError(error.message);
  }
  return error;
}
