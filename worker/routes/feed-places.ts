/**
 * How many feeds may be open at once: in all, and of one user, so that nobody takes every place.
 *
 * A runtime that sees a client leave stops the work for it without a word: nothing gives the place
 * back. So who is there says so again and again, and a place of which nothing was heard is free.
 */
import { forgetOlder } from "../forget-older.ts";

export class FeedPlaces {
  readonly #max: { readonly all: number; readonly ofUser: number };
  /** When each was last heard of. */
  readonly #heardAtMs = new Map<{ readonly userId: string }, number>();

  constructor(max: { readonly all: number; readonly ofUser: number }) {
    this.#max = max;
  }

  /** Takes a place, to be kept by {@link FeedPlace.stay}. Null: there is none for this user. */
  take(userId: string, nowMs: number): FeedPlace | null {
    forgetOlder(this.#heardAtMs, nowMs, PLACE_LIFE_MS);
    const ofUser = [...this.#heardAtMs.keys()].filter((place) => place.userId === userId).length;
    if (this.#heardAtMs.size >= this.#max.all || ofUser >= this.#max.ofUser) {
      return null;
    }
    const place = { userId };
    this.#heardAtMs.set(place, nowMs);
    return {
      stay: (atMs) => {
        this.#heardAtMs.set(place, atMs);
      },
      leave: () => {
        this.#heardAtMs.delete(place);
      },
    };
  }
}

export interface FeedPlace {
  /** Its feed is still there. */
  readonly stay: (nowMs: number) => void;
  readonly leave: () => void;
}

/** Longer than a feed asks the database between two words, also when that is slow. */
export const PLACE_LIFE_MS = 20_000;
