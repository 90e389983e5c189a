/** Timers that fire when a test says so. Tests wait for a timer to be set, never for time to pass. */
import type { Timers } from "../../../worker/dev/libsql/timers.ts";

export class ManualTimers implements Timers {
  #nowMs = 0;
  readonly #pending = new Set<{ atMs: number; delayMs: number; callback: () => void }>();
  readonly #watchers = new Set<() => void>();

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, delayMs, callback };
    this.#pending.add(timer);
    this.#wakeWatchers();
    return () => {
      this.#pending.delete(timer);
      this.#wakeWatchers();
    };
  }

  /** Resolves when a timer of exactly that delay is, or becomes, set. */
  untilSet(delayMs: number): Promise<void> {
    return this.#until(() => this.#has(delayMs));
  }

  /** Resolves when no timer of exactly that delay is set. */
  untilCleared(delayMs: number): Promise<void> {
    return this.#until(() => !this.#has(delayMs));
  }

  /** Moves the clock and fires what is due, earliest first. */
  advance(byMs: number): void {
    this.#nowMs += byMs;
    const due = [...this.#pending].filter((timer) => timer.atMs <= this.#nowMs);
    for (const timer of due.sort((left, right) => left.atMs - right.atMs)) {
      if (this.#pending.delete(timer)) {
        timer.callback();
      }
    }
  }

  #has(delayMs: number): boolean {
    return [...this.#pending].some((timer) => timer.delayMs === delayMs);
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.add(resolve);
      await promise;
    }
  }

  #wakeWatchers(): void {
    for (const wake of this.#watchers) {
      this.#watchers.delete(wake);
      wake();
    }
  }
}
