/** A command's outside in a process of its own: its streams and its signals. */
import type { CliTools } from "./command.ts";
import { EXIT } from "./command.ts";
import { readEnvironment } from "./environment.ts";

/** The tools of a command that is all that the process does. */
export function processTools(environment: Readonly<Record<string, string | undefined>>): CliTools {
  // Who reads may have had enough: `kerbside audit search | head`.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") {
      throw error;
    }
    process.exit(EXIT.failed);
  });
  return {
    environment: readEnvironment(environment),
    print: (text) => process.stdout.write(text),
    note: (text) => process.stderr.write(text),
    untilInterrupted: () => {
      const controller = new AbortController();
      // For good: the terminal and the program's launcher both send it, so it may come twice.
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.on(signal, () => controller.abort());
      }
      return controller.signal;
    },
  };
}
