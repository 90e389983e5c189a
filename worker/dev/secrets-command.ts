/** The entry point of `npm run secrets`. It alone reads this program's environment. */
import { runSecrets } from "./run-secrets.ts";

process.exitCode = await runSecrets(process.argv.slice(2), {
  env: process.env,
  writeOut: (line) => console.log(line),
  writeError: (line) => console.error(line),
});
