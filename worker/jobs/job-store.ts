/** The clock's own SQLite: what became of each job's last run. */
import type { JobRun } from "./job-rules.ts";

export class JobStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(
      `CREATE TABLE IF NOT EXISTS job_runs (
        name TEXT PRIMARY KEY,
        started_at_ms INTEGER NOT NULL,
        duration_ms INTEGER,
        succeeded_at_ms INTEGER,
        error TEXT,
        again INTEGER NOT NULL
      ) STRICT`,
    );
  }

  load(): Map<string, JobRun> {
    const rows = this.#sql.exec<StoredRun>("SELECT * FROM job_runs").toArray();
    return new Map(
      rows.map((row) => [
        row.name,
        {
          startedAtMs: row.started_at_ms,
          durationMs: row.duration_ms,
          succeededAtMs: row.succeeded_at_ms,
          error: row.error,
          again: row.again === 1,
        },
      ]),
    );
  }

  save(name: string, run: JobRun): void {
    const { startedAtMs, durationMs, succeededAtMs, error, again } = run;
    this.#sql.exec(
      "INSERT OR REPLACE INTO job_runs VALUES (?, ?, ?, ?, ?, ?)",
      ...[name, startedAtMs, durationMs, succeededAtMs, error, again ? 1 : 0],
    );
  }
}

interface StoredRun extends Record<string, SqlStorageValue> {
  readonly name: string;
  readonly started_at_ms: number;
  readonly duration_ms: number | null;
  readonly succeeded_at_ms: number | null;
  readonly error: string | null;
  readonly again: number;
}
