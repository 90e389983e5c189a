/**
 * One worker process, seen from the control process. Promises that its end is told once, whether it
 * crashed, hung or was stopped; that a worker which falls silent or talks nonsense is killed, by its
 * process id; and that sockets which could not be handed over are closed.
 */
import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import type { Origin } from "../listen/arrival.ts";
import type { PortKind } from "../listen/client-ports.ts";
import { type ControlMessage, parseWorkerMessage } from "./messages.ts";
import type { WorkerConfiguration, WorkerMessage } from "./messages.ts";
import { WORKER_ENVIRONMENT, WORKER_NODE_FLAGS, workerEntry } from "./worker-entry.ts";

export interface WorkerProcessOptions {
  readonly name: string;
  readonly configuration: WorkerConfiguration;
  /** What workers get of the control process's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly onMessage: (message: WorkerMessage) => void;
  /** It is gone; nothing follows. */
  readonly onGone: (cause: WorkerEnd, detail: string) => void;
}

export type WorkerEnd = "crashed" | "silent" | "malformed" | "stopped";

/** A worker from its start to its end. */
export class WorkerProcess {
  readonly name: string;
  readonly #options: WorkerProcessOptions;
  readonly #child: ChildProcess;
  /** First for its start, then for its beats. */
  #watch: NodeJS.Timeout;
  /** Sockets on their way: the system holds each until the one before it has arrived. */
  readonly #leaving = new Set<Socket>();
  /** Connections that it has and has not told the close of. */
  readonly #refs = new Set<string>();
  readonly gone: Promise<void>;
  #isReady = false;
  #isGone = false;
  #silentBeats = 0;
  #end: WorkerEnd = "crashed";

  constructor(options: WorkerProcessOptions) {
    this.name = options.name;
    this.#options = options;
    const { file, args } = workerEntry();
    this.#child = fork(file, [...args], {
      execArgv: [...WORKER_NODE_FLAGS],
      env: { ...options.environment, ...WORKER_ENVIRONMENT },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.gone = new Promise((resolve) => {
      const onGone = (detail: string): void => {
        this.#gone(detail);
        resolve();
      };
      this.#child.once("exit", (code, signal) => onGone(signal ?? `exit code ${String(code)}`));
      this.#child.on("error", (error) => {
        // It could not be started; otherwise its exit follows.
        if (this.#child.pid === undefined) {
          onGone(error.message);
        }
      });
    });
    this.#child.on("message", (message) => this.#receive(message));
    this.#watch = setTimeout(() => this.#fallSilent(), START_DEADLINE_MS);
    this.send({ type: "configure", configuration: options.configuration });
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get connectionCount(): number {
    return this.#refs.size;
  }

  /** The connections that it has, for its books when it is gone. */
  get refs(): ReadonlySet<string> {
    return this.#refs;
  }

  send(message: ControlMessage): void {
    if (this.#child.connected) {
      this.#child.send(message, ignoreSendError);
    }
  }

  /** Hands a connection over; the socket is not to be touched afterwards. */
  give(kind: PortKind, socket: Socket, about: Origin): void {
    this.#refs.add(about.ref);
    this.#leaving.add(socket);
    this.#child.send({ type: "connection", kind, ...about }, socket, {}, (error) => {
      this.#leaving.delete(socket);
      if (error !== null) {
        socket.destroy();
      }
    });
  }

  /** Lets it go: it ends at once, with all that it carries. */
  stop(): void {
    this.#end = "stopped";
    if (this.#child.connected) {
      this.#child.disconnect();
    }
    setTimeout(() => this.#kill(), STOP_DEADLINE_MS).unref();
  }

  #receive(message: unknown): void {
    if (this.#isGone) {
      // Its last words can come after its exit. Its questions must not reach its successor's desk,
      // whose questions have the same numbers.
      return;
    }
    const parsed = parseWorkerMessage(message);
    if (parsed === null) {
      this.#end = "malformed";
      this.#kill();
      return;
    }
    this.#silentBeats = 0;
    if (parsed.type === "ready" && !this.#isReady) {
      this.#isReady = true;
      clearTimeout(this.#watch);
      const { workerBeatIntervalMs } = this.#options.configuration.limits;
      this.#watch = setInterval(() => this.#beat(), workerBeatIntervalMs);
    } else if (parsed.type === "closed" && !this.#refs.delete(parsed.ref)) {
      // A connection of another worker is not this one's to close.
      return;
    }
    this.#options.onMessage(parsed);
  }

  /**
   * Counts its own ticks rather than time: when this process itself was held up, no ticks passed,
   * and the worker is not blamed.
   */
  #beat(): void {
    this.#silentBeats += 1;
    if (this.#silentBeats > SILENT_BEATS_MAX) {
      this.#fallSilent();
    }
  }

  #fallSilent(): void {
    this.#end = "silent";
    this.#kill();
  }

  #kill(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGKILL");
    }
  }

  #gone(detail: string): void {
    this.#isGone = true;
    clearTimeout(this.#watch);
    this.#isReady = false;
    for (const socket of this.#leaving) {
      socket.destroy();
    }
    this.#leaving.clear();
    this.#options.onGone(this.#end, detail);
    this.#refs.clear();
  }
}

function ignoreSendError(): void {
  // A worker that is gone tells so by its exit.
}

/** Starting a process takes half a second, ten times that on a machine under load. */
export const START_DEADLINE_MS = 15_000;
/** Beats that a worker may miss. */
const SILENT_BEATS_MAX = 10;
/** A worker exits when it is disconnected; this is for one that cannot. */
const STOP_DEADLINE_MS = 1_000;
