/**
 * How many pieces of one kind of work this isolate does at once. A place is waited for by looking
 * again, not by being called: who waits may belong to another request or object than who leaves, and
 * one whose memory goes while it waits would be called in vain. A place whose holder has gone is free
 * after PLACE_LIFE_MS.
 */
import { forgetOlder } from "./forget-older.ts";

export interface GatePorts {
  readonly nowMs: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** A random number in [0, 1). */
  readonly chance: () => number;
}

export interface GateLimits {
  readonly placesMax: number;
  /** Those beyond are turned away at once. */
  readonly waitingMax: number;
  /** About how often who waits looks again; nobody takes the place in between. */
  readonly lookEveryMs: number;
}

export class WorkGate {
  readonly #limits: GateLimits;
  readonly #ports: GatePorts;
  /** Who waits, and when they last looked: one who is gone looks no more. */
  readonly #lookedAtMs = new Map<symbol, number>();
  readonly #takenAtMs = new Map<symbol, number>();

  constructor(limits: GateLimits, ports: GatePorts) {
    this.#limits = limits;
    this.#ports = ports;
  }

  /**
   * Waits for a place. The value gives it back and has to be called; null: it is not wanted any more,
   * or too many wait.
   */
  async enter(isWanted: () => boolean): Promise<(() => void) | null> {
    const { nowMs, wait, chance } = this.#ports;
    const { lookEveryMs, waitingMax } = this.#limits;
    let leave = isWanted() ? this.#take(nowMs()) : null;
    if (leave !== null || this.#countWaiting(nowMs()) >= waitingMax) {
      return leave;
    }
    const waiter = Symbol("waiter");
    while (leave === null && isWanted()) {
      this.#lookedAtMs.set(waiter, nowMs());
      await wait(lookEveryMs * (0.5 + chance()));
      leave = isWanted() ? this.#take(nowMs()) : null;
    }
    this.#lookedAtMs.delete(waiter);
    return leave;
  }

  #countWaiting(nowMs: number): number {
    forgetOlder(this.#lookedAtMs, nowMs, LOOKS_MISSED_MAX * this.#limits.lookEveryMs);
    return this.#lookedAtMs.size;
  }

  #take(nowMs: number): (() => void) | null {
    forgetOlder(this.#takenAtMs, nowMs, PLACE_LIFE_MS);
    if (this.#takenAtMs.size >= this.#limits.placesMax) {
      return null;
    }
    const place = Symbol("place");
    this.#takenAtMs.set(place, nowMs);
    return () => {
      this.#takenAtMs.delete(place);
    };
  }
}

/** A busy thread looks late; one who missed so many looks is gone. */
const LOOKS_MISSED_MAX = 50;

/** The isolate's own time and chance. */
export const isolatePorts: GatePorts = {
  nowMs: () => Date.now(),
  wait: async (ms) => {
    await new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  },
  chance: () => Math.random(),
};

/** Longer than work takes whose holder lives: its deadline, and that of its last statement. */
export const PLACE_LIFE_MS = 15_000;
