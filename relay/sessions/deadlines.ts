/**
 * Every deadline of the sessions behind one timer. Promises that a deadline runs once, never early,
 * in the order of their times, and unless it was cancelled; it may run late by the resolution below.
 * Times are a clock's that is passed in: one that is set would move what is still to come.
 */

/** Starts a timer of `delayMs` and returns what stops it. */
export type StartTimer = (run: () => void, delayMs: number) => () => void;

/** One thing to do at one time. */
export interface Deadline {
  /** It will not run any more. Idempotent. */
  cancel(): void;
}

/** The deadlines of one registry. */
export class Deadlines {
  readonly #nowMs: () => number;
  readonly #startTimer: StartTimer;
  readonly #entries = new Set<Entry>();
  #armed: { readonly atMs: number; readonly stop: () => void } | null = null;
  #ranAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly nowMs: () => number; readonly startTimer?: StartTimer }) {
    this.#nowMs = options.nowMs;
    this.#startTimer = options.startTimer ?? startNodeTimer;
  }

  /** Runs `run` at `atMs` or soon after it. */
  at(atMs: number, run: () => void): Deadline {
    const entry: Entry = { atMs, run };
    this.#entries.add(entry);
    this.#arm(atMs);
    return {
      cancel: () => {
        this.#entries.delete(entry);
        this.#disarmWhenEmpty();
      },
    };
  }

  /** How many are still to come. */
  get count(): number {
    return this.#entries.size;
  }

  #arm(atMs: number): void {
    if (this.#armed !== null && this.#armed.atMs <= atMs) {
      return;
    }
    this.#armed?.stop();
    const nowMs = this.#nowMs();
    // Why the resolution: thousands of deadlines must not become thousands of walks through all.
    const earliestMs = Math.min(this.#ranAtMs, nowMs) + RESOLUTION_MS;
    const delayMs = Math.max(0, Math.max(atMs, earliestMs) - nowMs);
    const stop = this.#startTimer(this.#run, Math.min(delayMs, TIMER_MS_MAX));
    this.#armed = { atMs, stop };
  }

  readonly #run = (): void => {
    const nowMs = this.#nowMs();
    this.#armed = null;
    this.#ranAtMs = nowMs;
    const due = [...this.#entries].filter((entry) => entry.atMs <= nowMs);
    for (const entry of due.sort((one, other) => one.atMs - other.atMs)) {
      // An earlier one may have cancelled it.
      if (this.#entries.delete(entry)) {
        entry.run();
      }
    }
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries) {
      nextMs = Math.min(nextMs, entry.atMs);
    }
    if (nextMs < Number.POSITIVE_INFINITY) {
      this.#arm(nextMs);
    }
  };

  #disarmWhenEmpty(): void {
    if (this.#entries.size === 0) {
      this.#armed?.stop();
      this.#armed = null;
    }
  }
}

/** One owner's deadlines, each kind once: arming a kind anew replaces what was armed. */
export class OwnDeadlines<Kind extends string> {
  readonly #deadlines: Deadlines;
  readonly #armed = new Map<Kind, Deadline>();

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  arm(kind: Kind, atMs: number, run: () => void): void {
    this.disarm(kind);
    const deadline = this.#deadlines.at(atMs, () => {
      this.#armed.delete(kind);
      run();
    });
    this.#armed.set(kind, deadline);
  }

  disarm(kind: Kind): void {
    this.#armed.get(kind)?.cancel();
    this.#armed.delete(kind);
  }

  disarmAll(): void {
    for (const kind of this.#armed.keys()) {
      this.disarm(kind);
    }
  }

  isArmed(kind: Kind): boolean {
    return this.#armed.has(kind);
  }
}

interface Entry {
  readonly atMs: number;
  readonly run: () => void;
}

const startNodeTimer: StartTimer = (run, delayMs) => {
  const timer = setTimeout(run, delayMs);
  return () => {
    clearTimeout(timer);
  };
};

/** Nobody minds a tenth of a second where the shortest policy is a second. */
const RESOLUTION_MS = 100;
/** Timers hold 24.8 days, and sessions may last 30: a look every minute costs nothing. */
const TIMER_MS_MAX = 60_000;
