/**
 * What `npm start` and `npm run db` call: installs what is missing, then runs the given TypeScript
 * file under the project's own Node, passing arguments, signals and the exit code through.
 *
 *     node worker/dev/launch.mjs FILE.ts [ARGUMENT …]
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, projectNode, projectRoot } from "./install.mjs";

const [file, ...rest] = process.argv.slice(2);

try {
  await ensureInstalled((line) => process.stderr.write(`${line}\n`));
  const child = spawn(projectNode, [join(projectRoot, file ?? ""), ...rest], {
    // The channel tells the program that we are gone, also when we are killed.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.once("exit", (code) => {
    process.exitCode = code ?? 1;
  });
} catch (error) {
  process.stderr.write(`kerbside: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
