/**
 * Connections to one database file, kept for reuse. A connection that comes back is cleaned or
 * closed, so that no stream sees what another left behind. It does not bound how many are out: the
 * stream store does.
 */
import { openConnection } from "./connection.ts";
import { IDLE_CONNECTION_COUNT_MAX } from "./limits.ts";

import type { Connection } from "./connection.ts";

export class ConnectionPool {
  readonly #file: string;
  readonly #idle: Connection[] = [];
  #isClosed = false;

  constructor(file: string) {
    this.#file = file;
  }

  take(): Connection {
    const kept = this.#idle.pop();
    if (kept !== undefined) {
      return kept;
    }
    const connection = openConnection(this.#file);
    connection.exec("PRAGMA foreign_keys = ON");
    return connection;
  }

  giveBack(connection: Connection): void {
    connection.rollBack();
    const isFull = this.#idle.length >= IDLE_CONNECTION_COUNT_MAX;
    if (connection.isStuck || isFull || this.#isClosed) {
      connection.close();
      return;
    }
    // A migration turns the checks off and may have failed before it turned them on again.
    connection.exec("PRAGMA foreign_keys = ON");
    this.#idle.push(connection);
  }

  /** Closes what is kept, and from now on everything that comes back. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#idle.splice(0)) {
      connection.close();
    }
  }
}
