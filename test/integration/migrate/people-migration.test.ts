/** 0004_people keeps who is there, on the way up and on the way down. */
import { describe, expect, it } from "vitest";
import { MIGRATIONS_FOLDER } from "../../../worker/dev/migrate/migrations-folder.ts";
import { migrateDown, migrateUp } from "../../../worker/dev/migrate/migrate.ts";
import { verifyPassword } from "../../../worker/identity/passwords.ts";
import { serveDatabase } from "../libsql/database-fixture.ts";

const NOW = { nowIso: "2026-03-04T05:06:07.000Z" };
const HASH = `scrypt$ln=14,r=8,p=5$${"A".repeat(22)}$${"B".repeat(42)}A`;

describe("the migration of people", () => {
  it("keeps users, logins and what points to them, up and down", async () => {
    const client = (await serveDatabase()).connect();
    await migrateUp(client, MIGRATIONS_FOLDER, { ...NOW, to: "0003" });
    await client.batch([
      `INSERT INTO users VALUES ('usr_a', 'Alice', '${HASH}', 'admin', 1)`,
      `INSERT INTO logins VALUES ('lgn_a', 'usr_a', 'hash', 1, 2)`,
      `INSERT INTO join_tokens VALUES ('jtk_a', 'hash', 'usr_a', 1, 2, NULL, NULL)`,
    ]);
    const all = async () => ({
      users: (await client.execute("SELECT * FROM users")).rows.map((row) => ({ ...row })),
      logins: (await client.execute("SELECT * FROM logins")).rows.map((row) => ({ ...row })),
      tokens: (await client.execute("SELECT * FROM join_tokens")).rows.map((row) => ({ ...row })),
    });
    const before = await all();
    expect(await migrateUp(client, MIGRATIONS_FOLDER, { ...NOW, to: "0004" })).toMatchObject({
      ok: true,
    });
    expect(await all()).toMatchObject({
      users: [
        { id: "usr_a", username: "Alice", password_hash: HASH, role: "admin", origin: "local" },
      ],
      logins: [{ id: "lgn_a", method: "password", address: null }],
      tokens: before.tokens,
    });
    expect(await migrateDown(client, MIGRATIONS_FOLDER, { steps: 1 })).toMatchObject({ ok: true });
    expect(await all()).toEqual(before);
  });

  it("lets nobody in on the way down who was kept out, and gives nobody more rights", async () => {
    const client = (await serveDatabase()).connect();
    await migrateUp(client, MIGRATIONS_FOLDER, { ...NOW, to: "0004" });
    const insert = (name: string, role: string, hash: string | null, ended: string) =>
      client.execute({
        sql:
          "INSERT INTO users (id, username, role, password_hash, created_at_ms, " +
          "disabled_at_ms, deleted_at_ms) VALUES (?, ?, ?, ?, 1, ?, ?)",
        args: [
          `usr_${name}`,
          name,
          role,
          hash,
          ended === "disabled" || ended === "deleted" ? 2 : null,
          ended === "deleted" ? 2 : null,
        ],
      });
    await insert("admin", "admin", HASH, "");
    await insert("operator", "operator", HASH, "");
    await insert("auditor", "auditor", HASH, "");
    await insert("foreign", "admin", null, "");
    await insert("disabled", "admin", HASH, "disabled");
    await insert("deleted", "user", null, "deleted");
    await client.execute(
      "INSERT INTO logins (id, user_id, token_hash, created_at_ms, expires_at_ms) " +
        "SELECT 'lgn_' || id, id, id, 1, 2 FROM users",
    );
    await migrateDown(client, MIGRATIONS_FOLDER, { steps: 1 });
    const users = await client.execute(
      "SELECT username, role, password_hash FROM users ORDER BY username",
    );
    const unusable = users.rows.find((row) => row["username"] === "foreign")?.[2] as string;
    expect(users.rows.map((row) => [row["username"], row["role"], row["password_hash"]])).toEqual([
      ["admin", "admin", HASH],
      ["auditor", "user", HASH],
      ["deleted", "user", unusable],
      ["disabled", "admin", unusable],
      ["foreign", "admin", unusable],
      ["operator", "user", HASH],
    ]);
    // It has the form of a hash, so that a login is refused and does not fail.
    expect(await verifyPassword("", unusable)).toBe(false);
    const logins = await client.execute("SELECT user_id FROM logins ORDER BY user_id");
    expect(logins.rows.map((row) => row["user_id"])).toEqual([
      "usr_admin",
      "usr_auditor",
      "usr_foreign",
      "usr_operator",
    ]);
  });
});
