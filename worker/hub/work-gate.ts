/**
 * How many hubs of this isolate tell the database at once that their relay has gone. Hundreds do
 * when the control plane was restarted, or a network broke. The database has one writer: told by all
 * at once it would be late for everybody, the greetings of relays that are back among them.
 *
 * A place is waited for by looking again, not by being called: a hub whose memory goes while it
 * waits would be called in vain. A place whose holder has gone is free after PLACE_LIFE_MS.
 */

export interface GatePorts {
  readonly nowMs: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** A random number in [0, 1). */
  readonly chance: () => number;
}

export class WorkGate {
  readonly #placesMax: number;
  readonly #ports: GatePorts;
  readonly #takenAtMs = new Map<symbol, number>();

  constructor(placesMax: number, ports: GatePorts) {
    this.#placesMax = placesMax;
    this.#ports = ports;
  }

  /** Waits for a place. The value gives it back and has to be called; null: it is not wanted any more. */
  async enter(isWanted: () => boolean): Promise<(() => void) | null> {
    const { nowMs, wait, chance } = this.#ports;
    while (isWanted()) {
      const leave = this.#take(nowMs());
      if (leave !== null) {
        return leave;
      }
      await wait(LOOK_EVERY_MS * (0.5 + chance()));
    }
    return null;
  }

  #take(nowMs: number): (() => void) | null {
    for (const [place, takenAtMs] of this.#takenAtMs) {
      if (nowMs - takenAtMs >= PLACE_LIFE_MS) {
        this.#takenAtMs.delete(place);
      }
    }
    if (this.#takenAtMs.size >= this.#placesMax) {
      return null;
    }
    const place = Symbol("place");
    this.#takenAtMs.set(place, nowMs);
    return () => {
      this.#takenAtMs.delete(place);
    };
  }
}

/** Seldom enough that hundreds who wait take little of the thread. */
const LOOK_EVERY_MS = 250;
/** Longer than work takes whose holder lives: its deadline, and that of its last statement. */
export const PLACE_LIFE_MS = 15_000;
