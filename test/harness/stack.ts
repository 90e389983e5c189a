/**
 * A whole Kerbside of one test: control plane, database and a relay as the processes that people
 * run, in a folder of the test's own, on ports of its own. Ends with `await using`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../../worker/dev/ports.ts";
import { StateFolder } from "../../worker/dev/state-folder.ts";
import { ControlClient, type IssuedTicket } from "./control-client.ts";
import { withDeadline } from "./deadline.ts";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";

export interface TestStackOptions {
  /** More arguments for the relay; the last one of a name counts. */
  readonly relayArguments?: readonly string[];
}

/** One process of the stack that can be stopped, killed and started again. */
export class StackProcess {
  readonly #file: string;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  #output = "";

  constructor(file: string, args: readonly string[]) {
    this.#file = file;
    this.#args = args;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What it wrote so far, of all its lives. */
  get output(): string {
    return this.#output;
  }

  /** Starts it; resolves with its report once it is ready. */
  async start(): Promise<Readonly<Record<string, unknown>>> {
    const child = fork(join(PROJECT_ROOT, this.#file), [...this.#args], { silent: true });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString("utf8")).slice(-OUTPUT_CHARACTERS_MAX);
      });
    }
    return await withDeadline(
      firstReport(child),
      READY_DEADLINE_MS,
      () => `${this.#file} is ready; it wrote: ${this.#output.slice(-2_000)}`,
    );
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const exited = once(child, "exit");
    child.kill(signal);
    await withDeadline(exited, STOP_DEADLINE_MS, `${this.#file} ended`);
  }
}

export class TestStack extends ControlClient implements AsyncDisposable {
  readonly control: StackProcess;
  readonly relay: StackProcess;
  readonly state: StateFolder;
  readonly relayPort: number;
  /** Where the relay only says that TLS is needed, and where it takes HTTP CONNECT. */
  readonly plainPort: number;
  readonly connectPort: number;
  readonly #folder: TempFolder;
  #relayId = "";

  private constructor(folder: TempFolder, ports: StackPorts, options: TestStackOptions) {
    super(`http://127.0.0.1:${ports.control}`);
    this.#folder = folder;
    this.state = new StateFolder(folder.file("state"));
    this.relayPort = ports.relay;
    this.plainPort = ports.plain;
    this.connectPort = ports.connect;
    this.control = new StackProcess("worker/dev/control.ts", [
      ...["--state-dir", this.state.path, "--port", String(ports.control)],
    ]);
    this.relay = new StackProcess("relay/main.ts", [
      ...["--state-dir", this.state.relayFolder, "--listen-host", "127.0.0.1"],
      ...["--listen-port", String(ports.relay), "--workers", "0", "--drain-seconds", "0"],
      ...["--plain-port", String(ports.plain), "--connect-port", String(ports.connect)],
      ...(options.relayArguments ?? []),
    ]);
  }

  static async start(options: TestStackOptions = {}): Promise<TestStack> {
    const folder = await makeTempFolder();
    const stack = new TestStack(folder, await freeStackPorts(), options);
    try {
      stack.state.open({ reset: false });
      const { password } = stack.state.adminPassword();
      await stack.control.start();
      await stack.logIn("admin", password);
      stack.#relayId = await stack.enrolRelay({
        name: "test",
        tlsPort: stack.relayPort,
        stateDir: stack.state.relayFolder,
      });
      await stack.relay.start();
      return stack;
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay.stop("SIGKILL");
    await this.control.stop("SIGKILL");
    await this.#folder[Symbol.asyncDispose]();
  }

  get relayId(): string {
    return this.#relayId;
  }

  get caFile(): string {
    return join(this.state.relayFolder, "ca.pem");
  }

  file(name: string): string {
    return this.#folder.file(name);
  }

  /** Fetches the console file as a browser would and saves it. */
  async downloadVv(ticket: IssuedTicket): Promise<string> {
    const file = this.file(`${ticket.sessionId}.vv`);
    await writeFile(file, await this.fetchVv(ticket), { mode: 0o600 });
    return file;
  }

  async relayState(): Promise<string> {
    return await this.stateOfRelay(this.#relayId);
  }
}

interface StackPorts {
  readonly control: number;
  readonly relay: number;
  readonly plain: number;
  readonly connect: number;
}

async function freeStackPorts(): Promise<StackPorts> {
  const ports = new Set<number>();
  while (ports.size < 4) {
    ports.add(await freePort());
  }
  const [control = 0, relay = 0, plain = 0, connect = 0] = ports;
  return { control, relay, plain, connect };
}

/** A port that nobody listens on now, and that no client takes. */
export async function freePort(): Promise<number> {
  return await findFreePort();
}

function firstReport(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    child.on("message", (message) => {
      const report = message as Record<string, unknown>;
      if (report["type"] === "ready") {
        resolve(report);
      } else if (report["type"] === "failed") {
        reject(new Error(String(report["stack"] ?? report["message"])));
      }
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`ended with exit code ${code}`)));
  });
}

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const OUTPUT_CHARACTERS_MAX = 1024 * 1024;
const READY_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;
