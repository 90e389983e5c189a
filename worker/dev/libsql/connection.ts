/**
 * One connection to the database file. It turns the native library's habits into one call that
 * either completes a statement or throws a SqlFailure, and it remembers when it must not be used
 * again. It never waits: the native wait would block the event loop that has to deliver the other
 * side's COMMIT.
 */
import Database from "libsql";

import { assert } from "#shared/base/assert.ts";

import { sqlFailureFrom } from "./sql-failure.ts";

import type { SqlValue } from "./hrana-value.ts";
import type { SqlStatement } from "./sql-text.ts";

export interface Column {
  readonly name: string;
  readonly decltype: string | null;
}

export interface StatementOutcome {
  readonly columns: readonly Column[];
  readonly affectedRowCount: number;
  readonly lastInsertRowid: bigint | null;
}

/** A statement that can be tried again until nobody else has the lock. */
export interface PreparedStatement {
  readonly columns: readonly Column[];
  /**
   * Runs to the end and hands each row on. @throws {SqlFailure} also when `onRow` throws one, but
   * only after the last row: a statement left half-way would block every later COMMIT.
   */
  run(values: readonly SqlValue[], onRow: (row: readonly SqlValue[]) => void): StatementOutcome;
}

/** Opens the file. @throws what the native library throws when it cannot. */
export function openConnection(file: string): Connection {
  const database = new Database(file);
  database.defaultSafeIntegers(true);
  database.exec("PRAGMA busy_timeout = 0");
  return new Connection(database);
}

export class Connection {
  readonly #database: Database.Database;
  #isStuck = false;

  constructor(database: Database.Database) {
    this.#database = database;
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  /**
   * Whether a statement was given up while the lock was away. The native library keeps such a
   * statement open until it is collected as garbage: it pins an old snapshot, and every COMMIT
   * fails. Only ROLLBACK and close() make sense then (libsql-js, "SQL statements in progress").
   */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** Says that a statement which met the lock will not be tried again. */
  abandonStatement(): void {
    this.#isStuck = true;
  }

  /** @throws {SqlFailure} when SQLite does not understand the statement. */
  prepare(statement: SqlStatement): PreparedStatement {
    const native = translated(() => this.#database.prepare(statement.text));
    // Why the branch: run() stops a statement that returns rows after the first of them.
    if (!native.reader) {
      return { columns: [], run: (values) => this.#runWithoutRows(native, values) };
    }
    const columns = native.columns().map(({ name, type }) => ({ name, decltype: type }));
    return {
      columns,
      run: (values, onRow) => {
        readRows(native, values, onRow);
        return { columns, ...this.#changesOf(statement) };
      },
    };
  }

  /** Runs a fixed text of ours that returns no rows; it is never left half-way. */
  exec(sql: string): void {
    translated(() => this.#database.exec(sql));
  }

  /** The rows of a fixed text of ours. */
  readAll(sql: string): readonly (readonly SqlValue[])[] {
    const rows: (readonly SqlValue[])[] = [];
    readRows(
      translated(() => this.#database.prepare(sql)),
      [],
      (row) => rows.push(row),
    );
    return rows;
  }

  /** Rolls an open transaction back and closes. */
  close(): void {
    if (!this.#database.open) {
      return;
    }
    this.rollBack();
    this.#database.close();
  }

  /** Ends an open transaction without keeping anything of it; harmless outside of one. */
  rollBack(): void {
    if (this.#database.inTransaction) {
      this.#database.exec("ROLLBACK");
    }
  }

  #runWithoutRows(native: Database.Statement, values: readonly SqlValue[]): StatementOutcome {
    const { changes, lastInsertRowid } = translated(() => native.run([...values]));
    const rowid =
      typeof lastInsertRowid === "bigint" || Number.isSafeInteger(lastInsertRowid)
        ? BigInt(lastInsertRowid)
        : this.#lastChange().lastInsertRowid;
    return { columns: [], affectedRowCount: changes, lastInsertRowid: rowid };
  }

  /** SQLite keeps the counters of the last change, so a statement that only reads has none. */
  #changesOf(statement: SqlStatement): Omit<StatementOutcome, "columns"> {
    return statement.mayWrite ? this.#lastChange() : { affectedRowCount: 0, lastInsertRowid: null };
  }

  #lastChange(): { affectedRowCount: number; lastInsertRowid: bigint } {
    const [changes, rowid] = this.readAll("SELECT changes(), last_insert_rowid()")[0] ?? [];
    assert(typeof changes === "bigint" && typeof rowid === "bigint", "SQLite counts in integers");
    return { affectedRowCount: Number(changes), lastInsertRowid: rowid };
  }
}

function readRows(
  native: Database.Statement,
  values: readonly SqlValue[],
  onRow: (row: readonly SqlValue[]) => void,
): void {
  const failures: Error[] = [];
  translated(() => {
    for (const row of native.raw(true).iterate([...values])) {
      if (failures.length > 0) {
        continue;
      }
      try {
        onRow(row as readonly SqlValue[]);
      } catch (error) {
        failures.push(error instanceof Error ? error : new Error(String(error)));
      }
    }
  });
  const [failure] = failures;
  if (failure !== undefined) {
    throw failure;
  }
}

function translated<Value>(action: () => Value): Value {
  try {
    return action();
  } catch (error) {
    throw sqlFailureFrom(error);
  }
}
