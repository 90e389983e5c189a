/**
 * Writes docs/storage-schema.md from the migrations, the schema's declarations and the texts beside
 * them; a test compares the two.
 *
 *     node test/runner/storage-page.ts
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSchema, type StoredColumn, type StoredTable } from "./storage-page/read-schema.ts";
import { LIVES, MEANINGS, OBJECT_TABLES } from "./storage-page/texts.ts";

/** The page's whole text. @throws {Error} that names what nobody has described. */
export async function renderStoragePage(): Promise<string> {
  const tables = await readSchema();
  const columns = tables.flatMap(({ name, columns: own }) =>
    own.map((column) => ({ table: name, column: column.name })),
  );
  const named = (pattern: RegExp): string =>
    columns
      .filter(({ column }) => pattern.test(column))
      .map(({ table, column }) => `\`${table}.${column}\``)
      .join(", ");
  return [
    ...INTRODUCTION,
    `- **Hashed**, so that what is stored is no credential: ${named(/_hash$/)}.`,
    `- **Sealed** with the control plane's secrets key: ${named(/^sealed_/)}.`,
    "- **Sealed for one relay**: the hypervisor's password inside `tickets.grant_jws`.",
    "",
    "## The database",
    "",
    ...tables.flatMap(tableLines),
    "## Durable Objects",
    "",
    ...OBJECT_TABLES.flatMap(({ object, table, life, columns: own }) => [
      `### ${table} (${object})`,
      "",
      life,
      "",
      "| column | meaning |",
      "| --- | --- |",
      ...own.map(([name, meaning]) => `| ${name} | ${meaning} |`),
      "",
    ]),
  ].join("\n");
}

function tableLines({ name, columns, indexes, triggers }: StoredTable): string[] {
  const life = LIVES[name];
  if (life === undefined) {
    throw new Error(`Say in test/runner/storage-page/texts.ts who writes ${name} and who removes.`);
  }
  const list = (title: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [`${title}:`, "", ...items.map((item) => `- ${item}`), ""];
  return [
    `### ${name}`,
    "",
    life,
    "",
    "| column | type | null | default | meaning |",
    "| --- | --- | --- | --- | --- |",
    ...columns.map((column) => columnLine(name, column)),
    "",
    ...list("Indexes", indexes.map(indexText)),
    ...list("Triggers", triggers.map(triggerText)),
  ];
}

function columnLine(table: string, column: StoredColumn): string {
  const { name, type, mayBeNull, isKey, pointsTo, values, doc } = column;
  const meaning = doc || MEANINGS[`${table}.${name}`] || MEANINGS[name];
  if (meaning === undefined) {
    throw new Error(`Say what ${table}.${name} means, in its declaration or in texts.ts.`);
  }
  const facts = [
    ...(isKey ? ["Key."] : []),
    ...(values.length > 0 ? [`One of ${values.map((value) => `\`${value}\``).join(", ")}.`] : []),
    ...(pointsTo === null ? [] : [`→ \`${pointsTo}\`.`]),
  ];
  const sentence = /[.…]$/.test(meaning) ? meaning : `${meaning}.`;
  const cells = [
    `\`${name}\``,
    type,
    mayBeNull ? "yes" : "",
    column.default === null ? "" : `\`${column.default}\``,
    [sentence, ...facts].join(" ").replaceAll("|", "\\|"),
  ];
  return `| ${cells.join(" | ")} |`;
}

/** What is indexed, and of which rows. */
function indexText(sql: string): string {
  const [, unique = "", name = "", rest = ""] =
    /^CREATE (UNIQUE )?INDEX (\w+) ON \w+ (.*)$/.exec(sql) ?? [];
  return `\`${name}\`: \`${rest}\`${unique === "" ? "" : ", unique"}`;
}

/** When a trigger acts; what it does is in the migrations. */
function triggerText(sql: string): string {
  const [, name = "", when = ""] = /^CREATE TRIGGER (\w+) (.*?) BEGIN/.exec(sql) ?? [];
  return `\`${name}\`: \`${when}\``;
}

const INTRODUCTION = [
  "# What is stored",
  "",
  "Every table that Kerbside keeps: those of the control plane's database, and those of its Durable",
  "Objects. Times end in `_at_ms` and are milliseconds since 1970; JSON is text. `npm run db` moves the",
  "database's schema up and down; the objects make their tables themselves.",
  "",
  "Made from `migrations/`, `worker/repositories/schema/` and `test/runner/storage-page/texts.ts` by",
  "`npm run docs:schema`.",
  "",
];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  writeFileSync(join(root, "docs", "storage-schema.md"), await renderStoragePage());
}
