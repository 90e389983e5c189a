/**
 * Compares what a database says was applied with what the folder holds. Pure. The one acceptable
 * state is that the applied migrations are the first ones of the folder, unchanged.
 */
import { fail, ok } from "#shared/base/result.ts";

import type { MigrationError } from "./migration-error.ts";
import type { Migration } from "./read-migrations.ts";
import type { Result } from "#shared/base/result.ts";

/** A row of `schema_migrations`. */
export interface AppliedMigration {
  readonly tag: string;
  readonly sha256: string;
  /** ISO 8601. */
  readonly appliedAt: string;
}

/** How many of `migrations` are applied. `applied` is sorted by tag. */
export function compareHistory(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
): Result<number, MigrationError> {
  const byTag = new Map(migrations.map((migration) => [migration.tag, migration]));
  for (const { tag, sha256 } of applied) {
    const migration = byTag.get(tag);
    if (migration === undefined) {
      return conflict(
        `The database has ${tag}, which this version does not know: it is older than the database.`,
      );
    }
    if (migration.sha256 !== sha256) {
      return conflict(
        `${tag}.sql was changed after it was applied. Write a new migration instead.`,
      );
    }
  }
  for (const [index, { tag }] of applied.entries()) {
    const expected = migrations[index]?.tag ?? "";
    if (tag !== expected) {
      return conflict(`The database has ${tag} but not ${expected}, which comes before it.`);
    }
  }
  return ok(applied.length);
}

function conflict(message: string): Result<never, MigrationError> {
  return fail({ kind: "history-conflict", message });
}
