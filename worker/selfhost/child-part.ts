/** A child process as a part that the keeper runs: it is ready in time or killed, and ended for certain. */
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { awaitExit, endProcess } from "../dev/demo/end-process.ts";
import { StartError } from "../dev/state-folder.ts";
import { tell } from "../dev/terminal.ts";
import { statusOf } from "./http-status.ts";
import type { RunningPart } from "./keeper.ts";
import { watched } from "./watch.ts";
import type { WatchLimits } from "./watch-rules.ts";

export interface ChildPartOptions {
  /** As it begins a sentence. */
  readonly name: string;
  readonly readyDeadlineMs: number;
  /** Between being asked to end and being killed. */
  readonly stopGraceMs: number;
}

/** What a part that serves HTTP is asked, so that one which hangs is found. */
export interface Asking {
  readonly url: string;
  readonly limits: WatchLimits;
}

/** As {@link runningPart}; it is killed when it runs and answers nothing. */
export function watchedPart(
  child: ChildProcess,
  serving: Promise<unknown>,
  options: ChildPartOptions & { readonly asking: Asking },
): RunningPart {
  const { url, limits } = options.asking;
  return watched(runningPart(child, serving, options), {
    name: options.name,
    limits,
    ask: async (deadlineMs) => (await statusOf(url, deadlineMs)) !== null,
    kill: () => child.kill("SIGKILL"),
    nowMs: () => performance.now(),
    wait: async (delayMs, signal) => await delay(delayMs, undefined, { signal }),
    tell,
  });
}

/** @param serving settles when the child says that it serves, rejects with its own sentence */
export function runningPart(
  child: ChildProcess,
  serving: Promise<unknown>,
  options: ChildPartOptions,
): RunningPart {
  const { name, readyDeadlineMs, stopGraceMs } = options;
  const ended = awaitEnd(child);
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    deadline.reject(new StartError(`${name} was not ready within ${readyDeadlineMs / 1000} s.`));
    child.kill("SIGKILL");
  }, readyDeadlineMs);
  const endedEarly = ended.then((how) => {
    throw new StartError(`${name} ended before it was ready (${how}).`);
  });
  const ready = Promise.race([serving, endedEarly, deadline.promise])
    .then(() => undefined)
    .finally(() => clearTimeout(timer));
  // Each has one reader, who may come late or never.
  for (const promise of [ready, serving, endedEarly, deadline.promise]) {
    promise.catch(() => {});
  }
  return { ready, ended, stop: async () => await endProcess(child, stopGraceMs) };
}

/** How a child ended: its signal or its exit code; that it could not be started at all. */
async function awaitEnd(child: ChildProcess): Promise<string> {
  const failure = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
  });
  const exit = awaitExit(child).then(() => child.signalCode ?? `exit code ${child.exitCode}`);
  return await (child.pid === undefined ? failure : exit);
}
