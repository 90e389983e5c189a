/**
 * Ends channels of which one side takes nothing any more although bytes wait for it. A direction
 * that is held is not read, so that a peer which has gone on its other end is not noticed either:
 * without this a reader that stops for ever would keep a dead channel for ever. One timer serves
 * all channels of a process, and none runs while there are none.
 */

/** A channel with two directions, each of which may be held. */
export interface Stallable {
  /** Since when its longest held direction has been held, in milliseconds; null: none is. */
  heldSinceMs(): number | null;
  /** Ends it. */
  stalled(): void;
}

export interface StallWatchOptions {
  /** A direction that is held this long, in milliseconds, is stalled. */
  readonly stallMsMax: number;
  readonly nowMs: () => number;
}

/** The channels of one process. */
export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #channels = new Set<Stallable>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: StallWatchOptions) {
    this.#options = options;
  }

  watch(channel: Stallable): void {
    this.#channels.add(channel);
    this.#timer ??= setInterval(this.#look, this.#options.stallMsMax / LOOKS_PER_STALL);
  }

  forget(channel: Stallable): void {
    this.#channels.delete(channel);
    if (this.#channels.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  readonly #look = (): void => {
    const sinceMs = this.#options.nowMs() - this.#options.stallMsMax;
    for (const channel of this.#channels) {
      const heldSinceMs = channel.heldSinceMs();
      if (heldSinceMs !== null && heldSinceMs <= sinceMs) {
        channel.stalled();
      }
    }
  };
}

/** A stalled channel ends after at most a quarter more than its time. */
const LOOKS_PER_STALL = 4;
