/**
 * A limiter's own SQLite: a row for each key that has something to remember. Bounded: expired rows
 * are swept, and when there are too many at once those go first that would expire first.
 */
import { EMPTY_ENTRY, expiryOf, type LimitEntry } from "./limit-rules.ts";

export class LimitStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS limits (key TEXT PRIMARY KEY, full_at_ms INTEGER NOT NULL, " +
        "told_until_ms INTEGER NOT NULL, known_until_ms INTEGER NOT NULL, " +
        "expires_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    );
    sql.exec("CREATE INDEX IF NOT EXISTS limits_by_expiry ON limits (expires_at_ms)");
  }

  read(key: string): LimitEntry {
    const [row] = this.#sql
      .exec<Row>("SELECT full_at_ms, told_until_ms, known_until_ms FROM limits WHERE key = ?", key)
      .toArray();
    return row === undefined
      ? EMPTY_ENTRY
      : {
          fullAtMs: row.full_at_ms,
          toldUntilMs: row.told_until_ms,
          knownUntilMs: row.known_until_ms,
        };
  }

  /** Keeps the entry, or nothing where it says nothing any more. */
  write(key: string, entry: LimitEntry, nowMs: number): void {
    if (expiryOf(entry) <= nowMs) {
      this.#sql.exec("DELETE FROM limits WHERE key = ?", key);
      return;
    }
    this.#sql.exec(
      "INSERT OR REPLACE INTO limits " +
        "(key, full_at_ms, told_until_ms, known_until_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?)",
      key,
      entry.fullAtMs,
      entry.toldUntilMs,
      entry.knownUntilMs,
      expiryOf(entry),
    );
  }

  /** Removes what says nothing any more, and what is too much. Gives how many rows are left. */
  sweep(nowMs: number, rowsMax: number): number {
    this.#sql.exec("DELETE FROM limits WHERE expires_at_ms <= ?", nowMs);
    const count = this.#count();
    if (count <= rowsMax) {
      return count;
    }
    this.#sql.exec(
      "DELETE FROM limits WHERE key IN (SELECT key FROM limits ORDER BY expires_at_ms LIMIT ?)",
      count - rowsMax,
    );
    return rowsMax;
  }

  #count(): number {
    return this.#sql.exec<{ rows: number }>("SELECT count(*) AS rows FROM limits").one().rows;
  }
}

type Row = Record<"full_at_ms" | "told_until_ms" | "known_until_ms", number>;
