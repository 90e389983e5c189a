/** The database as a part: the process that worker/selfhost/database.ts is. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { readyReport } from "../dev/child-report.ts";
import { watchedPart } from "./child-part.ts";
import { CLIENTS_GONE } from "./clients-gone.ts";
import type { KeptPart } from "./keeper.ts";
import { httpUrl } from "./options.ts";
import type { WatchLimits } from "./watch-rules.ts";

export interface DatabasePart extends KeptPart {
  /**
   * Its clients have died: what they left open is rolled back at once. Until a transaction counts as
   * abandoned (STREAM_IDLE_MS_MAX) nobody else could write.
   */
  forgetClients(): void;
}

/** Each life of it listens on the same port, so that its users need not be told. */
export function databasePart(options: {
  readonly file: string;
  readonly port: number;
  readonly authToken: string;
  readonly watch: WatchLimits;
}): DatabasePart {
  let running: ChildProcess | null = null;
  return {
    name: "The database",
    forgetClients: () => {
      if (running?.connected === true) {
        // One that is just ending rolls everything back anyway.
        running.send(CLIENTS_GONE, () => {});
      }
    },
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
      running = child;
      return watchedPart(child, readyReport(child), {
        name: "The database",
        readyDeadlineMs: READY_DEADLINE_MS,
        stopGraceMs: STOP_GRACE_MS,
        // It refuses who has no token, which is an answer.
        asking: { url: httpUrl("127.0.0.1", options.port), limits: options.watch },
      });
    },
  };
}

/** Most of it is for the check of a large file, which is read from end to end. */
const READY_DEADLINE_MS = 10 * 60 * 1000;
/** It ends by itself within eight seconds (worker/dev/child.ts); one that does not hangs. */
const STOP_GRACE_MS = 10_000;
