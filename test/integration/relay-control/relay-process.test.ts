/** The relay as a process: enrolled, started by a parent, told to end in each way. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { buildRelay } from "../../../relay/cli/build.ts";
import { askRelay } from "../../../relay/operator/operator-client.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { enrol, RelayProcess } from "./enrolled-relay.ts";
import { startFakeHub } from "./fake-hub.ts";

const WAIT_MS = 10_000;

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

  it("tells where it takes CONNECT, and opens web consoles to the hub's origins and its own", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    const flags = ["--connect-port", "0", "--web-origin", "https://own.example"];
    await using relay = new RelayProcess(folder.path, flags);
    const socket = await hub.nextSocket();
    const hello = await socket.welcome({ webOrigins: ["https://hub.example"] });
    await socket.storeEvents();
    const { tlsPort, connectPort } = await relay.ready();
    expect(hello.advertised).toEqual({ host: "127.0.0.1", tlsPort: 5900, connectPort });
    const statusFor = async (origin: string): Promise<number | undefined> => {
      const url = `wss://127.0.0.1:${tlsPort}/console?token=none`;
      const page = new WebSocket(url, ["binary"], { rejectUnauthorized: false, origin });
      page.on("error", () => {});
      const [, response] = (await once(page, "unexpected-response")) as [
        unknown,
        { readonly statusCode?: number },
      ];
      page.terminate();
      return response.statusCode;
    };
    // The origin is judged before the token.
    expect(await statusFor("https://hub.example")).toBe(401);
    expect(await statusFor("https://own.example")).toBe(401);
    expect(await statusFor("https://other.example")).toBe(403);
  });

  it("goes on when nobody reads its log any more", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    await socket.welcome();
    await socket.storeEvents();
    const { healthPort } = await relay.ready();
    relay.child.stdout?.destroy();
    for (const path of ["/drain", "/resume"] as const) {
      const asked =
        path === "/drain"
          ? ({ method: "POST", path, body: { deadlineSeconds: 60 } } as const)
          : ({ method: "POST", path } as const);
      expect(await askRelay(folder.path, asked)).toMatchObject({ ok: true });
    }
    const health = await fetch(`http://127.0.0.1:${healthPort}/healthz`);
    expect(await health.json()).toMatchObject({ status: "serving", linked: true });
    relay.child.kill("SIGTERM");
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });

  it("exits also when it cannot let go in order", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    await socket.welcome();
    await relay.ready();
    await rm(folder.file("operator.sock"));
    await mkdir(folder.file("operator.sock"));
    relay.child.kill("SIGTERM");
    expect(await relay.exit()).toEqual({ code: 1, signal: null });
    expect(relay.output).toContain('"msg":"relay.fault"');
  });

  it("lets go when its parent is gone", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path, ["--health-port", "off"]);
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

  it("refuses a folder in which another one serves, also one whose lock it cannot see", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    await socket.welcome();
    await relay.ready();
    for (const unseen of [false, true]) {
      if (unseen) {
        await rm(folder.file("lock"));
      }
      await using second = new RelayProcess(folder.path);
      expect(await second.exit()).toEqual({ code: 1, signal: null });
      expect(second.errors).toBe(
        `${folder.path} is in use by process ${relay.child.pid}: ` +
          "stop it, or use another folder.\n",
      );
    }
    const health = await askRelay(folder.path, { method: "GET", path: "/status" });
    expect(health).toMatchObject({ ok: true, value: { status: "serving" } });
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
      for (const flag of ["--listen-port", "--health-port", "--plain-port", "--connect-port"]) {
        await using relay = new RelayProcess(folder.path, [flag, String(port)]);
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
    await using mistyped = new RelayProcess(folder.path, ["--bogus"]);
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

  it("carries as one bundled file, with workers of the same file, and takes commands", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    const file = folder.file("relay.mjs");
    await buildRelay(file);
    await using relay = new RelayProcess(folder.path, ["--workers", "2"], file);
    const socket = await hub.nextSocket();
    await socket.welcome();
    const { tlsPort } = await relay.ready();
    const bundle = (...args: string[]) =>
      spawnSync(process.execPath, [file, ...args, "--state-dir", folder.path], {
        timeout: WAIT_MS,
        encoding: "utf8",
      });
    const status = bundle("status", "--json");
    expect(status.status).toBe(0);
    const { workers } = JSON.parse(status.stdout) as { workers: { isReady: boolean }[] };
    expect(workers.map(({ isReady }) => isReady)).toEqual([true, true]);
    const client = connectTls({ host: "127.0.0.1", port: tlsPort, rejectUnauthorized: false });
    await once(client, "secureConnect");
    client.destroy();
    expect(bundle("drain", "--no-wait").status).toBe(0);
    relay.child.kill("SIGTERM");
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });
});
