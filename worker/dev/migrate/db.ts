/** The entry point of `npm run db`. It alone reads this program's environment and clock. */
import { MIGRATIONS_FOLDER } from "./migrations-folder.ts";
import { runDb } from "./run-db.ts";

process.exitCode = await runDb(process.argv.slice(2), {
  env: process.env,
  migrationsFolder: MIGRATIONS_FOLDER,
  nowIso: () => new Date().toISOString(),
  writeOut: (line) => console.log(line),
  writeError: (line) => console.error(line),
});
