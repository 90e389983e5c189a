/** `npm run user`: the way in for the first admin, and back in for the last one. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runUser } from "../../../worker/dev/run-user.ts";
import { migrateDatabase } from "../../../worker/dev/migrate/migrate-database.ts";
import { verifyPassword } from "../../../worker/identity/passwords.ts";
import { makeFolder, serveDatabase, TOKEN } from "../libsql/database-fixture.ts";

const COMMAND = fileURLToPath(new URL("../../../worker/dev/add-user.ts", import.meta.url));

async function makeCommand() {
  const { server, connect } = await serveDatabase();
  await migrateDatabase({ url: server.url, authToken: TOKEN });
  const env = { LIBSQL_URL: server.url, LIBSQL_AUTH_TOKEN: TOKEN };
  const user = async (...args: string[]) => {
    const out: string[] = [];
    const errors: string[] = [];
    const code = await runUser(args, {
      env,
      writeOut: (line) => out.push(line),
      writeError: (line) => errors.push(line),
    });
    return { code, out: out.join("\n"), error: errors.join("\n") };
  };
  const passwordFile = async (password: string) => {
    const file = join(await makeFolder(), "password");
    await writeFile(file, `${password}\n`);
    return file;
  };
  return { user, passwordFile, client: connect() };
}

describe("npm run user", () => {
  it("adds an admin, and lets them in again when they are locked out", async () => {
    const { user, passwordFile, client } = await makeCommand();
    const first = ["--password-file", await passwordFile("correct horse battery")];
    const added = await user("add", "root", "--role", "admin", ...first);
    expect(added).toMatchObject({ code: 0, out: expect.stringMatching(/^usr_/) });
    await client.execute("UPDATE users SET disabled_at_ms = 1, password_hash = NULL");

    expect(await user("enable", "ROOT")).toEqual({ code: 0, out: added.out, error: "" });
    const next = ["--password-file", await passwordFile("another long password")];
    expect(await user("set-password", "root", ...next)).toMatchObject({ code: 0, out: added.out });

    const { rows } = await client.execute("SELECT * FROM users");
    expect(rows).toMatchObject([{ role: "admin", disabled_at_ms: null }]);
    const hash = rows[0]?.["password_hash"] as string;
    expect(await verifyPassword("another long password", hash)).toBe(true);
    const events = await client.execute("SELECT type, actor_kind FROM audit_events ORDER BY rowid");
    expect(events.rows.map((row) => [row["type"], row["actor_kind"]])).toEqual([
      ["user.created", "system"],
      ["user.changed", "system"],
      ["user.password-set", "system"],
    ]);
  });

  it("says what is wrong in a sentence", async () => {
    const { user, passwordFile } = await makeCommand();
    const short = ["--password-file", await passwordFile("short")];
    expect(await user("add", "root", ...short)).toMatchObject({
      code: 1,
      error: "password: at least 12 characters",
    });
    expect(await user("enable", "nobody")).toMatchObject({
      code: 1,
      error: "There is no user of that name.",
    });
    for (const args of [
      [],
      ["add"],
      ["add", "root"],
      ["add", "root", "--role", "king", ...short],
      ["enable", "root", ...short],
      ["set-password", "root", "--role", "admin", ...short],
      ["remove", "root"],
    ]) {
      expect(await user(...args)).toMatchObject({
        code: 2,
        error: expect.stringMatching(/^Usage/),
      });
    }
  });

  it("sets the exit code of the process", async () => {
    const outcome = await new Promise<{ code: unknown; errors: string }>((resolve) => {
      execFile(process.execPath, [COMMAND, "remove"], (error, _out, errors) => {
        resolve({ code: error?.code, errors });
      });
    });
    expect(outcome).toEqual({ code: 2, errors: expect.stringMatching(/^Usage/) });
  });
});
