/**
 * How often clues that are no credentials (a label, a connection id) may have a session's server
 * asked before a ticket came. Promises that neither a stranger who read a label off the wire nor
 * one who guesses ids can keep a hypervisor busy. What is over the ceiling is no refusal: such a
 * client is offered what a client is offered whose session nobody knows.
 */

export interface ClueLimits {
  /** Of one session in one minute. */
  readonly foreseenPerMinuteMax: number;
}

/** Counts by session and minute; remembers what was asked in the present minute alone. */
export class ClueMeter {
  readonly #limits: ClueLimits;
  readonly #counts = new Map<string, number>();
  #minuteAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: ClueLimits) {
    this.#limits = limits;
  }

  /** Whether this session's server may be asked once more; counts it when it may. */
  take(sessionId: string, nowMs: number): boolean {
    const ageMs = nowMs - this.#minuteAtMs;
    if (ageMs >= MINUTE_MS || ageMs < 0) {
      this.#counts.clear();
      this.#minuteAtMs = nowMs;
    }
    const count = this.#counts.get(sessionId) ?? 0;
    if (count >= this.#limits.foreseenPerMinuteMax) {
      return false;
    }
    this.#counts.set(sessionId, count + 1);
    return true;
  }
}

const MINUTE_MS = 60_000;
