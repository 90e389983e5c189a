/** Who may see and open which console. What keeps these tables in step is in the migration. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { SUBJECT_KINDS } from "../../identity/access-level.ts";

/** Which consoles a rule matches, when it is not about a single one; an empty text matches all. */
export const accessScopes = sqliteTable("access_scopes", {
  id: integer().primaryKey(),
  tag: text().notNull(),
  project: text().notNull(),
  sourceId: text("source_id").notNull(),
  /** A pattern of SQLite's GLOB. */
  nameGlob: text("name_glob").notNull(),
});

/** The consoles that a scope matches, in the order of lists. Written by triggers alone. */
export const accessScopeConsoles = sqliteTable(
  "access_scope_consoles",
  {
    scopeId: integer("scope_id").notNull(),
    name: text().notNull(),
    consoleId: text("console_id").notNull(),
  },
  (table) => [primaryKey({ columns: [table.scopeId, table.name, table.consoleId] })],
);

/** Either about one console or about a scope. */
export const accessRules = sqliteTable("access_rules", {
  id: text().primaryKey(),
  subjectKind: text("subject_kind", { enum: SUBJECT_KINDS }).notNull(),
  /** The user's or the group's id, or `everyone`. */
  subjectId: text("subject_id").notNull(),
  consoleId: text("console_id"),
  scopeId: integer("scope_id"),
  /** The level's rank: a higher one permits more. */
  level: integer().notNull(),
  createdAtMs: integer("created_at_ms").notNull(),
});
