/** `npm run db`: arguments, output and exit codes, once through a real process. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { runDb } from "../../../worker/dev/migrate/run-db.ts";
import { makeFolder, serveDatabase, TOKEN } from "../libsql/database-fixture.ts";

const PENDING = "pending                 ";
const NOW = "2026-03-04T05:06:07.000Z";

async function makeCommand(env: Record<string, string> = {}): Promise<{
  readonly stateFolder: string;
  readonly db: (...args: string[]) => Promise<{ code: number; out: string[]; error: string }>;
}> {
  const migrationsFolder = await makeFolder();
  for (const [name, table] of [
    ["0001_one", "one"],
    ["0002_two", "two"],
  ]) {
    await writeFile(join(migrationsFolder, `${name}.sql`), `CREATE TABLE ${table} (x);`);
    await writeFile(join(migrationsFolder, `${name}.down.sql`), `DROP TABLE ${table};`);
  }
  const db = async (...args: string[]) => {
    const out: string[] = [];
    const errors: string[] = [];
    const code = await runDb(args, {
      env,
      migrationsFolder,
      nowIso: () => NOW,
      writeOut: (line) => out.push(line),
      writeError: (line) => errors.push(line),
    });
    return { code, out, error: errors.join("\n") };
  };
  return { stateFolder: join(await makeFolder(), "state"), db };
}

describe("npm run db on the developer's file", () => {
  it("goes up and down and says what is applied", async () => {
    const { db, stateFolder } = await makeCommand();
    const here = ["--state-dir", stateFolder];
    expect(await db("up", "--to", "0001", ...here)).toMatchObject({
      code: 0,
      out: ["applied 0001_one"],
    });
    expect(await db("status", ...here)).toMatchObject({
      code: 0,
      out: [`${NOW}  0001_one`, `${PENDING}  0002_two`],
    });
    expect(await db("up", ...here)).toMatchObject({ code: 0, out: ["applied 0002_two"] });
    expect(await db("up", ...here)).toMatchObject({ code: 0, out: ["Nothing to apply."] });
    expect(await db("down", ...here)).toMatchObject({ code: 0, out: ["took back 0002_two"] });
    expect(await db("down", "2", ...here)).toMatchObject({
      code: 1,
      error: "Cannot take 2 back: applied are 1.",
    });
  });

  it("makes no database by asking for its status", async () => {
    const { db, stateFolder } = await makeCommand();
    const { code, error } = await db("status", "--state-dir", stateFolder);
    expect(code).toBe(1);
    expect(error).toBe(
      `There is no database ${join(stateFolder, "control.db")} yet: "up" makes it.`,
    );
    expect(existsSync(stateFolder)).toBe(false);
  });

  it("works beside a server that has the file open", async () => {
    const { db, stateFolder } = await makeCommand();
    await mkdir(stateFolder);
    const { connect } = await serveDatabase({ file: join(stateFolder, "control.db") });
    const transaction = await connect().transaction("read");
    await transaction.execute("SELECT * FROM sqlite_schema");
    expect(await db("up", "--state-dir", stateFolder)).toMatchObject({ code: 0 });
    await transaction.commit();
    await connect().execute("INSERT INTO two VALUES (1)");
  });

  it("says that the file is not a database", async () => {
    const { db, stateFolder } = await makeCommand();
    await mkdir(stateFolder);
    await writeFile(join(stateFolder, "control.db"), "no database".repeat(100));
    const { code, error } = await db("up", "--state-dir", stateFolder);
    expect([code, error]).toEqual([1, expect.stringContaining("is not a database.")]);
  });
});

describe("npm run db on a URL", () => {
  it("takes the URL from its option and the token from the environment", async () => {
    const { server } = await serveDatabase();
    const { db } = await makeCommand({ LIBSQL_AUTH_TOKEN: TOKEN });
    expect(await db("up", "--url", server.url)).toMatchObject({ code: 0 });
  });

  it("takes the URL from the environment, unless a state folder is named", async () => {
    const { server } = await serveDatabase();
    const { db, stateFolder } = await makeCommand({
      LIBSQL_AUTH_TOKEN: TOKEN,
      LIBSQL_URL: server.url,
    });
    expect(await db("up", "--to", "0001")).toMatchObject({ out: ["applied 0001_one"] });
    expect(await db("up", "--state-dir", stateFolder)).toMatchObject({
      out: ["applied 0001_one", "applied 0002_two"],
    });
    expect(await db("up")).toMatchObject({ out: ["applied 0002_two"] });
  });

  it("fails in a sentence when the token is wrong, or nobody answers", async () => {
    const { server } = await serveDatabase();
    const { db } = await makeCommand({ LIBSQL_AUTH_TOKEN: "wrong" });
    const refused = await db("status", "--url", server.url);
    expect([refused.code, refused.error]).toEqual([1, expect.stringContaining("token is missing")]);
    const malformed = await db("status", "--url", "http://[");
    expect([malformed.code, malformed.error]).toEqual([1, expect.stringContaining("URL_INVALID")]);
    await server.close();
    const unreachable = await db("status", "--url", server.url);
    expect([unreachable.code, unreachable.error]).toEqual([
      1,
      expect.stringContaining("cannot be reached"),
    ]);
  });
});

describe("npm run db with wrong arguments", () => {
  it.each([
    [[], "No command was given."],
    [["sideways"], "There is no command sideways."],
    [["up", "2"], "up cannot take 2."],
    [["down", "0"], "down cannot take 0."],
    [["down", "1", "2"], "down cannot take 1 2."],
    [["down", "--to", "0001"], "--to belongs to up."],
    [["up", "--force"], "--force"],
    [["up", "--url", "file:control.db"], "The database URL has to begin with"],
    [["up", "--url", "http://h", "--state-dir", "d"], "name two databases"],
  ])("ends with 2 and says how to use it: %j", async (args, sentence) => {
    const { db } = await makeCommand();
    const { code, error, out } = await db(...args);
    expect([code, out]).toEqual([2, []]);
    expect(error).toContain(sentence);
    expect(error).toContain("usage: npm run db -- up");
  });

  it("sets the exit code of the process", async () => {
    const script = fileURLToPath(new URL("../../../worker/dev/migrate/db.ts", import.meta.url));
    const run = async (...args: string[]): Promise<{ code: unknown; stdout: string }> =>
      new Promise((resolve) => {
        execFile(process.execPath, [script, ...args], { env: {} }, (error, stdout) => {
          resolve({ code: error === null ? 0 : error.code, stdout });
        });
      });
    const stateFolder = await makeFolder();
    expect((await run("up", "--state-dir", stateFolder)).stdout).toContain("applied 0001_");
    expect((await run("status", "--state-dir", await makeFolder())).code).toBe(1);
    expect((await run("status", "--wrong")).code).toBe(2);
  });
});
