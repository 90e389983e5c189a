import { createClient } from "@libsql/client/web";
import { is } from "drizzle-orm";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import { describe, expect, it } from "vitest";
import { startLibsqlServer } from "../../../worker/dev/libsql/server.ts";
import { migrateDatabase } from "../../../worker/dev/migrate/migrate-database.ts";
import * as access from "../../../worker/repositories/schema/access.ts";
import * as audit from "../../../worker/repositories/schema/audit.ts";
import * as consoles from "../../../worker/repositories/schema/consoles.ts";
import * as idempotency from "../../../worker/repositories/schema/idempotency.ts";
import * as keys from "../../../worker/repositories/schema/keys.ts";
import * as denials from "../../../worker/repositories/schema/denials.ts";
import * as people from "../../../worker/repositories/schema/people.ts";
import * as policies from "../../../worker/repositories/schema/policies.ts";
import * as relays from "../../../worker/repositories/schema/relays.ts";
import * as sessions from "../../../worker/repositories/schema/sessions.ts";
import * as shares from "../../../worker/repositories/schema/shares.ts";
import * as webhooks from "../../../worker/repositories/schema/webhooks.ts";
import * as sites from "../../../worker/repositories/schema/sites.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

interface Column {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly default: string | null;
  /** Its place in the primary key, from 1; 0 outside. */
  readonly primaryKey: number;
  /** Whether it alone is unique in the whole table; a primary key aside. */
  readonly unique: boolean;
}

/** By table, each table's columns by name. */
type Tables = Record<string, Column[]>;

describe("the schema that the code sees", () => {
  it("is the one that the migrations make, table by table and column by column", async () => {
    expect(declaredTables()).toEqual(await migratedTables());
  });
});

function declaredTables(): Tables {
  const tables: Tables = {};
  for (const table of Object.values(SCHEMA)) {
    if (is(table, SQLiteTable)) {
      const { name, columns, primaryKeys } = getTableConfig(table);
      const key = primaryKeys[0]?.columns.map((column) => column.name) ?? [];
      tables[name] = columns
        .map((column) => ({
          name: column.name,
          type: column.getSQLType().toUpperCase(),
          // SQLite itself makes a STRICT table's primary key refuse null.
          notNull: column.notNull || column.primary,
          default: column.default === undefined ? null : defaultOf(column.default),
          primaryKey: column.primary ? 1 : key.indexOf(column.name) + 1,
          unique: column.isUnique,
        }))
        .sort(byName);
    }
  }
  return tables;
}

async function migratedTables(): Promise<Tables> {
  await using folder = await makeTempFolder();
  const authToken = "test-token";
  const server = await startLibsqlServer({ file: folder.file("schema.db"), authToken });
  const client = createClient({ url: server.url, authToken });
  const query: Query = async (text) => await client.execute(text).then(({ rows }) => rows);
  try {
    await migrateDatabase({ url: server.url, authToken });
    const tables: Tables = {};
    const rows = await query("SELECT name FROM sqlite_schema WHERE type = 'table'");
    for (const table of rows.map((row) => textOf(row["name"]))) {
      if (table !== MIGRATIONS_TABLE && !table.startsWith("sqlite_")) {
        const unique = await uniqueColumns(query, table);
        const columns = await query(`PRAGMA table_info("${table}")`);
        tables[table] = columns
          .map((row) => ({
            name: textOf(row["name"]),
            type: textOf(row["type"]),
            notNull: row["notnull"] === 1 || Number(row["pk"]) > 0,
            default:
              row["dflt_value"] === null ? null : textOf(row["dflt_value"]).replaceAll("'", ""),
            primaryKey: Number(row["pk"]),
            unique: unique.has(textOf(row["name"])),
          }))
          .sort(byName);
      }
    }
    return tables;
  } finally {
    client.close();
    await server.close();
  }
}

type Query = (sql: string) => Promise<readonly Record<string, unknown>[]>;

/** Columns with a unique index of their own; one over some rows only makes no column unique. */
async function uniqueColumns(query: Query, table: string): Promise<Set<string>> {
  const columns = new Set<string>();
  for (const index of await query(`PRAGMA index_list("${table}")`)) {
    if (index["unique"] === 1 && index["partial"] === 0 && index["origin"] !== "pk") {
      const [first, ...others] = await query(`PRAGMA index_info("${textOf(index["name"])}")`);
      if (first !== undefined && others.length === 0) {
        columns.add(String(first["name"]));
      }
    }
  }
  return columns;
}

/** As SQLite keeps it: a boolean is a number. */
function defaultOf(value: unknown): string {
  return String(typeof value === "boolean" ? Number(value) : value);
}

/** A catalogue's value that is text. */
function textOf(value: unknown): string {
  if (typeof value !== "string") {
    throw new TypeError("SQLite's catalogue has text here");
  }
  return value;
}

function byName(left: Column, right: Column): number {
  return left.name < right.name ? -1 : 1;
}

/** The migration runner's own. */
const MIGRATIONS_TABLE = "schema_migrations";

const SCHEMA = {
  ...access,
  ...audit,
  ...consoles,
  ...denials,
  ...idempotency,
  ...keys,
  ...people,
  ...policies,
  ...relays,
  ...sessions,
  ...shares,
  ...sites,
  ...webhooks,
};
