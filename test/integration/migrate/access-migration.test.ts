/** The migration of access lets people go on who open consoles already, and grants nobody else. */
import { describe, expect, it } from "vitest";
import { MIGRATIONS_FOLDER } from "../../../worker/dev/migrate/migrations-folder.ts";
import { migrateDown, migrateUp, migrationStatus } from "../../../worker/dev/migrate/migrate.ts";
import { serveDatabase } from "../libsql/database-fixture.ts";
import type { Client } from "@libsql/client/web";

const NOW = { nowIso: "2026-03-04T05:06:07.000Z" };

const USER = `INSERT INTO users (id, username, role, created_at_ms)
  VALUES ('usr_a', 'alice', 'user', 1)`;
const ADMIN = `INSERT INTO users (id, username, role, created_at_ms)
  VALUES ('usr_b', 'root', 'admin', 1)`;
const CONSOLES = [
  "INSERT INTO sources VALUES ('src_a', 'static', 'static', 1)",
  ...["a", "b"].map(
    (name) => `INSERT INTO consoles (id, source_id, uuid, name, host, port, created_at_ms)
      VALUES ('con_${name}', 'src_a', '${name}', '${name}', 'h', 1, 1)`,
  ),
];

/** A database as it was before access, with these rows, brought up to it. */
async function migrate(rows: readonly string[]): Promise<Client> {
  const client = (await serveDatabase()).connect();
  const states = await migrationStatus(client, MIGRATIONS_FOLDER);
  const tags = states.ok ? states.value.map(({ tag }) => tag) : [];
  const index = tags.findIndex((tag) => tag.endsWith("_access"));
  await migrateUp(client, MIGRATIONS_FOLDER, { ...NOW, to: tags[index - 1] ?? "" });
  if (rows.length > 0) {
    await client.batch([...rows]);
  }
  const migrated = await migrateUp(client, MIGRATIONS_FOLDER, { ...NOW, to: tags[index] ?? "" });
  expect(migrated).toMatchObject({ ok: true });
  return client;
}

async function rulesOf(client: Client): Promise<unknown[]> {
  const { rows } = await client.execute(
    `SELECT r.id, r.subject_kind AS kind, r.subject_id AS subject, r.level,
      (SELECT group_concat(console_id) FROM access_scope_consoles AS s
        WHERE s.scope_id = r.scope_id) AS consoles
      FROM access_rules AS r`,
  );
  return rows.map((row) => ({ ...row }));
}

describe("the migration of access", () => {
  it("makes one rule, that everyone may open every console, where people open them already", async () => {
    const client = await migrate([USER, ADMIN, ...CONSOLES]);
    expect(await rulesOf(client)).toEqual([
      {
        id: expect.stringMatching(/^acr_[\w-]{22}$/),
        kind: "everyone",
        subject: "everyone",
        level: 2,
        consoles: "con_a,con_b",
      },
    ]);
  });

  it.each([
    ["a new installation", []],
    ["one whose people are all admins", [ADMIN, ...CONSOLES]],
    ["one without consoles", [USER]],
    [
      "one whose consoles are all deleted",
      [USER, ...CONSOLES, "UPDATE consoles SET deleted_at_ms = 2"],
    ],
  ])("makes no rule in %s", async (_what, rows) => {
    expect(await rulesOf(await migrate(rows))).toEqual([]);
  });

  it("leaves consoles, sessions and people as they were on the way down", async () => {
    const client = await migrate([USER, ...CONSOLES]);
    await client.batch([
      `INSERT INTO shares (id, token_hash, console_id, issuer_id, uses_max, uses_left,
        created_at_ms, expires_at_ms) VALUES ('shr_a', 'hash', 'con_a', 'usr_a', 1, 0, 1, 2)`,
      `INSERT INTO sessions (id, console_id, user_id, state, created_at_ms, share_id)
        VALUES ('ses_a', 'con_a', 'usr_a', 'ended', 1, 'shr_a')`,
    ]);
    expect(await migrateDown(client, MIGRATIONS_FOLDER, { steps: 1 })).toMatchObject({ ok: true });
    const { rows } = await client.execute(
      `SELECT s.id, s.user_id AS user, c.name FROM sessions AS s
        JOIN consoles AS c ON c.id = s.console_id`,
    );
    expect(rows.map((row) => ({ ...row }))).toEqual([{ id: "ses_a", user: "usr_a", name: "a" }]);
  });
});
