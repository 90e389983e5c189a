/** The migration runner against a served database: up, down, and everything it refuses. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { migrateDatabase } from "../../../worker/dev/migrate/migrate-database.ts";
import { migrateDown, migrateUp, migrationStatus } from "../../../worker/dev/migrate/migrate.ts";
import { MIGRATIONS_FOLDER } from "../../../worker/dev/migrate/migrations-folder.ts";
import { makeFolder, serveDatabase, TOKEN } from "../libsql/database-fixture.ts";

import type { MigrationError } from "../../../worker/dev/migrate/migration-error.ts";
import type { Client } from "@libsql/client/web";

const NOW = { nowIso: "2026-03-04T05:06:07.000Z" };

const THREE_STEPS: Record<string, string> = {
  "0001_people.sql": `-- People; and a default with a semicolon
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'a;b');
    INSERT INTO people (id) VALUES (1);`,
  "0001_people.down.sql": "DROP TABLE people;",
  "0002_pets.sql": `CREATE TABLE pets (owner INTEGER NOT NULL REFERENCES people (id));
    INSERT INTO pets VALUES (1);`,
  "0002_pets.down.sql": "DROP TABLE pets;",
  "0003_pets_by_owner.sql": "CREATE INDEX pets_by_owner ON pets (owner);",
  "0003_pets_by_owner.down.sql": "DROP INDEX pets_by_owner;",
};

async function writeMigrations(files: Record<string, string>): Promise<string> {
  const folder = await makeFolder();
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text);
  }
  return folder;
}

async function schemaOf(client: Client): Promise<unknown[]> {
  const { rows } = await client.execute(
    `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'
     ORDER BY type, name`,
  );
  // A table that was rebuilt and renamed has its name in quotes.
  return rows.map((row) => ({
    ...row,
    sql: (row["sql"] as string).replace(/^CREATE TABLE "(\w+)"/, "CREATE TABLE $1"),
  }));
}

async function namesOf(client: Client): Promise<unknown[]> {
  return (await schemaOf(client)).map((row) => (row as { name: string }).name);
}

function refusal(kind: MigrationError["kind"], message: string): unknown {
  return { ok: false, error: { kind, message: expect.stringContaining(message) as string } };
}

describe("migrating up and down", () => {
  it("applies everything once, takes it back and applies it again", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations(THREE_STEPS);
    const tags = ["0001_people", "0002_pets", "0003_pets_by_owner"];
    expect(await migrateUp(client, folder, NOW)).toEqual({ ok: true, value: tags });
    expect(await migrateUp(client, folder, NOW)).toEqual({ ok: true, value: [] });
    const schema = await schemaOf(client);
    expect(await migrateDown(client, folder, { steps: 2 })).toEqual({
      ok: true,
      value: ["0003_pets_by_owner", "0002_pets"],
    });
    expect(await namesOf(client)).toEqual(["people", "schema_migrations"]);
    expect(await migrateUp(client, folder, NOW)).toEqual({ ok: true, value: tags.slice(1) });
    expect(await schemaOf(client)).toEqual(schema);
    const people = await client.execute("SELECT name FROM people");
    expect(people.rows[0]).toMatchObject({ name: "a;b" });
  });

  it("stops where it is told to, by number or by tag", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations(THREE_STEPS);
    const first = await migrateUp(client, folder, { ...NOW, to: "0001" });
    expect(first).toEqual({ ok: true, value: ["0001_people"] });
    const second = await migrateUp(client, folder, { ...NOW, to: "0002_pets" });
    expect(second).toEqual({ ok: true, value: ["0002_pets"] });
    expect(await migrateUp(client, folder, { ...NOW, to: "0001" })).toEqual(
      refusal("argument-invalid", "0001_people is applied already, and later ones too."),
    );
    expect(await migrateUp(client, folder, { ...NOW, to: "0009" })).toEqual(
      refusal("argument-invalid", "There is no migration 0009."),
    );
  });

  it("goes down no further than it is up", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations(THREE_STEPS);
    await migrateUp(client, folder, { ...NOW, to: "0002" });
    for (const steps of [3, 0, -1, 1.5]) {
      expect(await migrateDown(client, folder, { steps })).toEqual(
        refusal("argument-invalid", `Cannot take ${steps} back: applied are 2.`),
      );
    }
    expect(await namesOf(client)).toContain("pets");
  });

  it("says what is applied and when, and creates nothing by asking", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations(THREE_STEPS);
    const states = async (): Promise<unknown> => migrationStatus(client, folder);
    const pending = [
      { tag: "0001_people", appliedAt: null },
      { tag: "0002_pets", appliedAt: null },
      { tag: "0003_pets_by_owner", appliedAt: null },
    ];
    expect(await states()).toEqual({ ok: true, value: pending });
    expect(await schemaOf(client)).toEqual([]);
    await migrateUp(client, folder, { ...NOW, to: "0001" });
    const applied = { tag: "0001_people", appliedAt: NOW.nowIso };
    expect(await states()).toEqual({ ok: true, value: [applied, ...pending.slice(1)] });
  });
});

describe("a step that fails", () => {
  it("leaves nothing of itself and keeps the steps before it", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations({
      ...THREE_STEPS,
      "0002_pets.sql": "CREATE TABLE pets (x); INSERT INTO pets VALUES (1); DROP TABLE missing;",
    });
    expect(await migrateUp(client, folder, NOW)).toEqual(
      refusal(
        "step-failed",
        "no such table: missing. It left nothing. Done before it: 0001_people.",
      ),
    );
    expect(await namesOf(client)).toEqual(["people", "schema_migrations"]);
    const { rows } = await client.execute("SELECT tag FROM schema_migrations");
    expect(rows.map((row) => row["tag"])).toEqual(["0001_people"]);
    const keys = await client.execute("PRAGMA foreign_keys");
    expect(keys.rows[0]).toMatchObject({ foreign_keys: 1 });
  });

  it("leaves nothing on the way down", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations({
      ...THREE_STEPS,
      "0003_pets_by_owner.down.sql": "DROP INDEX pets_by_owner; DROP INDEX missing;",
    });
    await migrateUp(client, folder, NOW);
    const schema = await schemaOf(client);
    expect(await migrateDown(client, folder, { steps: 1 })).toEqual(
      refusal("step-failed", "0003_pets_by_owner: "),
    );
    expect(await schemaOf(client)).toEqual(schema);
    expect(await migrateUp(client, folder, NOW)).toEqual({ ok: true, value: [] });
  });

  it("is one that would leave references to rows that are gone", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations({
      ...THREE_STEPS,
      "0003_pets_by_owner.sql": "DELETE FROM people;",
    });
    expect(await migrateUp(client, folder, NOW)).toEqual(
      refusal("step-failed", "0003_pets_by_owner: foreign keys would point to rows that are gone"),
    );
    expect((await client.execute("SELECT * FROM people")).rows).toHaveLength(1);
  });

  it("may rebuild a table that others refer to", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations({
      ...THREE_STEPS,
      "0003_pets_by_owner.sql": `CREATE TABLE new_people (id INTEGER PRIMARY KEY, name TEXT);
        INSERT INTO new_people SELECT id, name FROM people;
        DROP TABLE people;
        ALTER TABLE new_people RENAME TO people;`,
    });
    expect(await migrateUp(client, folder, NOW)).toMatchObject({ ok: true });
    expect((await client.execute("SELECT * FROM pets")).rows).toHaveLength(1);
  });

  it("is one that another program applied meanwhile", async () => {
    const { connect } = await serveDatabase();
    const folder = await writeMigrations(THREE_STEPS);
    const both = await Promise.all([
      migrateUp(connect(), folder, NOW),
      migrateUp(connect(), folder, NOW),
    ]);
    const failures = both.filter((result) => !result.ok);
    for (const failure of failures) {
      expect(failure).toEqual(refusal("step-failed", "It left nothing."));
    }
    expect(failures.length).toBeLessThan(both.length);
    const status = await migrationStatus(connect(), folder);
    expect(status.ok && status.value.every(({ appliedAt }) => appliedAt !== null)).toBe(true);
  });
});

describe("two programs that migrate down at once", () => {
  it("take the last migration back once", async () => {
    const { connect } = await serveDatabase();
    const folder = await writeMigrations({
      "0001_people.sql": "CREATE TABLE people (x);",
      "0001_people.down.sql": "DROP TABLE IF EXISTS people;",
    });
    await migrateUp(connect(), folder, NOW);
    const both = await Promise.all([
      migrateDown(connect(), folder, { steps: 1 }),
      migrateDown(connect(), folder, { steps: 1 }),
    ]);
    expect(both.filter((result) => result.ok)).toHaveLength(1);
    expect(await namesOf(connect())).toEqual(["schema_migrations"]);
  });
});

describe("a history that does not fit the folder", () => {
  it("is refused when an applied file was changed, but not when its line ends were", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations(THREE_STEPS);
    await migrateUp(client, folder, NOW);
    const text = THREE_STEPS["0001_people.sql"] ?? "";
    await writeFile(join(folder, "0001_people.sql"), text.replaceAll("\n", "\r\n"));
    expect(await migrateUp(client, folder, NOW)).toEqual({ ok: true, value: [] });
    await writeFile(join(folder, "0001_people.sql"), `${text} -- and more`);
    const changed = refusal(
      "history-conflict",
      "0001_people.sql was changed after it was applied.",
    );
    expect(await migrateUp(client, folder, NOW)).toEqual(changed);
    expect(await migrateDown(client, folder, { steps: 1 })).toEqual(changed);
    expect(await migrationStatus(client, folder)).toEqual(changed);
  });

  it("is refused when the database knows a migration that the folder lacks", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations(THREE_STEPS);
    await migrateUp(client, folder, NOW);
    await rm(join(folder, "0003_pets_by_owner.sql"));
    await rm(join(folder, "0003_pets_by_owner.down.sql"));
    expect(await migrateUp(client, folder, NOW)).toEqual(
      refusal(
        "history-conflict",
        "The database has 0003_pets_by_owner, which this version does not know",
      ),
    );
  });

  it("is refused when the database misses one in between", async () => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations(THREE_STEPS);
    await migrateUp(client, folder, NOW);
    await client.execute("DELETE FROM schema_migrations WHERE tag = '0002_pets'");
    expect(await migrateUp(client, folder, NOW)).toEqual(
      refusal("history-conflict", "has 0003_pets_by_owner but not 0002_pets, which comes before"),
    );
  });
});

describe("a folder that cannot be trusted", () => {
  const { "0002_pets.sql": _up, "0002_pets.down.sql": _down, ...withGap } = THREE_STEPS;
  const { "0002_pets.down.sql": _way, ...withoutWayBack } = THREE_STEPS;
  const { "0003_pets_by_owner.sql": _last, ...withoutWayUp } = THREE_STEPS;
  const twin = { "0002_twin.sql": "SELECT 1;", "0002_twin.down.sql": "SELECT 1;" };

  it.each<[string, Record<string, string>, string]>([
    ["is empty", {}, "holds no migrations."],
    ["has a gap", withGap, "There is no migration 0002: the next one is 0003_pets_by_owner."],
    ["has a twin", { ...THREE_STEPS, ...twin }, "0002_pets and 0002_twin have the same number."],
    ["lacks a way back", withoutWayBack, "0002_pets.down.sql is missing."],
    ["lacks a way up", withoutWayUp, "0003_pets_by_owner.down.sql is the way back of"],
    ["has a stray file", { ...THREE_STEPS, "4_x.sql": "" }, "4_x.sql is not named like"],
    ["has an empty file", { ...THREE_STEPS, "0002_pets.sql": "-- later" }, "holds no statement."],
    [
      "ends the transaction itself",
      { ...THREE_STEPS, "0002_pets.down.sql": "DROP TABLE pets;\n/* now */ commit;" },
      "0002_pets.down.sql uses COMMIT, but each migration runs inside one transaction",
    ],
  ])("is refused when it %s", async (_name, files, message) => {
    const client = (await serveDatabase()).connect();
    const folder = await writeMigrations(files);
    expect(await migrateUp(client, folder, NOW)).toEqual(refusal("folder-invalid", message));
    expect(await schemaOf(client)).toEqual([]);
  });

  it("is refused when it cannot be read", async () => {
    const client = (await serveDatabase()).connect();
    const folder = join(await makeFolder(), "missing");
    const unreadable = refusal("folder-unreadable", folder);
    expect(await migrateUp(client, folder, NOW)).toEqual(unreadable);
    const strange = await writeMigrations({ "0001_a.down.sql": "SELECT 1;" });
    await mkdir(join(strange, "0001_a.sql"));
    expect(await migrateUp(client, strange, NOW)).toEqual(
      refusal("folder-unreadable", "0001_a.sql"),
    );
  });
});

