/**
 * Relays that come all at once, such as when the control plane was away: how many are let in at the
 * same time. A greeting costs tens of milliseconds of this thread, and a relay waits five seconds
 * for it (HELLO_DEADLINE_MS). Were hundreds let in together, each would be late, give up, and come
 * again for nothing. Who is turned away costs next to nothing and comes back by its back-off.
 *
 * It only counts where the hubs are in the same isolate as the route: on a host of one machine.
 * Elsewhere the hubs have threads of their own.
 */
export class LinkRush {
  readonly #sinceMs = new Map<string, number>();
  #hasHubs = false;

  /** From now on it counts: every hub is in this isolate. */
  countHubs(): void {
    this.#hasHubs = true;
  }

  /** A place for a link that is being made; null: there is none now. */
  enter(nowMs: number): string | null {
    for (const [place, sinceMs] of this.#sinceMs) {
      if (nowMs - sinceMs >= PLACE_LIFE_MS) {
        this.#sinceMs.delete(place);
      }
    }
    if (this.#hasHubs && this.#sinceMs.size >= LINKS_IN_MAKING_MAX) {
      return null;
    }
    const place = crypto.randomUUID();
    this.#sinceMs.set(place, nowMs);
    return place;
  }

  /** The link is made, or will not be. Idempotent. */
  leave(place: string): void {
    this.#sinceMs.delete(place);
  }
}

/** The isolate's own. */
export const linkRush = new LinkRush();

/** Where the route tells the hub of the place that its link was given. */
export const LINK_PLACE_HEADER = "X-Kerbside-Link-Place";

/** On a machine that gives this thread a quarter of a core each is greeted in time all the same. */
const LINKS_IN_MAKING_MAX = 12;
/** By then the relay or its hub has given up (HELLO_DEADLINE_MS). */
const PLACE_LIFE_MS = 6_000;
