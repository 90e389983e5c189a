/**
 * Who may write, inside this process: one stream at a time, the others in the order they came.
 * SQLite has one writer per file; queueing here keeps it from answering SQLITE_BUSY and gives every
 * writer its turn. The queue is bounded and each wait has a deadline.
 */
import { assert } from "#shared/base/assert.ts";

import { WAITING_WRITER_COUNT_MAX, WRITER_WAIT_MS_MAX } from "./limits.ts";
import { SqlFailure } from "./sql-failure.ts";

import type { Timers } from "./timers.ts";

export class WriteLock {
  readonly #timers: Timers;
  readonly #waiting = new Set<() => void>();
  #isHeld = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Statements that wait now. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when the caller is the writer. @throws {SqlFailure} SQLITE_BUSY when too many wait or
   * the deadline passes; the signal's reason when it is aborted.
   */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isHeld) {
      this.#isHeld = true;
      return;
    }
    if (this.#waiting.size >= WAITING_WRITER_COUNT_MAX) {
      throw new SqlFailure("SQLITE_BUSY", "database is locked: too many writers wait already");
    }
    await this.#waitForTurn(signal);
  }

  /** Passes the lock to the writer that has waited longest. */
  release(): void {
    assert(this.#isHeld, "a write lock is released by its holder, once");
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#isHeld = false;
    } else {
      // The lock stays held: it changes hands without a moment in which a newcomer could take it.
      this.#waiting.delete(next);
      next();
    }
  }

  async #waitForTurn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (reason: unknown): void => {
      if (this.#waiting.delete(resolve)) {
        reject(reason);
      }
    };
    const onAbort = (): void => giveUp(signal.reason);
    const cancel = this.#timers.after(WRITER_WAIT_MS_MAX, () =>
      giveUp(new SqlFailure("SQLITE_BUSY", "database is locked: another transaction is writing")),
    );
    this.#waiting.add(resolve);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}
