/**
 * One client's stream: a connection (taken when the first statement needs it), the transaction that
 * may be open on it, the write lock it may hold, and the texts it stored. Whoever makes a stream
 * closes it; closing rolls back. Statements of one stream run one after the other.
 */
import {
  BUSY_RETRY_MS,
  BUSY_WAIT_MS_MAX,
  STORED_SQL_CHARACTERS_MAX,
  STORED_SQL_COUNT_MAX,
} from "./limits.ts";
import { isBusy, isWorthRetrying, SqlFailure } from "./sql-failure.ts";
import { waitFor } from "./timers.ts";

import type { Column, Connection, StatementOutcome } from "./connection.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import type { SqlValue } from "./hrana-value.ts";
import type { SqlStatement } from "./sql-text.ts";
import type { Timers } from "./timers.ts";
import type { WriteLock } from "./write-lock.ts";

export interface StreamPorts {
  readonly pool: ConnectionPool;
  readonly writeLock: WriteLock;
  readonly timers: Timers;
}

export interface StatementCall {
  readonly statement: SqlStatement;
  readonly values: readonly SqlValue[];
  /** Called for each row. A statement meets a lock before its first row, so none comes twice. */
  readonly onRow: (row: readonly SqlValue[]) => void;
  /** Aborted when the client is gone or the server closes; its reason is thrown. */
  readonly signal: AbortSignal;
}

export class Stream {
  readonly #ports: StreamPorts;
  readonly #storedSql = new Map<number, string>();
  #connection: Connection | null = null;
  #holdsWriteLock = false;

  constructor(ports: StreamPorts) {
    this.#ports = ports;
  }

  get isAutocommit(): boolean {
    return this.#connection === null || !this.#connection.inTransaction;
  }

  /** @throws {SqlFailure} with SQLite's code, or SQLITE_BUSY when a deadline passed. */
  async run(call: StatementCall): Promise<StatementOutcome> {
    if (call.statement.mayWrite && !this.#holdsWriteLock) {
      await this.#ports.writeLock.acquire(call.signal);
      this.#holdsWriteLock = true;
    }
    try {
      return await this.#runUntilFree(call);
    } finally {
      this.#settle();
    }
  }

  /** The columns of a statement, without running it. */
  describe(statement: SqlStatement): readonly Column[] {
    try {
      return this.#usedConnection().prepare(statement).columns;
    } finally {
      this.#settle();
    }
  }

  /** @throws {SqlFailure} when the id is taken or the stream stores too much. */
  storeSql(id: number, sql: string): void {
    if (this.#storedSql.has(id)) {
      throw new SqlFailure("SQL_ID_TAKEN", `a text is stored under ${id} already`);
    }
    const characters = [...this.#storedSql.values()].reduce((sum, text) => sum + text.length, 0);
    const isTooMuch = characters + sql.length > STORED_SQL_CHARACTERS_MAX;
    if (isTooMuch || this.#storedSql.size >= STORED_SQL_COUNT_MAX) {
      throw new SqlFailure("SQL_STORE_FULL", "the stream stores too many texts");
    }
    this.#storedSql.set(id, sql);
  }

  forgetSql(id: number): void {
    this.#storedSql.delete(id);
  }

  storedSql(id: number): string | undefined {
    return this.#storedSql.get(id);
  }

  /** Rolls back, gives the connection back and lets the next writer in. May be called again. */
  close(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#storedSql.clear();
    if (connection !== null) {
      this.#ports.pool.giveBack(connection);
    }
    this.#releaseWriteLock();
  }

  async #runUntilFree(call: StatementCall): Promise<StatementOutcome> {
    const connection = this.#usedConnection();
    refuseWhenStuck(connection, call.statement);
    const prepared = connection.prepare(call.statement);
    const giveUpAtMs = this.#ports.timers.nowMs() + BUSY_WAIT_MS_MAX;
    for (;;) {
      try {
        return prepared.run(call.values, call.onRow);
      } catch (error) {
        await this.#waitForOtherProcess(connection, error, giveUpAtMs, call.signal);
      }
    }
  }

  /**
   * The in-process lock is ours already, so a busy file means another process, or a snapshot that
   * is out of date. The same prepared statement has to be tried again: only finishing it frees it.
   */
  async #waitForOtherProcess(
    connection: Connection,
    error: unknown,
    giveUpAtMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    if (!isBusy(error)) {
      throw error;
    }
    const { timers } = this.#ports;
    if (!isWorthRetrying(error) || timers.nowMs() >= giveUpAtMs) {
      connection.abandonStatement();
      throw error;
    }
    try {
      await waitFor(timers, BUSY_RETRY_MS, signal);
    } catch (reason) {
      connection.abandonStatement();
      throw reason;
    }
  }

  #usedConnection(): Connection {
    this.#connection ??= this.#ports.pool.take();
    return this.#connection;
  }

  /** After each statement: outside a transaction nothing may be kept from the other streams. */
  #settle(): void {
    if (!this.isAutocommit) {
      return;
    }
    if (this.#connection?.isStuck === true) {
      this.#ports.pool.giveBack(this.#connection);
      this.#connection = null;
    }
    this.#releaseWriteLock();
  }

  #releaseWriteLock(): void {
    if (this.#holdsWriteLock) {
      this.#holdsWriteLock = false;
      this.#ports.writeLock.release();
    }
  }
}

function refuseWhenStuck(connection: Connection, statement: SqlStatement): void {
  if (connection.isStuck && statement.firstWord !== "ROLLBACK") {
    throw new SqlFailure(
      "SQLITE_BUSY",
      "the transaction lost the race for the write lock: roll it back and start again",
    );
  }
}
