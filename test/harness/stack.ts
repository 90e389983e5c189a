/**
 * A whole Kerbside of one test: control plane, database and a relay as the processes that people
 * run, in a folder of the test's own, on ports of its own. Ends with `await using`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { PartialPolicy } from "#shared/policy/policy.ts";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import type { Way } from "#shared/ticket/way.ts";
import { enrolRelay } from "../../relay/control/enrolment.ts";
import { StateFolder } from "../../worker/dev/state-folder.ts";
import { eventually, withDeadline } from "./deadline.ts";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";

/** An answer of the API. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; null when it is none. */
  readonly json: unknown;
}

export interface ConsoleTarget {
  readonly host?: string;
  readonly port?: number;
  readonly tlsPort?: number;
  readonly ca?: string;
  readonly hostSubject?: string;
  readonly proxy?: string;
  readonly password?: string;
  /** What differs from the default policy. */
  readonly policy?: PartialPolicy;
}

export interface TestStackOptions {
  /** More arguments for the relay; the last one of a name counts. */
  readonly relayArguments?: readonly string[];
}

const ticketSchema = z.object({ sessionId: z.string(), vvUrl: z.string(), expiresAt: z.string() });
export type IssuedTicket = z.infer<typeof ticketSchema>;

const sessionSchema = z.looseObject({
  id: z.string(),
  state: z.enum(["pending", "active", "ended"]),
  endReason: z.string().nullable(),
  endDetail: z.string().nullable(),
  clientAddress: z.string().nullable(),
  clientBytes: z.int(),
  serverBytes: z.int(),
});
export type SessionView = z.infer<typeof sessionSchema>;

const auditSchema = z.looseObject({
  id: z.string(),
  type: z.string(),
  sessionId: z.string().nullable(),
  relayId: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type AuditView = z.infer<typeof auditSchema>;

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

export class TestStack implements AsyncDisposable {
  readonly control: StackProcess;
  readonly relay: StackProcess;
  readonly state: StateFolder;
  readonly url: string;
  readonly relayPort: number;
  /** Where the relay only says that TLS is needed, and where it takes HTTP CONNECT. */
  readonly plainPort: number;
  readonly connectPort: number;
  readonly #folder: TempFolder;
  #token = "";
  #relayId = "";

  private constructor(folder: TempFolder, ports: StackPorts, options: TestStackOptions) {
    this.#folder = folder;
    this.state = new StateFolder(folder.file("state"));
    this.url = `http://127.0.0.1:${ports.control}`;
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
      const login = await stack.call("POST", "/auth/login", { username: "admin", password });
      stack.#token = z.object({ token: z.string() }).parse(login.json).token;
      await stack.#enrol();
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

  /** Calls the API as the admin. */
  async call(method: string, path: string, body?: object): Promise<ApiAnswer> {
    const response = await fetch(path.startsWith("http") ? path : `${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    const json: unknown = isJson ? JSON.parse(text) : null;
    return { status: response.status, headers: response.headers, text, json };
  }

  async createConsole(name: string, target: ConsoleTarget): Promise<string> {
    const answer = await this.call("POST", "/consoles", { host: "127.0.0.1", name, ...target });
    if (answer.status !== 201) {
      throw new Error(`POST /consoles answered ${answer.status}: ${answer.text}`);
    }
    return z.object({ id: z.string() }).parse(answer.json).id;
  }

  async requestTicket(consoleId: string, way: Way = "tls"): Promise<IssuedTicket> {
    const answer = await this.call("POST", `/consoles/${consoleId}/tickets`, { way });
    if (answer.status !== 201) {
      throw new Error(`POST tickets answered ${answer.status}: ${answer.text}`);
    }
    return ticketSchema.parse(answer.json);
  }

  /** Fetches the console file as a browser would and saves it. */
  async downloadVv(ticket: IssuedTicket): Promise<string> {
    const answer = await this.call("GET", ticket.vvUrl);
    if (answer.status !== 200) {
      throw new Error(`GET ${ticket.vvUrl} answered ${answer.status}: ${answer.text}`);
    }
    const file = this.file(`${ticket.sessionId}.vv`);
    await writeFile(file, answer.text, { mode: 0o600 });
    return file;
  }

  /** A ticket's text, for clients that take no console file. */
  async ticketText(ticket: IssuedTicket): Promise<string> {
    const parsed = parseVvFile(readFileSync(await this.downloadVv(ticket), "utf8"));
    if (!parsed.ok) {
      throw new Error("the downloaded console file does not parse");
    }
    return parsed.value.password;
  }

  async session(id: string): Promise<SessionView> {
    return sessionSchema.parse((await this.call("GET", `/sessions/${id}`)).json);
  }

  /** The session once it is in that state. */
  async sessionIn(id: string, state: SessionView["state"], timeoutMs = 15_000) {
    return await eventually(
      `session ${id} is ${state}`,
      async () => {
        const session = await this.session(id);
        return session.state === state ? session : null;
      },
      { timeoutMs },
    );
  }

  /** The audit trail of a filter, oldest first. */
  async audit(filter: Readonly<Record<string, string>>): Promise<AuditView[]> {
    const query = new URLSearchParams({ limit: "100", ...filter });
    const answer = await this.call("GET", `/audit?${query.toString()}`);
    return z
      .object({ items: z.array(auditSchema) })
      .parse(answer.json)
      .items.toReversed();
  }

  /** The first audit event that matches, once it is there. */
  async auditEvent(
    filter: Readonly<Record<string, string>>,
    matches: (event: AuditView) => boolean = () => true,
  ): Promise<AuditView> {
    return await eventually(`audit event ${JSON.stringify(filter)}`, async () => {
      return (await this.audit(filter)).find(matches) ?? null;
    });
  }

  async relayState(): Promise<string> {
    const answer = await this.call("GET", `/relays/${this.#relayId}`);
    return z.looseObject({ state: z.string() }).parse(answer.json).state;
  }

  async #enrol(): Promise<void> {
    const answer = await this.call("POST", "/relays/join-tokens", {});
    if (answer.status !== 201) {
      throw new Error(`POST join-tokens answered ${answer.status}: ${answer.text}`);
    }
    const { token } = z.object({ token: z.string() }).parse(answer.json);
    const enrolled = await enrolRelay({
      controlUrl: this.url,
      joinToken: token,
      name: "test",
      host: "127.0.0.1",
      tlsPort: this.relayPort,
      stateDir: this.state.relayFolder,
    });
    if (!enrolled.ok) {
      throw new Error(`enrolment failed: ${enrolled.error}`);
    }
    this.#relayId = enrolled.value.relayId;
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

/**
 * A port that nobody listens on now. Below the ports that the kernel gives to outgoing connections,
 * so that no client takes it before its server does.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (await canListen(port)) {
      return port;
    }
  }
  throw new Error(`no free port in ${PORT_TRIES_MAX} tries`);
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  const listens = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return listens;
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
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const PORT_TRIES_MAX = 50;
const OUTPUT_CHARACTERS_MAX = 1024 * 1024;
const READY_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;
