/**
 * Moves a database's schema up and down along a folder of numbered migrations. Each step and its
 * row of bookkeeping are one transaction, so a step that fails leaves nothing. Foreign keys are
 * unchecked during a step, as rebuilding a table needs, and checked as a whole before it commits.
 */
import { fail, ok } from "#shared/base/result.ts";

import { compareHistory } from "./compare-history.ts";
import { readMigrations } from "./read-migrations.ts";

import type { AppliedMigration } from "./compare-history.ts";
import type { MigrationError } from "./migration-error.ts";
import type { Migration } from "./read-migrations.ts";
import type { Result } from "#shared/base/result.ts";
import type { Client, InStatement, Row } from "@libsql/client/web";

export interface MigrateUpOptions {
  /** The last migration to apply, by tag or number (`0003`); without it, all of them. */
  readonly to?: string;
  /** The time that is written beside each applied migration, in ISO 8601. */
  readonly nowIso: string;
}

export interface MigrateDownOptions {
  /** How many migrations are taken back, the last one first. */
  readonly steps: number;
}

export interface MigrationState {
  readonly tag: string;
  /** When it was applied; null when it is not. */
  readonly appliedAt: string | null;
}

/** Applies what is missing. Returns the tags that were applied now, in order. */
export async function migrateUp(
  client: Client,
  folder: string,
  options: MigrateUpOptions,
): Promise<Result<readonly string[], MigrationError>> {
  const state = await readState(client, folder);
  if (!state.ok) {
    return state;
  }
  const { migrations, appliedCount } = state.value;
  const endIndex = indexOfTarget(migrations, options.to);
  if (endIndex === null) {
    const message = `There is no migration ${options.to}.`;
    return fail({ kind: "argument-invalid", message });
  }
  if (endIndex + 1 < appliedCount) {
    const message = `${migrations[endIndex]?.tag} is applied already, and later ones too.`;
    return fail({ kind: "argument-invalid", message });
  }
  const pending = migrations.slice(appliedCount, endIndex + 1);
  return runSteps(client, pending, (migration) => [
    CREATE_TABLE,
    {
      sql: "INSERT INTO schema_migrations (tag, sha256, applied_at) VALUES (?, ?, ?)",
      args: [migration.tag, migration.sha256, options.nowIso],
    },
    ...migration.upStatements,
  ]);
}

/** Takes migrations back. Returns their tags in the order in which they were taken back. */
export async function migrateDown(
  client: Client,
  folder: string,
  options: MigrateDownOptions,
): Promise<Result<readonly string[], MigrationError>> {
  const state = await readState(client, folder);
  if (!state.ok) {
    return state;
  }
  const { migrations, appliedCount } = state.value;
  const { steps } = options;
  if (!Number.isSafeInteger(steps) || steps < 1 || steps > appliedCount) {
    const message = `Cannot take ${steps} back: applied are ${appliedCount}.`;
    return fail({ kind: "argument-invalid", message });
  }
  const leaving = migrations.slice(appliedCount - steps, appliedCount).reverse();
  return runSteps(client, leaving, ({ tag, downStatements }) => [
    refuseWhen("NOT EXISTS (SELECT 1 FROM schema_migrations WHERE tag = ?)", [tag]),
    { sql: "DELETE FROM schema_migrations WHERE tag = ?", args: [tag] },
    ...downStatements,
  ]);
}

/** Every migration of the folder, in order, with what the database says of it. */
export async function migrationStatus(
  client: Client,
  folder: string,
): Promise<Result<readonly MigrationState[], MigrationError>> {
  const state = await readState(client, folder);
  if (!state.ok) {
    return state;
  }
  const { migrations, applied } = state.value;
  return ok(
    migrations.map(({ tag }, index) => ({ tag, appliedAt: applied[index]?.appliedAt ?? null })),
  );
}

