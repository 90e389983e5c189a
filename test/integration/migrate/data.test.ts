/** What becomes of data: from every earlier version up, and down again, with rows in every table. */
import type { Client } from "@libsql/client/web";
import { describe, expect, it } from "vitest";
import { MIGRATIONS_FOLDER } from "../../../worker/dev/migrate/migrations-folder.ts";
import { migrateDown, migrateUp } from "../../../worker/dev/migrate/migrate.ts";
import { readMigrations } from "../../../worker/dev/migrate/read-migrations.ts";
import { columnsOf, fillTables, tablesOf } from "../../harness/schema-rows.ts";
import { serveDatabase } from "../libsql/database-fixture.ts";

const NOW = { nowIso: "2026-03-04T05:06:07.000Z" };

const TAGS = await tagsOfProject();

/**
 * What a way down does to rows that the older schema cannot hold, and says so in its file. A column,
 * or a table whose rows go.
 */
const CHANGED_ON_THE_WAY_DOWN: Readonly<Record<string, readonly string[]>> = {
  // Who must not log in gets a hash that no password has; logins of whoever is disabled go.
  "0004_people": ["users.password_hash", "logins"],
};

/** All rows, by table; each row by column. */
type Data = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;

describe("rows of every table", () => {
  it.each(TAGS)("have a value in each column (%s)", async (tag) => {
    const client = await migratedTo(tag);
    await fillTables(client);
    for (const [table, rows] of Object.entries(await readData(client))) {
      const columns = await columnsOf(client, table);
      const empty = columns.filter(({ name }) => rows.every((row) => row[name] === null));
      expect({ table, empty: empty.map(({ name }) => name) }).toEqual({ table, empty: [] });
    }
  });

  it.each(TAGS)("survive the way up from %s, and the way back", async (tag) => {
    const client = await migratedTo(tag);
    await fillTables(client);
    const before = await readData(client);
    expect(await migrateUp(client, MIGRATIONS_FOLDER, NOW)).toMatchObject({ ok: true });
    await expectSound(client);
    expect(inColumnsOf(before, await readData(client))).toEqual(before);
    await down(client, TAGS.length - 1 - TAGS.indexOf(tag));
    await expectSound(client);
    expect(await readData(client)).toEqual(before);
    expect(await migrateUp(client, MIGRATIONS_FOLDER, NOW)).toMatchObject({ ok: true });
    expect(inColumnsOf(before, await readData(client))).toEqual(before);
  });

  it("of the newest version lose on the way down what the older ones lack, and no more", async () => {
    const client = await migratedTo(TAGS.at(-1) ?? "");
    await fillTables(client);
    for (const tag of TAGS.toReversed().slice(0, -1)) {
      const before = await readData(client);
      await down(client, 1);
      await expectSound(client);
      const changed = CHANGED_ON_THE_WAY_DOWN[tag] ?? [];
      const after = await readData(client);
      expect({ tag, rows: without(changed, after) }).toEqual({
        tag,
        rows: without(changed, inColumnsOf(after, before)),
      });
    }
    expect(await migrateUp(client, MIGRATIONS_FOLDER, NOW)).toMatchObject({ ok: true });
    await expectSound(client);
  });
});

async function tagsOfProject(): Promise<string[]> {
  const migrations = await readMigrations(MIGRATIONS_FOLDER);
  return migrations.ok ? migrations.value.map(({ tag }) => tag) : [];
}

async function migratedTo(tag: string): Promise<Client> {
  const client = (await serveDatabase()).connect();
  expect(await migrateUp(client, MIGRATIONS_FOLDER, { ...NOW, to: tag })).toMatchObject({
    ok: true,
  });
  return client;
}

async function down(client: Client, steps: number): Promise<void> {
  if (steps > 0) {
    expect(await migrateDown(client, MIGRATIONS_FOLDER, { steps })).toMatchObject({ ok: true });
  }
}

/** Every reference leads somewhere, and every row keeps the table's checks. */
async function expectSound(client: Client): Promise<void> {
  expect((await client.execute("PRAGMA foreign_key_check")).rows).toEqual([]);
  const { rows } = await client.execute("PRAGMA integrity_check");
  expect(rows.map((row) => row[0])).toEqual(["ok"]);
}

async function readData(client: Client): Promise<Data> {
  const data: Record<string, Record<string, unknown>[]> = {};
  for (const table of await tablesOf(client)) {
    const { rows } = await client.execute(`SELECT * FROM "${table}"`);
    data[table] = rows.map((row) => ({ ...row })).sort(byText);
  }
  return data;
}

/** The second one's tables and columns, as far as the first has them. */
function inColumnsOf(columns: Data, data: Data): Data {
  return Object.fromEntries(
    Object.entries(columns).map(([table, rows]) => {
      const names = Object.keys(rows[0] ?? data[table]?.[0] ?? {});
      const found = (data[table] ?? []).map((row) =>
        Object.fromEntries(names.filter((name) => name in row).map((name) => [name, row[name]])),
      );
      return [table, found.sort(byText)];
    }),
  );
}

function without(changed: readonly string[], data: Data): Data {
  return Object.fromEntries(
    Object.entries(data)
      .filter(([table]) => !changed.includes(table))
      .map(([table, rows]) => [
        table,
        rows.map((row) =>
          Object.fromEntries(
            Object.entries(row).filter(([name]) => !changed.includes(`${table}.${name}`)),
          ),
        ),
      ]),
  );
}

function byText(left: object, right: object): number {
  return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1;
}
