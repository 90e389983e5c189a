/**
 * A child process of a test: its output is kept (bounded) and can be waited for, and it ends with
 * the test (`await using`), with the test process, and at the latest when that one is killed.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { boundToParent, endProcess } from "../../worker/dev/demo/end-process.ts";
import { withDeadline } from "./deadline.ts";

/** What to start. */
export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the environment; undefined takes a variable out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/** How a child ended. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Which output a wait looks at. */
export type OutputName = "stdout" | "stderr";

/** A running child. Everything that it wrote so far is in `output`. */
export class RunningChild implements AsyncDisposable {
  /** Resolves when the child has exited and all its output was read. */
  readonly exited: Promise<ChildExit>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #command: string;
  readonly #output: Record<OutputName, string> = { stdout: "", stderr: "" };
  readonly #listeners = new Set<() => void>();
  #isExited = false;

  constructor(child: ChildProcessWithoutNullStreams, command: string) {
    this.#child = child;
    this.#command = command;
    living.add(child);
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8");
      child[name].on("data", (text: string) => {
        this.#output[name] = (this.#output[name] + text).slice(-OUTPUT_LENGTH_MAX);
        this.#notify();
      });
    }
    // A write to a child that has gone is answered by its exit, which everybody watches.
    child.stdin.on("error", () => {});
    this.exited = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.#isExited = true;
        living.delete(child);
        resolve({ code, signal });
        this.#notify();
      });
    });
    // Whoever waits sees the failure; without a waiter it must not end the test process.
    this.exited.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isExited(): boolean {
    return this.#isExited;
  }

  /** The last part (256 Ki characters) of what the child wrote. */
  output(name: OutputName): string {
    return this.#output[name];
  }

  /** Writes to the child's standard input. */
  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Closes the child's standard input. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Calls back with each whole line of standard output from now on, in order. */
  onLine(listener: (line: string) => void): void {
    let unread = "";
    this.#child.stdout.on("data", (text: string) => {
      const lines = (unread + text).split("\n");
      unread = lines.pop() ?? "";
      for (const line of lines) {
        listener(line);
      }
    });
  }

  /**
   * The first match in what the child has written or will write.
   * @throws Error when the child exits or the time runs out before; it quotes the output
   */
  async waitForOutput(
    name: OutputName,
    pattern: RegExp,
    timeoutMs: number = OUTPUT_TIMEOUT_MS,
  ): Promise<RegExpExecArray> {
    let listener = (): void => {};
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      listener = () => {
        const match = pattern.exec(this.#output[name]);
        if (match !== null) {
          resolve(match);
        } else if (this.#isExited) {
          reject(new Error(this.#describe(`exited before it wrote ${String(pattern)}`)));
        }
      };
    });
    this.#listeners.add(listener);
    listener();
    try {
      const what = (): string => this.#describe(`did not write ${String(pattern)}`);
      return await withDeadline(Promise.race([found, this.#spawnFailure()]), timeoutMs, what);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  /** How the child ended by itself. @throws Error when it has not within the time */
  async waitForExit(timeoutMs: number = EXIT_TIMEOUT_MS): Promise<ChildExit> {
    return withDeadline(this.exited, timeoutMs, () => this.#describe("did not exit"));
  }

  /** Sends a signal to the child alone. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends the child: SIGTERM, after a second SIGKILL. Idempotent. */
  async stop(): Promise<ChildExit> {
    await endProcess(this.#child, STOP_GRACE_MS);
    this.#child.stdin.destroy();
    // A grandchild may hold the pipes open after the child has gone.
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
    return this.exited.catch(() => ({ code: null, signal: null }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #spawnFailure(): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.exited.catch(reject);
    });
  }

  #notify(): void {
    for (const listener of this.#listeners) {
      listener();
    }
  }

  #describe(what: string): string {
    const { stdout, stderr } = this.#output;
    const tail = (text: string): string => text.slice(-QUOTED_LENGTH_MAX);
    return `${this.#command} ${what}\nstdout: ${tail(stdout)}\nstderr: ${tail(stderr)}`;
  }
}

/** Starts a child. It dies with this process, also when this process is killed. */
export function startChild(options: ChildOptions): RunningChild {
  const line = boundToParent({ command: options.command, args: options.args });
  const child = spawn(line.command, line.args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  return new RunningChild(child, options.command);
}

/** Runs a command to its end. @throws Error when it takes longer than `timeoutMs` */
export async function runToEnd(
  options: ChildOptions,
  timeoutMs: number = EXIT_TIMEOUT_MS,
): Promise<ChildExit & { readonly stdout: string; readonly stderr: string }> {
  await using child = startChild(options);
  child.endInput();
  const exit = await child.waitForExit(timeoutMs);
  return { ...exit, stdout: child.output("stdout"), stderr: child.output("stderr") };
}

/** Children that still run when this process exits without having disposed of them. */
const living = new Set<ChildProcessWithoutNullStreams>();
process.on("exit", () => {
  for (const child of living) {
    child.kill("SIGKILL");
  }
});

const OUTPUT_LENGTH_MAX = 256 * 1024;
const QUOTED_LENGTH_MAX = 4 * 1024;
const OUTPUT_TIMEOUT_MS = 10_000;
const EXIT_TIMEOUT_MS = 10_000;
const STOP_GRACE_MS = 1_000;
