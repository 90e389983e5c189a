/**
 * Rows for every table of a migrated database, at whatever version its schema is: what a column holds
 * is made up from its name, and said here only where the schema asks for more. Two rows a table at
 * least, such that each column has a value in one of them.
 */
import type { Client, InValue } from "@libsql/client/web";

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  /** Its place in the primary key, from 1; 0 outside. */
  readonly primaryKey: number;
}

export type Row = Readonly<Record<string, InValue>>;

/** Fills every table that no trigger fills. Gives the names of the tables that it filled. */
export async function fillTables(client: Client): Promise<string[]> {
  const tables = await tablesOf(client);
  const filled = tables.filter((table) => !FILLED_BY_TRIGGERS.has(table));
  const rows = new Map<string, Row[]>();
  const parents = new Map<string, Set<string>>();
  for (const table of filled) {
    parents.set(table, await parentsOf(client, table));
  }
  for (const table of parentsFirst(parents)) {
    const columns = await columnsOf(client, table);
    const keys = await client.execute(`PRAGMA foreign_key_list("${table}")`);
    const references = new Map(
      keys.rows.map((row) => [textOf(row["from"]), [textOf(row["table"]), textOf(row["to"])]]),
    );
    const made = (EXAMPLES[table] ?? [{}, {}]).map((example, index) =>
      makeRow({ table, columns, example, index }, (column) => {
        const [parent, key] = references.get(column) ?? [];
        const parentRows = parent === undefined ? undefined : rows.get(parent);
        return parentRows?.[index % parentRows.length]?.[key ?? ""];
      }),
    );
    for (const row of made) {
      const names = Object.keys(row);
      await client.execute({
        sql: `INSERT INTO "${table}" (${names.map((name) => `"${name}"`).join(", ")})
          VALUES (${names.map(() => "?").join(", ")})`,
        args: Object.values(row),
      });
    }
    rows.set(table, made);
  }
  return filled;
}

/** Names of the schema's own tables. */
export async function tablesOf(client: Client): Promise<string[]> {
  const { rows } = await client.execute(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
       AND name <> 'schema_migrations' ORDER BY name`,
  );
  return rows.map((row) => textOf(row["name"]));
}

export async function columnsOf(client: Client, table: string): Promise<TableColumn[]> {
  const { rows } = await client.execute(`PRAGMA table_info("${table}")`);
  return rows.map((row) => ({
    name: textOf(row["name"]),
    type: textOf(row["type"]),
    notNull: row["notnull"] === 1 || Number(row["pk"]) > 0,
    primaryKey: Number(row["pk"]),
  }));
}

async function parentsOf(client: Client, table: string): Promise<Set<string>> {
  const { rows } = await client.execute(`PRAGMA foreign_key_list("${table}")`);
  return new Set(rows.map((row) => textOf(row["table"])).filter((parent) => parent !== table));
}

/** A name as SQLite tells it. @throws {Error} for anything else: the PRAGMA is another one then. */
function textOf(value: unknown): string {
  if (typeof value !== "string") {
    throw new Error("Expected a name in the database's description of its schema.");
  }
  return value;
}

function parentsFirst(parents: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const ordered: string[] = [];
  const visit = (table: string): void => {
    if (!ordered.includes(table)) {
      for (const parent of parents.get(table) ?? []) {
        visit(parent);
      }
      ordered.push(table);
    }
  };
  for (const table of parents.keys()) {
    visit(table);
  }
  return ordered;
}

/** The columns that this version has, each with a value; a number is its place, a text its name. */
function makeRow(
  wanted: {
    readonly table: string;
    readonly columns: readonly TableColumn[];
    readonly example: Row;
    readonly index: number;
  },
  referenceOf: (column: string) => InValue | undefined,
): Row {
  const { table, columns, example, index } = wanted;
  const row: Record<string, InValue> = {};
  for (const [place, { name, type }] of columns.entries()) {
    const madeUp =
      type === "INTEGER" ? 1_000 * (index + 1) + place : `${table}.${name}.${index + 1}`;
    row[name] = name in example ? (example[name] ?? null) : (referenceOf(name) ?? madeUp);
  }
  return row;
}

/** Written by triggers alone. */
const FILLED_BY_TRIGGERS = new Set(["access_scope_consoles", "session_changes"]);

/** What checks ask for; `null` where a column excludes another one. */
const EXAMPLES: Readonly<Record<string, readonly Row[]>> = {
  access_rules: [
    { subject_kind: "user", subject_id: "users.id.1", scope_id: null, level: 2 },
    { subject_kind: "everyone", subject_id: "everyone", console_id: null, level: 1 },
  ],
  access_scopes: [
    { tag: "", project: "", source_id: "", name_glob: "*" },
    { tag: "none", project: "p", source_id: "s", name_glob: "n*" },
  ],
  // The second is not deleted, so its tags and rules stay.
  consoles: [{ deleted_at_ms: null }, { port: null, deleted_at_ms: null }, {}],
  console_tags: [{ name: "consoles.name.1" }, { name: "consoles.name.2" }],
  denials: [{ subject: "user" }, { subject: "console" }],
  idempotency_keys: [{ state: "done" }, { state: "running", sealed_answer: null }],
  policy_attachments: [
    { kind: "everyone", subject_id: "everyone" },
    { kind: "console", subject_id: "consoles.id.1" },
  ],
  relays: [
    { state: "online", draining: 1, drain_ordered: 1, is_full: 1 },
    { state: "offline", draining: 0, drain_ordered: 0, is_full: 0 },
  ],
  sessions: [
    { state: "active", second_viewer: "take-over" },
    { state: "ended", second_viewer: "refuse" },
  ],
  shares: [
    { uses_max: 3, uses_left: 2 },
    { uses_max: 1, uses_left: 0 },
  ],
  signing_keys: [
    { state: "active", verifies_until_ms: null },
    { state: "retired", sealed_private_key: null },
  ],
  site_fallbacks: [{ fallback_site_id: "sites.id.2" }, { fallback_site_id: "sites.id.1" }],
  sources: [{ kind: "static" }, { kind: "static" }],
  tickets: [{ way: "tls" }, { way: "connect" }],
  webhook_deliveries: [{ state: "retrying" }, { state: "dead" }],
  webhooks: [{ enabled: 1 }, { enabled: 0 }],
  users: [
    { role: "admin", disabled_at_ms: null, deleted_at_ms: null, origin: "local" },
    { role: "user" },
  ],
};
