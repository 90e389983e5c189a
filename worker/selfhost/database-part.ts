/** The database as a part: the process that worker/selfhost/database.ts is. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { readyReport } from "../dev/child-report.ts";
import { runningPart } from "./child-part.ts";
import type { KeptPart } from "./keeper.ts";

/** Each life of it listens on the same port, so that its users need not be told. */
export function databasePart(options: {
  readonly file: string;
  readonly port: number;
  readonly authToken: string;
}): KeptPart {
  return {
    name: "The database",
    begin: () => {
      const child = fork(
        fileURLToPath(new URL("database.ts", import.meta.url)),
        ["--file", options.file, "--port", String(options.port)],
        {
          // Its chatter goes to our log; standard output is for the one line that scripts read.
          stdio: ["ignore", 2, 2, "ipc"],
          env: { ...process.env, LIBSQL_AUTH_TOKEN: options.authToken },
          // In a process group of its own, so that Ctrl-C reaches it through us, in order.
          detached: true,
        },
      );
      return runningPart(child, readyReport(child), {
        name: "The database",
        readyDeadlineMs: READY_DEADLINE_MS,
        stopGraceMs: STOP_GRACE_MS,
      });
    },
  };
}

/** Most of it is for the check of a large file, which is read from end to end. */
const READY_DEADLINE_MS = 10 * 60 * 1000;
/** It ends by itself within eight seconds (worker/dev/child.ts); one that does not hangs. */
const STOP_GRACE_MS = 10_000;
