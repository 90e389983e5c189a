/** The relay as a process: enrolled, started by a parent, told to end in each way. */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { assert } from "#shared/base/assert.ts";
import { enrolRequestSchema } from "#shared/control/enrolment.ts";
import { enrolRelay } from "../../../relay/control/enrolment.ts";
import { buildRelay } from "../../../relay/cli/build.ts";
import { withDeadline } from "../../harness/deadline.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import {
  answerEnrolment,
  startFakeControlPlane,
} from "../../unit/relay-control/fake-control-plane.ts";
import { type FakeHub, startFakeHub } from "./fake-hub.ts";

const MAIN = fileURLToPath(new URL("../../../relay/main.ts", import.meta.url));
const WAIT_MS = 10_000;

/** Enrols a relay whose hub is the fake one. */
async function enrol(stateDir: string, hub: FakeHub): Promise<void> {
  const url = `http://127.0.0.1:${hub.port}`;
  await using plane = await startFakeControlPlane(({ body }) =>
    answerEnrolment(url, enrolRequestSchema.parse(body).csr),
  );
  const enrolled = await enrolRelay({
    controlUrl: plane.url,
    joinToken: "kjt",
    name: "relay-1",
    host: "127.0.0.1",
    tlsPort: 5900,
    stateDir,
  });
  expect(enrolled.ok).toBe(true);
}

class RelayProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  output = "";
  errors = "";
  readonly #ready: Promise<unknown>;

  constructor(stateDir: string, ...args: string[]) {
    this.child = fork(
      MAIN,
      ["--state-dir", stateDir, "--listen-host", "127.0.0.1", "--listen-port", "0", ...args],
      {
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        env: { PATH: process.env["PATH"] },
        execArgv: [],
      },
    );
    this.child.stdout?.on("data", (text) => (this.output += String(text)));
    this.child.stderr?.on("data", (text) => (this.errors += String(text)));
    // Not `close`: it never comes when it was the parent that closed the IPC channel.
    const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      this.child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    const { stdout, stderr } = this.child;
    assert(stdout !== null && stderr !== null, "both are pipes");
    this.exited = Promise.all([exit, once(stdout, "end"), once(stderr, "end")]).then(
      ([how]) => how,
    );
    this.#ready = new Promise((resolve) => {
      this.child.once("message", resolve);
    });
  }

  async ready(): Promise<z.infer<typeof readySchema>> {
    const said = await withDeadline(
      this.#ready,
      WAIT_MS,
      () => `ready\n${this.output}${this.errors}`,
    );
    return readySchema.parse(said);
  }

  exit() {
    return withDeadline(this.exited, WAIT_MS, () => `exit\n${this.output}${this.errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}

const readySchema = z.strictObject({
  type: z.literal("ready"),
  relayId: z.string(),
  tlsPort: z.int(),
  healthPort: z.int().nullable(),
});

describe("the relay's process", () => {
  it("says that it is ready once welcomed, serves health, and lets go on SIGTERM", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    await socket.welcome();
    await socket.storeEvents();
    const ready = await relay.ready();
    expect(ready.relayId).toBe("rly_AAAAAAAAAAAAAAAAAAAAAA");
    const health = await fetch(`http://127.0.0.1:${ready.healthPort}/healthz`);
    expect(await health.json()).toMatchObject({ status: "serving", linked: true });
    relay.child.kill("SIGTERM");
    expect((await socket.closed).code).toBe(1000);
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
    for (const line of relay.output.trimEnd().split("\n")) {
      expect(() => JSON.parse(line)).not.toThrow();
    }
    expect(relay.output).not.toMatch(/PRIVATE|AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/);
  });

  it("lets go when its parent is gone", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path, "--health-port", "off");
    const socket = await hub.nextSocket();
    await socket.welcome();
    await socket.storeEvents();
    expect((await relay.ready()).healthPort).toBeNull();
    relay.child.disconnect();
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });

  it("ends also while the control plane is away", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    await hub[Symbol.asyncDispose]();
    await socket.closed;
    relay.child.kill("SIGINT");
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });

  it("goes on with its stream after kill -9, without using a number again", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using killed = new RelayProcess(folder.path);
    const first = await hub.nextSocket();
    await first.welcome();
    const unstored = await first.next("events");
    killed.child.kill("SIGKILL");
    await killed.exit();
    await using relay = new RelayProcess(folder.path);
    const second = await hub.nextSocket();
    expect(await second.welcome()).toMatchObject({ epoch: null, appliedSeq: 0 });
    const { stream, events } = await second.storeEvents();
    expect(stream).toBe(unstored.stream);
    // The newer snapshot took the place of the one that was never stored.
    expect(events.map(({ seq }) => seq)).toEqual([2]);
    expect((await relay.ready()).tlsPort).toBeGreaterThan(0);
  });

  it("says in one sentence that its port is in use", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    try {
      for (const flag of ["--listen-port", "--health-port"]) {
        await using relay = new RelayProcess(folder.path, flag, String(port));
        expect(await relay.exit()).toEqual({ code: 1, signal: null });
        expect(relay.errors).toBe(
          `Port ${port} is in use: stop the other program, or choose another by ${flag}.\n`,
        );
      }
    } finally {
      server.close();
    }
  });

  it("says that it was not enrolled, and what is wrong with a flag", async () => {
    await using folder = await makeTempFolder();
    await using stranger = new RelayProcess(folder.path);
    expect(await stranger.exit()).toEqual({ code: 1, signal: null });
    expect(stranger.errors).toContain("kerbside relay enrol");
    await using mistyped = new RelayProcess(folder.path, "--bogus");
    expect(await mistyped.exit()).toEqual({ code: 2, signal: null });
    expect(mistyped.errors).toContain("--bogus");
  });

  it("starts as one bundled file", async () => {
    await using folder = await makeTempFolder();
    const file = folder.file("relay.mjs");
    await buildRelay(file);
    const helped = spawnSync(process.execPath, [file, "--help"], { timeout: WAIT_MS });
    expect(helped.stdout.toString()).toContain("--state-dir");
    expect(helped.status).toBe(0);
    const started = spawnSync(process.execPath, [file, "--state-dir", folder.path], {
      timeout: WAIT_MS,
    });
    expect(started.stderr.toString()).toContain("holds no relay identity");
    expect(started.status).toBe(1);
  });
});
