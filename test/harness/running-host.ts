/**
 * A host of the control plane as people start it: `npm start` or `npm run selfhost`, without npm
 * itself. Its state outlives it, so that it can be started again. Ends with `await using`.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type RunningChild, startChild } from "./child-process.ts";
import { ControlClient } from "./control-client.ts";
import { processesNaming } from "./processes.ts";
import { freePort } from "./stack.ts";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";

/** Which of the hosts. */
export interface HostKind {
  readonly name: string;
  /** The program, from the top of the project. */
  readonly file: string;
  /** Arguments for ports of its own, besides the control plane's. */
  readonly ownArguments: () => Promise<readonly string[]>;
}

export const NPM_START: HostKind = {
  name: "npm start",
  file: "worker/dev/start.ts",
  ownArguments: async () => ["--relay-port", String(await freePort())],
};

export const SELFHOST: HostKind = {
  name: "npm run selfhost",
  file: "worker/selfhost/selfhost.ts",
  ownArguments: () => Promise.resolve([]),
};

/** How the processes of a self-hosted control plane are told apart. */
export const SELFHOST_PARTS = {
  supervisor: "selfhost/selfhost.ts ",
  database: "selfhost/database.ts ",
  workerd: " serve --control-fd=3 ",
} as const;

export interface HostOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A place for a host: its state folder and its port, and what was started there. */
export class HostPlace implements AsyncDisposable {
  readonly stateDir: string;
  readonly port: number;
  readonly #kind: HostKind;
  readonly #folder: TempFolder;
  readonly #children: RunningChild[] = [];

  private constructor(kind: HostKind, folder: TempFolder, port: number) {
    this.#kind = kind;
    this.#folder = folder;
    this.stateDir = folder.file("state");
    this.port = port;
  }

  static async make(kind: HostKind): Promise<HostPlace> {
    return new HostPlace(kind, await makeTempFolder(), await freePort());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      await child.stop();
    }
    await this.#folder[Symbol.asyncDispose]();
  }

  file(name: string): string {
    return this.#folder.file(name);
  }

  /** Starts the host's program; it need not become ready. */
  async begin(options: HostOptions = {}): Promise<RunningChild> {
    const child = startChild({
      command: process.execPath,
      args: [
        ...[join(PROJECT_ROOT, "worker/dev/launch.mjs"), this.#kind.file, "--json"],
        ...["--state-dir", this.stateDir, "--port", String(this.port)],
        ...(await this.#kind.ownArguments()),
        ...(options.args ?? []),
      ],
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    this.#children.push(child);
    return child;
  }

  /** Starts it, and resolves once it says that it is ready; the client is logged in. */
  async start(options: HostOptions = {}): Promise<RunningHost> {
    return await this.ready(await this.begin(options));
  }

  /** A host that was begun, once it is ready. */
  async ready(child: RunningChild): Promise<RunningHost> {
    const [line] = await child.waitForOutput("stdout", /^.*\n/, READY_TIMEOUT_MS);
    const { url, adminUser } = readySchema.parse(JSON.parse(line));
    const client = new ControlClient(url);
    const password = (await readFile(join(this.stateDir, "admin-password"), "utf8")).trim();
    await client.logIn(adminUser, password);
    return { child, client, password };
  }

  /** The one process of the host whose command line has this text. */
  processRunning(text: string): number {
    const [found, ...others] = this.processes().filter((line) => line.commandLine.includes(text));
    if (found === undefined || others.length > 0) {
      throw new Error(`${others.length + (found === undefined ? 0 : 1)} processes run ${text}`);
    }
    return found.pid;
  }

  /** The processes of the host, without the launcher: each names the state folder. */
  processes(): { readonly pid: number; readonly commandLine: string }[] {
    return processesNaming(this.stateDir).filter(
      ({ commandLine }) => !commandLine.includes("launch.mjs"),
    );
  }
}

export interface RunningHost {
  readonly child: RunningChild;
  readonly client: ControlClient;
  readonly password: string;
}

const readySchema = z.looseObject({ url: z.url(), adminUser: z.string() });

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const READY_TIMEOUT_MS = 30_000;
