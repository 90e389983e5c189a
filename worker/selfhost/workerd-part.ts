/** Plain workerd as a part: it listens, then serves until it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { boundToParent } from "../dev/demo/end-process.ts";
import { workerdProgram } from "../dev/workerd-program.ts";
import { type Asking, watchedPart } from "./child-part.ts";
import type { KeptPart } from "./keeper.ts";

/** @param environment what the configuration's settings are taken from */
export function workerdPart(options: {
  readonly configFile: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly asking: Asking;
}): KeptPart {
  // Otherwise it would live on, and hold the port, when we are killed.
  const line = boundToParent({
    command: workerdProgram(),
    args: ["serve", "--control-fd=3", options.configFile],
  });
  return {
    name: "workerd",
    begin: () => {
      const child = spawn(line.command, line.args, {
        // The Worker's log goes to ours; standard output is for the one line that scripts read.
        stdio: ["ignore", 2, 2, "pipe"],
        env: { ...process.env, ...options.environment },
        // In a process group of its own, so that Ctrl-C reaches it through us, in order.
        detached: true,
      });
      return watchedPart(child, listening(child), {
        name: "workerd",
        readyDeadlineMs: READY_DEADLINE_MS,
        stopGraceMs: STOP_GRACE_MS,
        asking: options.asking,
      });
    },
  };
}

/** workerd reports on its control descriptor, a line of JSON each, where it listens. */
function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: child.stdio[3] as Readable });
    lines.on("line", (text) => {
      if (text.includes('"listen"')) {
        resolve();
      }
    });
  });
}

/** It takes a tenth of a second; on a busy machine it may take a hundred times that. */
const READY_DEADLINE_MS = 30_000;
/**
 * For answers under way. It takes no new connection meanwhile, and would wait for ever for the
 * relays' sockets to close.
 */
const STOP_GRACE_MS = 2_000;
