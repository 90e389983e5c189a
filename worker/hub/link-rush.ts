/**
 * Relays that come all at once, such as when the control plane was away: how many are let in at the
 * same time. A greeting costs tens of milliseconds of this thread, and a relay waits five seconds
 * for it (HELLO_DEADLINE_MS). Were hundreds let in together, each would be late, give up, and come
 * again for nothing. Who is turned away costs one look at its key and comes back by its back-off.
 *
 * It only counts where the hubs are in the same isolate as the route: on a host of one machine.
 * Elsewhere the hubs have threads of their own.
 */
import { forgetOlder } from "../forget-older.ts";

export class LinkRush {
  /** By relay, so that one which comes over and over takes one place. */
  readonly #sinceMs = new Map<string, number>();
  #hasHubs = false;

  /** From now on it counts: every hub is in this isolate. */
  countHubs(): void {
    this.#hasHubs = true;
  }

  /** Whether the relay, which has proved to be that, may make its link. */
  enter(relayId: string, nowMs: number): boolean {
    if (!this.#hasHubs) {
      return true;
    }
    forgetOlder(this.#sinceMs, nowMs, PLACE_LIFE_MS);
    if (this.#sinceMs.size >= LINKS_IN_MAKING_MAX && !this.#sinceMs.has(relayId)) {
      return false;
    }
    this.#sinceMs.set(relayId, nowMs);
    return true;
  }

  /** The link is made, or will not be. Idempotent. */
  leave(relayId: string): void {
    this.#sinceMs.delete(relayId);
  }
}

/** The isolate's own. */
export const linkRush = new LinkRush();

/** On a machine that gives this thread a quarter of a core each is greeted in time all the same. */
const LINKS_IN_MAKING_MAX = 12;
/** By then the relay or its hub has given up (HELLO_DEADLINE_MS). */
const PLACE_LIFE_MS = 6_000;
