/** How many feeds may be open at once: in all, and of one user, so that nobody takes every place. */
export class FeedPlaces {
  readonly #max: { readonly all: number; readonly ofUser: number };
  readonly #open = new Map<string, number>();
  #total = 0;

  constructor(max: { readonly all: number; readonly ofUser: number }) {
    this.#max = max;
  }

  /** Takes a place; the value gives it back. Null: there is none for this user. */
  take(userId: string): (() => void) | null {
    const ofUser = this.#open.get(userId) ?? 0;
    if (this.#total >= this.#max.all || ofUser >= this.#max.ofUser) {
      return null;
    }
    this.#total += 1;
    this.#open.set(userId, ofUser + 1);
    let isHeld = true;
    return () => {
      if (isHeld) {
        isHeld = false;
        this.#leave(userId);
      }
    };
  }

  #leave(userId: string): void {
    this.#total -= 1;
    const left = (this.#open.get(userId) ?? 1) - 1;
    if (left === 0) {
      this.#open.delete(userId);
    } else {
      this.#open.set(userId, left);
    }
  }
}