interface State {
  readonly migrations: readonly Migration[];
  readonly applied: readonly AppliedMigration[];
  readonly appliedCount: number;
}

async function readState(client: Client, folder: string): Promise<Result<State, MigrationError>> {
  const migrations = await readMigrations(folder);
  if (!migrations.ok) {
    return migrations;
  }
  let applied: readonly AppliedMigration[];
  try {
    applied = await readApplied(client);
  } catch (error) {
    return fail({ kind: "database-failed", message: databaseSentence(error) });
  }
  const appliedCount = compareHistory(migrations.value, applied);
  return appliedCount.ok
    ? ok({ migrations: migrations.value, applied, appliedCount: appliedCount.value })
    : appliedCount;
}

/** Creates nothing: asking for the status of a new database leaves it new. */
async function readApplied(client: Client): Promise<readonly AppliedMigration[]> {
  const table = await client.execute(
    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
  );
  if (table.rows.length === 0) {
    return [];
  }
  const { rows } = await client.execute(
    "SELECT tag, sha256, applied_at FROM schema_migrations ORDER BY tag",
  );
  return rows.map((row) => ({
    tag: textOf(row, "tag"),
    sha256: textOf(row, "sha256"),
    appliedAt: textOf(row, "applied_at"),
  }));
}

/** Empty for a row that is not ours; it is then refused as one that the folder does not know. */
function textOf(row: Row, column: string): string {
  const value = row[column];
  return typeof value === "string" ? value : "";
}

async function runSteps(
  client: Client,
  migrations: readonly Migration[],
  statementsOf: (migration: Migration) => InStatement[],
): Promise<Result<readonly string[], MigrationError>> {
  const done: string[] = [];
  for (const migration of migrations) {
    try {
      await client.migrate([...statementsOf(migration), REFUSE_BROKEN_REFERENCES]);
    } catch (error) {
      const before = done.length === 0 ? "" : ` Done before it: ${done.join(", ")}.`;
      const message = `${migration.tag}: ${databaseSentence(error)} It left nothing.${before}`;
      return fail({ kind: "step-failed", message });
    }
    done.push(migration.tag);
  }
  return ok(done);
}

/** The index of the last migration to apply; null when no migration has that name. */
function indexOfTarget(migrations: readonly Migration[], target?: string): number | null {
  if (target === undefined) {
    return migrations.length - 1;
  }
  const index = migrations.findIndex(({ tag }) => tag === target || tag.startsWith(`${target}_`));
  return index === -1 ? null : index;
}

/**
 * A statement that fails, and so rolls its transaction back, when `condition` holds: SQLite has no
 * assertion outside triggers, but `sha256` refuses NULL.
 */
function refuseWhen(condition: string, args: string[] = []): InStatement {
  const row = "SELECT 'refused', NULL, ''";
  const sql = `INSERT INTO schema_migrations (tag, sha256, applied_at) ${row} WHERE ${condition}`;
  return { sql, args };
}

function databaseSentence(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reason = error instanceof Error ? error.message : String(error);
  if (code.startsWith("SQLITE_BUSY")) {
    return "another program is writing to the database, and did not finish in time.";
  }
  if (code === "" && error instanceof TypeError) {
    const cause = error.cause instanceof Error ? error.cause.message : reason;
    return `the database cannot be reached: ${cause}.`;
  }
  if (reason.includes("NOT NULL constraint failed: schema_migrations.sha256")) {
    return "foreign keys would point to rows that are gone, or another program migrates too.";
  }
  if (reason.includes("UNIQUE constraint failed: schema_migrations.tag")) {
    return "another program applied it at the same time.";
  }
  return `${reason}.`;
}

const CREATE_TABLE =
  "CREATE TABLE IF NOT EXISTS schema_migrations (" +
  "tag TEXT PRIMARY KEY, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL)";

const REFUSE_BROKEN_REFERENCES = refuseWhen("EXISTS (SELECT 1 FROM pragma_foreign_key_check)");
