/** `npm start` as a person meets it: what it prints, what it keeps, and how it fails. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { type RunningChild, startChild } from "../../harness/child-process.ts";
import { eventually } from "../../harness/deadline.ts";
import { processesNaming } from "../../harness/processes.ts";
import { freePort } from "../../harness/stack.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";

const readySchema = z.strictObject({
  url: z.url(),
  adminUser: z.literal("admin"),
  adminPassword: z.string().min(12),
  demoConsoleId: z.string().startsWith("con_"),
  relayId: z.string().startsWith("rly_"),
  relayPort: z.int(),
  connectPort: z.int().nullable(),
});
type Ready = z.infer<typeof readySchema>;

let folder: TempFolder;
let stateDir = "";

beforeEach(async () => {
  folder = await makeTempFolder();
  stateDir = folder.file("state");
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

describe("npm start", { timeout: 90_000 }, () => {
  it("prints one line of JSON, serves, keeps its state, and leaves nothing behind", async () => {
    const ports = { control: await freePort(), relay: await freePort() };
    const first = await runOnce(ports);
    expect(first.stdoutLines).toHaveLength(1);
    expect(first.stderr).toContain(first.ready.adminPassword);
    expect(first.stderr).toContain("npx kerbside open demo --url");

    const second = await runOnce(ports);
    expect(second.ready).toEqual(first.ready);
    expect(existsSync(join(stateDir, "hub/do")), "the hubs' storage is kept").toBe(true);
    expect(hubEpoch("relay.log")).toBe(hubEpoch("relay.previous.log"));
    expect(second.stderr).not.toContain(first.ready.adminPassword);

    const moved = { control: await freePort(), relay: await freePort() };
    const third = await runOnce(moved);
    const url = `http://127.0.0.1:${moved.control}`;
    expect(third.ready).toEqual({ ...first.ready, url, relayPort: moved.relay });

    const anew = await runOnce(ports, ["--reset"]);
    expect(anew.ready.adminPassword).not.toBe(first.ready.adminPassword);
    expect(anew.ready.relayId).not.toBe(first.ready.relayId);
  });

  it("says where the relay takes HTTP CONNECT", async () => {
    const port = await freePort();
    await using child = await start({ args: ["--connect-port", String(port)] });
    expect(await readyLine(child)).toMatchObject({ connectPort: port });
    await child.waitForOutput("stderr", new RegExp(`HTTP CONNECT      127\\.0\\.0\\.1:${port}\\n`));
  });

  it("says that a state folder is a file", async () => {
    await writeFile(stateDir, "");
    const { code, stderr } = await fails([]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${stateDir} is a file, not a folder`);
  });

  it("brings up a test card where QEMU is not installed", async () => {
    await using child = await start({ env: { PATH: "/nonexistent" } });
    await readyLine(child);
    await child.waitForOutput("stderr", /a test card/);
  });

  it("ends every process on Ctrl-C", async () => {
    await using child = await start();
    await readyLine(child);
    child.signal("SIGINT");
    expect(await child.waitForExit(20_000)).toEqual({ code: 0, signal: null });
    expect(processesOf(stateDir)).toEqual([]);
  });

  it("leaves no process behind when it is killed itself", async () => {
    await using child = await start();
    await readyLine(child);
    expect(processesOf(stateDir).length).toBeGreaterThan(3);
    child.signal("SIGKILL");
    await child.waitForExit();
    await eventually("every process is gone", () =>
      processesOf(stateDir).length === 0 ? true : null,
    );
  });

  it.each(["--port", "--relay-port"])("says which port is in use: %s", async (flag) => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { code, stderr } = await fails([flag, String(port)]);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`Port ${port} is in use`);
    expect(stderr).toContain(flag);
  });

  it("says that a state folder is in use", async () => {
    await using child = await start();
    await readyLine(child);
    const { code, stderr } = await fails([]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/The state folder .* is in use by process \d+/);
  });

  it.each(["admin-password", "control.db", "secrets.json"])(
    "says what is missing in a state folder, and makes no new one: %s",
    async (name) => {
      await runOnce({ control: await freePort(), relay: await freePort() });
      await rm(join(stateDir, name));
      for (let tries = 0; tries < 2; tries += 1) {
        const { code, stderr } = await fails([]);
        expect(code).toBe(1);
        expect(stderr).toMatch(new RegExp(`is corrupt \\(${name}: it is missing`));
      }
      expect(existsSync(join(stateDir, name))).toBe(false);
    },
  );

  it("says that the stored password is not the database's", async () => {
    await runOnce({ control: await freePort(), relay: await freePort() });
    await writeFile(join(stateDir, "admin-password"), "another password");
    const { code, stderr } = await fails([]);
    expect(code).toBe(1);
    expect(stderr).toContain("is corrupt (admin-password: the database has another one)");
    expect(stderr).not.toContain("    at ");
  });

  it.each([
    ["state.json", "{"],
    ["secrets.json", "{}"],
    ["admin-password", ""],
    ["control.db", "this is no database, and long enough to be looked at".repeat(40)],
    ["relay/identity.json", "{}"],
  ])("says that a state folder is corrupt: %s", async (name, content) => {
    await runOnce({ control: await freePort(), relay: await freePort() });
    await writeFile(join(stateDir, name), content);
    const { code, stderr } = await fails([]);
    expect(code).toBe(1);
    const sentences = stderr.split("\n").filter((line) => line.startsWith("kerbside:"));
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(/corrupt|damaged|identity/);
    expect(stderr).not.toContain("    at ");
    expect(processesOf(stateDir)).toEqual([]);
  });

  it("refuses settings that make no sense in one plain sentence", async () => {
    await using child = await start({ env: { KERBSIDE_KEYSTONE: '{"password":"hush"}' } });
    expect(await child.waitForExit(30_000)).toEqual({ code: 2, signal: null });
    const said = child.output("stderr");
    expect(said).toMatch(/^kerbside: The setting KERBSIDE_KEYSTONE is wrong at url: is missing/m);
    expect(said).not.toMatch(/hush|^ {4}at |^\{/m);
    expect(processesOf(stateDir)).toEqual([]);
  });

  it("never takes, and never deletes, a folder that is not its own", async () => {
    await mkdir(stateDir);
    await writeFile(join(stateDir, "thesis.txt"), "years of work");
    const { code, stderr } = await fails(["--reset"]);
    expect(code).toBe(1);
    expect(stderr).toContain("is not a state folder of Kerbside");
    expect(await readFile(join(stateDir, "thesis.txt"), "utf8")).toBe("years of work");
  });

  it.each([
    [["--port", "0"], "--port must be a port"],
    [["--port", "70000"], "--port must be a port"],
    [["--port", "9000", "--relay-port", "9000"], "different ports"],
    [["--colour"], "kerbside: Unknown option '--colour'.\n"],
    [["--port", "-5"], '--port must be a port between 1 and 65535, not "-5".'],
  ])("refuses %j", async (args, sentence) => {
    const { code, stderr } = await fails(args);
    expect(code).toBe(2);
    expect(stderr).toContain(sentence);
    expect(existsSync(stateDir)).toBe(false);
  });
});

async function start(
  options: {
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly ports?: { readonly control: number; readonly relay: number };
  } = {},
): Promise<RunningChild> {
  const ports = options.ports ?? { control: await freePort(), relay: await freePort() };
  return startChild({
    command: process.execPath,
    args: [
      ...[join(PROJECT_ROOT, "worker/dev/launch.mjs"), "worker/dev/start.ts", "--json"],
      ...["--state-dir", stateDir, "--port", String(ports.control)],
      ...["--relay-port", String(ports.relay), ...(options.args ?? [])],
    ],
    ...(options.env === undefined ? {} : { env: options.env }),
  });
}

async function readyLine(child: RunningChild): Promise<Ready> {
  const [line] = await child.waitForOutput("stdout", /^.*\n/, 30_000);
  return readySchema.parse(JSON.parse(line));
}

/** Starts, waits until it is ready, asks for its health, stops it with SIGTERM. */
async function runOnce(
  ports: { readonly control: number; readonly relay: number },
  args: readonly string[] = [],
) {
  await using child = await start({ ports, args });
  const ready = await readyLine(child);
  const health = await fetch(`${ready.url}/healthz`);
  expect(health.status).toBe(200);
  expect(await relayOf(ready)).toMatchObject({ state: "online", tlsPort: ports.relay });
  child.signal("SIGTERM");
  expect(await child.waitForExit(20_000)).toEqual({ code: 0, signal: null });
  expect(processesOf(stateDir)).toEqual([]);
  const stdoutLines = child.output("stdout").trimEnd().split("\n");
  return { ready, stdoutLines, stderr: child.output("stderr") };
}

/** The relay as the control plane shows it to the admin. */
async function relayOf(ready: Ready): Promise<unknown> {
  const login = await fetch(`${ready.url}/api/v1/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: ready.adminUser, password: ready.adminPassword }),
  });
  const { token } = z.object({ token: z.string() }).parse(await login.json());
  const answer = await fetch(`${ready.url}/api/v1/relays/${ready.relayId}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return await answer.json();
}

async function fails(args: readonly string[]) {
  await using child = await start({ args });
  const { code } = await child.waitForExit(30_000);
  expect(child.output("stdout")).toBe("");
  return { code, stderr: child.output("stderr") };
}

/** The life of the hub's storage that the relay was welcomed to, by one of its logs. */
function hubEpoch(log: string): string {
  const [, epoch] =
    /"epoch":"([^"]+)"/.exec(readFileSync(join(stateDir, "logs", log), "utf8")) ?? [];
  return epoch ?? `none in ${log}`;
}

/** Processes whose command line names the folder: every part of a start does. */
function processesOf(path: string): string[] {
  return processesNaming(path)
    .map(({ commandLine }) => commandLine)
    .filter((line) => !line.includes("launch.mjs"));
}

const PROJECT_ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
