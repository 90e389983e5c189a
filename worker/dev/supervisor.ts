/**
 * Starts the processes of `npm start` and ends them all. Each child reports over IPC when it is
 * ready; one that ends by itself ends the whole. Children are in process groups of their own, so
 * that Ctrl-C reaches them through here, in order.
 */
import { type ChildProcess, fork } from "node:child_process";
import { type ReadyReport, readyReport } from "./child-report.ts";
import { endProcess } from "./demo/end-process.ts";
import { StartError } from "./state-folder.ts";

export interface ChildSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly readyDeadlineMs: number;
  /** Where its standard output and error go; a child's chatter is kept out of ours. */
  readonly logFile: number;
}

export class Supervisor {
  readonly #children: { readonly name: string; readonly process: ChildProcess }[] = [];
  readonly #ended = Promise.withResolvers<string>();
  #stopping = false;

  /** Settles with the name of the first child that ended by itself. */
  get firstEnded(): Promise<string> {
    return this.#ended.promise;
  }

  /** What the child reported with `ready`. @throws {StartError} with the child's own sentence. */
  async start(spec: ChildSpec): Promise<ReadyReport> {
    if (this.#stopping) {
      throw new StartError("stopped before everything had started");
    }
    const child = fork(spec.file, [...spec.args], {
      execPath: process.execPath,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", spec.logFile, spec.logFile, "ipc"],
      detached: true,
    });
    this.#children.push({ name: spec.name, process: child });
    child.once("exit", () => {
      if (!this.#stopping) {
        this.#ended.resolve(spec.name);
      }
    });
    return await firstReport(child, spec);
  }

  /** Ends every child, the last started first; whoever does not obey in time is killed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { process: child } of this.#children.toReversed()) {
      await endProcess(child, CHILD_STOP_DEADLINE_MS);
    }
  }
}

async function firstReport(child: ChildProcess, spec: ChildSpec): Promise<ReadyReport> {
  const silence = Promise.withResolvers<never>();
  const deadline = setTimeout(() => {
    silence.reject(
      new StartError(`${spec.name} was not ready within ${spec.readyDeadlineMs / 1000} s.`),
    );
  }, spec.readyDeadlineMs);
  child.once("exit", (code, signal) => {
    silence.reject(
      new StartError(`${spec.name} ended at once (${signal ?? `exit code ${code}`}).`),
    );
  });
  try {
    return await Promise.race([readyReport(child), silence.promise]);
  } finally {
    clearTimeout(deadline);
    silence.promise.catch(() => null);
  }
}

/** A relay lets its clients go within 5 s; a child that needs longer hangs. */
const CHILD_STOP_DEADLINE_MS = 10_000;