describe("the project's own migrations", () => {
  it("lead up, all the way down to nothing, and up to the same schema", async () => {
    const client = (await serveDatabase()).connect();
    const up = await migrateUp(client, MIGRATIONS_FOLDER, NOW);
    const tags = up.ok ? up.value : [];
    expect(up).toEqual({ ok: true, value: tags });
    const schema = await schemaOf(client);
    expect(schema.length).toBeGreaterThan(1);
    for (const tag of tags.toReversed()) {
      const down = await migrateDown(client, MIGRATIONS_FOLDER, { steps: 1 });
      expect(down).toEqual({ ok: true, value: [tag] });
    }
    expect(await namesOf(client)).toEqual(["schema_migrations"]);
    expect(await migrateUp(client, MIGRATIONS_FOLDER, NOW)).toEqual({ ok: true, value: tags });
    expect(await schemaOf(client)).toEqual(schema);
  });

  it("can each be taken back and applied again alone", async () => {
    const client = (await serveDatabase()).connect();
    const states = await migrationStatus(client, MIGRATIONS_FOLDER);
    const tags = states.ok ? states.value.map(({ tag }) => tag) : [];
    expect(tags).not.toEqual([]);
    for (const to of tags) {
      const before = await schemaOf(client);
      await migrateUp(client, MIGRATIONS_FOLDER, { ...NOW, to });
      const after = await schemaOf(client);
      await migrateDown(client, MIGRATIONS_FOLDER, { steps: 1 });
      const withoutOurs = (await schemaOf(client)).filter((row) => !isOurTable(row));
      expect(withoutOurs).toEqual(before.filter((row) => !isOurTable(row)));
      await migrateUp(client, MIGRATIONS_FOLDER, { ...NOW, to });
      expect(await schemaOf(client)).toEqual(after);
    }
  });

  it("are applied by a program that starts on a new database", async () => {
    const { server, connect } = await serveDatabase();
    await migrateDatabase({ url: server.url, authToken: TOKEN });
    const states = await migrationStatus(connect(), MIGRATIONS_FOLDER);
    expect(states.ok && states.value.every(({ appliedAt }) => appliedAt !== null)).toBe(true);
    await connect().execute("UPDATE schema_migrations SET sha256 = 'another'");
    await expect(migrateDatabase({ url: server.url, authToken: TOKEN })).rejects.toThrow(
      "was changed after it was applied",
    );
  });
});

function isOurTable(row: unknown): boolean {
  return (row as { tbl_name: string }).tbl_name === "schema_migrations";
}
