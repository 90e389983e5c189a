/** `npm run selfhost` as a person meets it: what it keeps, whom it believes, and how it refuses. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runToEnd } from "../../harness/child-process.ts";
import { LinkedRelay } from "../../harness/linked-relay.ts";
import {
  type HostOptions,
  HostPlace,
  type RunningHost,
  SELFHOST,
} from "../../harness/running-host.ts";

describe("npm run selfhost", { timeout: 90_000 }, () => {
  it("keeps its secrets for its own user alone, and shows none", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const { child, password } = await place.start({ args: ["--public-url", "https://k.example"] });
    expect(child.output("stdout").trimEnd().split("\n")).toHaveLength(1);
    expect(JSON.parse(child.output("stdout"))).toEqual({
      url: `http://127.0.0.1:${place.port}`,
      publicUrl: "https://k.example",
      adminUser: "admin",
      adminPasswordFile: join(place.stateDir, "admin-password"),
    });
    for (const path of [place.stateDir, ...filesIn(place.stateDir)]) {
      expect(statSync(path).mode & 0o077, path).toBe(0);
    }
    const secrets: Record<string, string> = JSON.parse(
      readFileSync(join(place.stateDir, "secrets.json"), "utf8"),
    );
    const shown = [
      child.output("stdout") + child.output("stderr"),
      ...place.processes().map(({ commandLine }) => commandLine),
      ...filesIn(join(place.stateDir, "workerd")).map((file) => readFileSync(file, "utf8")),
    ].join("\n");
    // Private keys are sealed in the database.
    expect(Object.keys(secrets).toSorted()).toEqual([
      "CA_CERTIFICATE",
      "SECRETS_KEY",
      "TICKET_ROOT",
    ]);
    const { TICKET_ROOT, SECRETS_KEY } = secrets;
    for (const secret of [password, TICKET_ROOT, SECRETS_KEY]) {
      expect(secret).toMatch(/.{12}/);
      expect(shown).not.toContain(secret);
    }
  });

  it("takes the password that lies there before the first start", async () => {
    await using place = await HostPlace.make(SELFHOST);
    await mkdir(place.stateDir, { mode: 0o700 });
    await writeFile(join(place.stateDir, "admin-password"), "a password of one's own\n");
    const { client } = await place.start();
    await client.logIn("admin", "a password of one's own");
    expect((await client.call("GET", "/relays")).status).toBe(200);
  });

  it("makes no admin anew: their password may be moved away", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const first = await place.start();
    await stop(first);
    await rm(join(place.stateDir, "admin-password"));
    const child = await place.begin();
    await child.waitForOutput("stdout", /^.*\n/, 30_000);
    expect(JSON.parse(child.output("stdout"))).toMatchObject({ adminPasswordFile: null });
    expect(child.output("stderr")).not.toContain("password");
    await first.client.logIn("admin", first.password);
  });

  it("takes another admin from its owner, while it runs, who may have lost the password", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const { client } = await place.start();
    await writeFile(place.file("password"), "a password of one's own");
    const added = await runToEnd({
      command: process.execPath,
      args: [
        ...[join(PROJECT_ROOT, "worker/dev/add-user.ts"), "add", "owner", "--role", "admin"],
        ...["--password-file", place.file("password"), "--state-dir", place.stateDir],
      ],
    });
    expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^usr_/), stderr: "" });
    await client.logIn("owner", "a password of one's own");
    expect((await client.call("GET", "/relays")).status).toBe(200);
  });

  it("goes on from a copy of its state folder, and its relay with it", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const first = await place.start();
    await using relay = await LinkedRelay.start(first.client, place.file("relay"));
    const consoleId = await first.client.createConsole("before", { port: 1 });
    await stop(first);
    await cp(place.stateDir, place.file("backup"), { recursive: true, preserveTimestamps: true });
    const second = await place.start();
    await relay.linkedTimes(2);
    await second.client.createConsole("after", { port: 1 });
    await second.client.requestTicket(consoleId);
    await stop(second);

    await rm(place.stateDir, { recursive: true });
    await cp(place.file("backup"), place.stateDir, { recursive: true });
    const { client } = await place.start();
    const { json } = await client.call("GET", "/consoles");
    expect(json).toMatchObject({ items: [{ id: consoleId, name: "before" }] });
    await relay.linkedTimes(3);
    const { sessionId } = await client.requestTicket(consoleId);
    expect((await client.session(sessionId)).state).toBe("pending");
  });

  it.each([
    ["the socket's own, whatever it claims", {}, "127.0.0.1"],
    ["what the one trusted proxy saw", { KERBSIDE_TRUSTED_PROXIES: "1" }, "192.0.2.7"],
  ])("takes for the client's address %s", async (_what, env, address) => {
    await using place = await HostPlace.make(SELFHOST);
    const { client, password } = await place.start({ env });
    const login = await fetch(`${client.url}/api/v1/auth/login`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "cf-connecting-ip": "203.0.113.1",
        "x-forwarded-for": "203.0.113.2, 192.0.2.7",
      },
      body: JSON.stringify({ username: "admin", password }),
    });
    expect(login.status).toBe(200);
    const addresses = (await client.audit({ type: "user.logged-in" })).map((row) => row["address"]);
    expect(addresses.at(-1)).toBe(address);
  });

  it.each([
    ["a port", ["--port", "0"], "--port must be a port", 2],
    ["an address", ["--host", "here"], "--host must be an address", 2],
    ["an address of this machine", ["--host", "192.0.2.1"], "has no address 192.0.2.1", 1],
  ])("refuses what is not %s", async (_what, args, sentence, code) => {
    expect(await refusal({ args })).toEqual({ code, said: expect.stringContaining(sentence) });
  });

  it.each([
    [{ PUBLIC_URL: "https://me:hush@k.example" }, "The setting PUBLIC_URL must be a URL", 2],
    [{ KERBSIDE_TRUSTED_PROXIES: "all" }, "The setting KERBSIDE_TRUSTED_PROXIES must be", 2],
    [{ KERBSIDE_JOBS: "never" }, "The setting KERBSIDE_JOBS must be on or off", 2],
    [{ SECRETS_KEYS: "hush" }, "The setting SECRETS_KEYS must list keys as id:key", 2],
    [
      { KERBSIDE_OIDC_PROVIDERS: '[{"name":"corp","clientSecret":"hush","clientId":"k"}]' },
      "The setting KERBSIDE_OIDC_PROVIDERS is wrong at 0.issuer: is missing (docs/",
      2,
    ],
    [{ KERBSIDE_OUTBOUND_CA_FILE: "/nonexistent" }, "/nonexistent cannot be read (ENOENT)", 1],
  ])(
    "refuses settings that make no sense in one plain sentence: %j",
    async (env, sentence, code) => {
      const refused = await refusal({ env });
      expect(refused.code).toBe(code);
      expect(sentences(refused.said)).toEqual([expect.stringContaining(sentence)]);
      expect(refused.said).not.toMatch(/hush|^ {4}at |^\{/m);
    },
  );

  it("changes nothing with settings that make no sense", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const child = await place.begin({ env: { KERBSIDE_LOCAL_LOGIN: "maybe" } });
    expect((await child.waitForExit(30_000)).code).toBe(2);
    expect(readdirSync(place.stateDir)).not.toContain("control.db");
    await place.start();
  });

  it("says which port is in use", async () => {
    await using place = await HostPlace.make(SELFHOST);
    const server = createServer();
    server.listen(place.port, "127.0.0.1");
    await once(server, "listening");
    const child = await place.begin();
    expect((await child.waitForExit(30_000)).code).toBe(1);
    server.close();
    expect(child.output("stderr")).toContain(`Port ${place.port} is in use`);
  });

  it("says that its state folder is in use", async () => {
    await using place = await HostPlace.make(SELFHOST);
    await place.start();
    const second = await place.begin();
    expect((await second.waitForExit(30_000)).code).toBe(1);
    expect(second.output("stderr")).toMatch(/The state folder .* is in use by process \d+/);
  });

  it.each([
    ["secrets.json", null, /is corrupt \(secrets.json: it is missing/],
    ["secrets.json", "{}", /is corrupt \(secrets.json: it does not hold/],
    [
      "control.db",
      "this is no database, and long enough to be looked at".repeat(40),
      /is corrupt:/,
    ],
  ])(
    "says what is damaged in its state folder, and mends nothing: %s",
    async (name, text, said) => {
      await using place = await HostPlace.make(SELFHOST);
      const first = await place.start();
      first.child.signal("SIGTERM");
      await first.child.waitForExit();
      const file = join(place.stateDir, name);
      await (text === null ? rm(file) : writeFile(file, text));
      const child = await place.begin();
      expect((await child.waitForExit(30_000)).code).toBe(1);
      expect(child.output("stderr")).toMatch(said);
      expect(child.output("stderr")).toContain("estore it from a backup.");
      expect(child.output("stderr")).not.toContain("    at ");
      expect(place.processes()).toEqual([]);
    },
  );

  it.each([
    [
      "that another program has locked",
      "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE",
      "is locked by another program. Stop",
    ],
    [
      "of a newer version",
      "INSERT INTO schema_migrations (tag, sha256, applied_at) VALUES ('9999_later', '', '')",
      "has 9999_later, which this version does not know: it is older than the database.",
    ],
  ])("advises no backup for a database %s", async (_what, statement, sentence) => {
    await using place = await HostPlace.make(SELFHOST);
    await stop(await place.start());
    const other = new DatabaseSync(join(place.stateDir, "control.db"));
    try {
      other.exec(statement);
      const child = await place.begin();
      expect((await child.waitForExit(30_000)).code).toBe(1);
      expect(sentences(child.output("stderr"))).toEqual([expect.stringContaining(sentence)]);
      expect(child.output("stderr")).not.toMatch(/corrupt|backup|^ {4}at /m);
    } finally {
      other.close();
    }
  });

  it("never takes a folder that is not its own", async () => {
    await using place = await HostPlace.make(SELFHOST);
    await mkdir(place.stateDir);
    await writeFile(join(place.stateDir, "thesis.txt"), "years of work");
    const child = await place.begin();
    expect((await child.waitForExit(30_000)).code).toBe(1);
    expect(child.output("stderr")).toContain("is not a state folder of Kerbside");
  });
});

async function stop({ child }: RunningHost): Promise<void> {
  child.signal("SIGTERM");
  expect(await child.waitForExit(20_000)).toEqual({ code: 0, signal: null });
}

/** How a start ends that does not become ready, and leaves nothing. */
async function refusal(options: HostOptions): Promise<{ code: number | null; said: string }> {
  await using place = await HostPlace.make(SELFHOST);
  const child = await place.begin(options);
  const { code } = await child.waitForExit(30_000);
  expect(child.output("stdout")).toBe("");
  expect(place.processes()).toEqual([]);
  return { code, said: child.output("stderr") };
}

function sentences(said: string): readonly string[] {
  return said.split("\n").filter((line) => line.startsWith("kerbside: "));
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const PROJECT_ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
