/**
 * How many lines of one kind a log may have: for what strangers can cause at will, but operators
 * must learn of. Promises a bound for each minute; what is beyond it is counted in the metrics.
 */

/** Counts lines within a minute. */
export class LineBudget {
  readonly #linesPerMinuteMax: number;
  readonly #nowMs: () => number;
  #beganAtMs = Number.NEGATIVE_INFINITY;
  #spent = 0;

  constructor(linesPerMinuteMax: number, nowMs: () => number) {
    this.#linesPerMinuteMax = linesPerMinuteMax;
    this.#nowMs = nowMs;
  }

  /** Whether one more line may be written; it counts as written then. */
  spend(): boolean {
    const nowMs = this.#nowMs();
    // A clock that was set back begins a new minute as well.
    if (Math.abs(nowMs - this.#beganAtMs) >= MINUTE_MS) {
      this.#beganAtMs = nowMs;
      this.#spent = 0;
    }
    this.#spent += 1;
    return this.#spent <= this.#linesPerMinuteMax;
  }
}

const MINUTE_MS = 60_000;
