/**
 * How many feeds may be open at once: in all, and of one user, so that nobody takes every place.
 *
 * A runtime that sees a client leave stops the work for it without a word: nothing gives the place
 * back. So who is there says so again and again, and a place of which nothing was heard is free.
 */
export class FeedPlaces {
  readonly #max: { readonly all: number; readonly ofUser: number };
  readonly #places = new Map<symbol, { readonly userId: string; readonly heardAtMs: number }>();

  constructor(max: { readonly all: number; readonly ofUser: number }) {
    this.#max = max;
  }

  /** Takes a place, to be kept by {@link FeedPlace.stay}. Null: there is none for this user. */
  take(userId: string, nowMs: number): FeedPlace | null {
    this.#forgetUnheard(nowMs);
    const ofUser = [...this.#places.values()].filter((place) => place.userId === userId).length;
    if (this.#places.size >= this.#max.all || ofUser >= this.#max.ofUser) {
      return null;
    }
    const key = Symbol("place");
    this.#places.set(key, { userId, heardAtMs: nowMs });
    return {
      stay: (atMs) => {
        this.#places.set(key, { userId, heardAtMs: atMs });
      },
      leave: () => {
        this.#places.delete(key);
      },
    };
  }

  #forgetUnheard(nowMs: number): void {
    for (const [key, { heardAtMs }] of this.#places) {
      // Also when the clock was turned back.
      if (nowMs - heardAtMs >= PLACE_LIFE_MS || heardAtMs > nowMs) {
        this.#places.delete(key);
      }
    }
  }
}

export interface FeedPlace {
  /** Its feed is still there. */
  readonly stay: (nowMs: number) => void;
  readonly leave: () => void;
}

/** Longer than a feed asks the database between two words, also when that is slow. */
export const PLACE_LIFE_MS = 20_000;
