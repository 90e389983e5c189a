/** The database's schema as the migrations make it, with what the code's declarations say of it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { is } from "drizzle-orm";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import Database from "libsql";
import { writeMigratedDatabase } from "../../harness/database-template.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

export interface StoredColumn {
  readonly name: string;
  readonly type: string;
  readonly mayBeNull: boolean;
  readonly default: string | null;
  readonly isKey: boolean;
  /** The `table.column` that it points to; null: none. */
  readonly pointsTo: string | null;
  /** The only values, when the code knows them. */
  readonly values: readonly string[];
  /** What its declaration says; empty: nothing. */
  readonly doc: string;
}

export interface StoredTable {
  readonly name: string;
  readonly columns: readonly StoredColumn[];
  /** Each as the migration wrote it, from its name on. */
  readonly indexes: readonly string[];
  readonly triggers: readonly string[];
}

/** Every table of the newest version, by name. */
export async function readSchema(): Promise<StoredTable[]> {
  await using folder = await makeTempFolder();
  const file = folder.file("schema.db");
  await writeMigratedDatabase(file);
  const database = new Database(file);
  try {
    const values = await valuesOfColumns();
    const docs = docsOfColumns();
    return rowsOf(
      database,
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )
      .map((row) => readTable(database, textOf(row["name"]), { values, docs }))
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  } finally {
    database.close();
  }
}

interface Declarations {
  /** By `table.column`. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly docs: ReadonlyMap<string, string>;
}

function readTable(
  database: Database.Database,
  table: string,
  { values, docs }: Declarations,
): StoredTable {
  const references = new Map(
    rowsOf(database, `PRAGMA foreign_key_list("${table}")`).map((row) => [
      textOf(row["from"]),
      `${textOf(row["table"])}.${textOf(row["to"])}`,
    ]),
  );
  const columns = rowsOf(database, `PRAGMA table_info("${table}")`).map((row) => {
    const name = textOf(row["name"]);
    return {
      name,
      type: textOf(row["type"]).toLowerCase(),
      mayBeNull: row["notnull"] === 0 && row["pk"] === 0,
      default: row["dflt_value"] === null ? null : textOf(row["dflt_value"]),
      isKey: row["pk"] !== 0,
      pointsTo: references.get(name) ?? null,
      values: values.get(`${table}.${name}`) ?? [],
      doc: docs.get(`${table}.${name}`) ?? "",
    };
  });
  const written = (type: string): string[] =>
    rowsOf(
      database,
      `SELECT sql FROM sqlite_schema WHERE type = '${type}' AND tbl_name = '${table}'
         AND sql IS NOT NULL ORDER BY name`,
    ).map((row) => textOf(row["sql"]).replaceAll(/\s+/g, " "));
  return { name: table, columns, indexes: written("index"), triggers: written("trigger") };
}

/** The values of each column whose declaration lists them. */
async function valuesOfColumns(): Promise<Map<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const file of schemaFiles()) {
    const declared = (await import(file)) as Readonly<Record<string, unknown>>;
    const tables = Object.values(declared).filter((one) => is(one, SQLiteTable));
    for (const { name, columns } of tables.map((table) => getTableConfig(table))) {
      columns.forEach((column) => found.set(`${name}.${column.name}`, column.enumValues ?? []));
    }
  }
  return found;
}

/** The comment before each column's declaration. */
function docsOfColumns(): Map<string, string> {
  const docs = new Map<string, string>();
  for (const text of schemaFiles().map((file) => readFileSync(file, "utf8"))) {
    for (const body of text.split(/sqliteTable\(\s*/).slice(1)) {
      const table = /^"(\w+)"/.exec(body)?.[1] ?? "";
      const declaration =
        /(?:\/\*\*((?:(?!\*\/).)*)\*\/\s*)?^ +(\w+): (?:text|integer)\((?:"(\w+)")?/gms;
      for (const [, doc = "", property = "", column = property] of body.matchAll(declaration)) {
        docs.set(`${table}.${column}`, doc.replaceAll(/\s+\* ?/g, " ").trim());
      }
    }
  }
  return docs;
}

function schemaFiles(): string[] {
  const folder = fileURLToPath(new URL("../../../worker/repositories/schema", import.meta.url));
  return readdirSync(folder)
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => join(folder, name));
}

function rowsOf(database: Database.Database, sql: string): Readonly<Record<string, unknown>>[] {
  return database.prepare(sql).all() as Readonly<Record<string, unknown>>[];
}

/** A catalogue's value that is text. */
function textOf(value: unknown): string {
  if (typeof value !== "string") {
    throw new TypeError("SQLite's catalogue has text here");
  }
  return value;
}
