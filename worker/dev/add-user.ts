/** The entry point of `npm run user`. It alone reads this program's environment. */
import { runUser } from "./run-user.ts";

process.exitCode = await runUser(process.argv.slice(2), {
  env: process.env,
  writeOut: (line) => console.log(line),
  writeError: (line) => console.error(line),
});
