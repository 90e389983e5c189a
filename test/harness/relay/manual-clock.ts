/** A clock that only the test turns, and the timers that go by it. */
import type { StartTimer } from "../../../relay/sessions/deadlines.ts";

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** Time as the sessions are given it. */
export class ManualClock {
  #nowMs: number;
  readonly #timers = new Set<Timer>();

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  readonly nowMs = (): number => this.#nowMs;

  readonly startTimer: StartTimer = (run, delayMs) => {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  };

  get timerCount(): number {
    return this.#timers.size;
  }

  /** Lets time pass, and each timer run at its own moment. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      const [next] = [...this.#timers]
        .filter((timer) => timer.atMs <= untilMs)
        .sort((one, other) => one.atMs - other.atMs);
      if (next === undefined) {
        break;
      }
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
  }

  /** Sets the clock without any timer noticing, as somebody's hand does. */
  set(nowMs: number): void {
    this.#nowMs = nowMs;
  }
}
