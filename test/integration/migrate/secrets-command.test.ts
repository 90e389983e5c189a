/** `npm run secrets`: what a deployment begins with, and how the key of its database is changed. */
import { mkdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@libsql/client/web";
import { describe, expect, it } from "vitest";
import { migrateDatabase } from "../../../worker/dev/migrate/migrate-database.ts";
import { runSecrets } from "../../../worker/dev/run-secrets.ts";
import { StateFolder } from "../../../worker/dev/state-folder.ts";
import { startLibsqlServer } from "../../../worker/dev/libsql/server.ts";
import { parseSecretsKeys } from "../../../worker/identity/secrets-keys.ts";
import { sealSecret } from "../../../worker/services/secrets.ts";
import { makeFolder, serveDatabase, TOKEN } from "../libsql/database-fixture.ts";

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const out: string[] = [];
  const errors: string[] = [];
  const code = await runSecrets(args, {
    env,
    writeOut: (line) => out.push(line),
    writeError: (line) => errors.push(line),
  });
  return { code, out, errors };
}

const newKey = async (): Promise<string> => (await run(["key"])).out[0] ?? "";

/** A console whose password is sealed with the first of these keys. */
async function addConsole(
  database: { readonly url: string; readonly authToken: string },
  id: string,
  keys: string,
): Promise<void> {
  const settings = { secretsKeys: parseSecretsKeys({ SECRETS_KEYS: keys }) };
  const context = { settings, randomBytes: (count: number) => new Uint8Array(count).fill(7) };
  const place = { column: "consoles.sealed_password", rowId: id } as const;
  const sealed = await sealSecret(context, place, `secret of ${id}`);
  const client = createClient(database);
  await client.batch([
    "INSERT OR IGNORE INTO sources (id, name, kind, created_at_ms) VALUES ('s', 's', 'static', 1)",
    {
      sql: `INSERT INTO consoles (id, source_id, uuid, name, host, port, sealed_password, created_at_ms)
        VALUES (?, 's', ?, 'n', 'h', 1, ?, 1)`,
      args: [id, id, sealed],
    },
  ]);
}

describe("npm run secrets", () => {
  it("prints a new deployment's secrets, and keys for the list of several", async () => {
    const made = await run([]);
    expect(Object.keys(JSON.parse(made.out.join("")) as object).sort()).toEqual([
      "CA_CERTIFICATE",
      "CA_KEY",
      "GRANT_SIGNING_KEY",
      "SECRETS_KEY",
      "TICKET_ROOT",
    ]);
    const authority = await run(["authority"]);
    expect(JSON.parse(authority.out.join(""))).toEqual({
      CA_CERTIFICATE: expect.stringContaining("BEGIN CERTIFICATE"),
      CA_KEY: expect.stringContaining("BEGIN PRIVATE KEY"),
    });
    const keys = [await newKey(), await newKey()];
    const parsed = parseSecretsKeys({ SECRETS_KEYS: keys.join(",") });
    expect(new Set(parsed.map(({ id }) => id)).size).toBe(2);
  });

  it("seals again what older keys have sealed, and says what it cannot open", async () => {
    const { server } = await serveDatabase();
    const database = { url: server.url, authToken: TOKEN };
    await migrateDatabase(database);
    const [old, young, lost] = [await newKey(), await newKey(), await newKey()];
    await addConsole(database, "con_1", old);
    await addConsole(database, "con_2", young);
    const env = { LIBSQL_URL: server.url, LIBSQL_AUTH_TOKEN: TOKEN };
    const during = { ...env, SECRETS_KEYS: `${young},${old}` };
    const [youngId = "", oldId = ""] = [young, old].map((key) => key.split(":")[0]);
    const before = await run(["count"], during);
    expect(before.out.toSorted()).toEqual(
      [
        `The key in use is ${youngId}.`,
        `consoles.sealed_password: 1 sealed with key ${oldId}`,
        `consoles.sealed_password: 1 sealed with key ${youngId}`,
      ].toSorted(),
    );
    expect(await run(["reencrypt"], during)).toEqual({
      code: 0,
      out: ["1 sealed again", "Done: 1 sealed again, 0 unreadable."],
      errors: [],
    });
    const after = { ...env, SECRETS_KEYS: young };
    expect((await run(["count"], after)).out).toEqual([
      `The key in use is ${youngId}.`,
      `consoles.sealed_password: 2 sealed with key ${youngId}`,
    ]);
    await addConsole(database, "con_3", lost);
    const partly = await run(["reencrypt"], after);
    expect(partly).toEqual({
      code: 1,
      out: ["Done: 0 sealed again, 1 unreadable."],
      errors: ["No key opens consoles.sealed_password of con_3: left as it is."],
    });
  });

  it("works on a state folder, whose own key is the one before", async () => {
    const folder = join(await makeFolder(), "state");
    await mkdir(folder);
    const state = new StateFolder(folder);
    const secrets = await state.secrets(Date.now());
    const server = await startLibsqlServer({ file: state.databaseFile, authToken: TOKEN });
    const database = { url: server.url, authToken: TOKEN };
    await migrateDatabase(database);
    await addConsole(database, "con_1", `default:${secrets.SECRETS_KEY ?? ""}`);
    await server.close();
    const env = { SECRETS_KEYS: await newKey() };
    expect(await run(["reencrypt", "--state-dir", folder], env)).toMatchObject({
      code: 0,
      out: ["1 sealed again", "Done: 1 sealed again, 0 unreadable."],
    });
  });

  it("says what is missing or wrong", async () => {
    expect(await run(["reencrypt"])).toMatchObject({
      code: 2,
      errors: [expect.stringContaining("LIBSQL_URL is not set")],
    });
    const env = { LIBSQL_URL: "http://127.0.0.1:1" };
    expect(await run(["count"], env)).toMatchObject({
      code: 1,
      errors: [expect.stringContaining("SECRETS_KEYS is missing")],
    });
    const none = join(await makeFolder(), "none");
    const nowhere = await run(["count", "--state-dir", none]);
    expect(nowhere).toMatchObject({
      code: 1,
      errors: [expect.stringContaining("There is no database")],
    });
    expect(existsSync(none)).toBe(false);
    for (const args of [["bogus"], ["key", "more"], ["key", "--state-dir", "x"], ["--odd"]]) {
      expect(await run(args)).toMatchObject({
        code: 2,
        errors: [expect.stringMatching(/^Usage: /)],
      });
    }
  });
});
