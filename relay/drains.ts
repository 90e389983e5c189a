/**
 * Who drains this relay: its operator or a signal, and the control plane. Each drain stands and ends
 * by itself; the relay takes no new session while either holds, and living sessions end at the
 * earlier of their deadlines. What the control plane is told of as the relay's own is the first alone.
 */
import type { DrainOrder } from "#shared/control/drain-order.ts";

/** A drain, with when it ends living sessions, in milliseconds since 1970. */
export interface OwnDrain {
  readonly endsAtMs: number;
  /** Told by a signal: the process ends afterwards, and does not resume. */
  readonly isEnding: boolean;
}

export interface DrainsOptions {
  /** What is drained. Resolves when no session is left, or when it was resumed. */
  readonly drain: (deadlineMs: number | null) => Promise<void>;
  readonly resume: () => void;
  readonly tellServing: (serving: { readonly draining: boolean }) => void;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** The drains of one relay. */
export class Drains {
  readonly #options: DrainsOptions;
  #own: OwnDrain | null = null;
  #ordered: DrainOrder | null = null;
  /** As it came, by the control plane's clock. */
  #order: DrainOrder | null = null;
  #aheadMs = 0;

  constructor(options: DrainsOptions) {
    this.#options = options;
  }

  /** The drain that was begun here; null: none. */
  get own(): OwnDrain | null {
    return this.#own;
  }

  /** The control plane's, by this relay's clock; null: none. */
  get ordered(): DrainOrder | null {
    return this.#ordered;
  }

  /** Begins the own drain. Resolves when no session is left, or when nobody drains any more. */
  async begin(deadlineMs: number, how: { readonly isEnding: boolean }): Promise<void> {
    const endsAtMs = this.#options.nowMs() + deadlineMs;
    this.#own = { endsAtMs, isEnding: how.isEnding || this.#own?.isEnding === true };
    const drained = this.#apply();
    this.#options.tellServing({ draining: true });
    await drained;
  }

  /**
   * Ends the own drain. False when a signal began it: whoever waits for the last session to end
   * would take the resume for that, and stop.
   */
  end(): boolean {
    if (this.#own?.isEnding === true) {
      return false;
    }
    this.#own = null;
    void this.#apply();
    this.#options.tellServing({ draining: false });
    return true;
  }

  /**
   * What a welcome says of the control plane's drain; null: it does not drain.
   * @param aheadMs how far its clock is ahead of this relay's
   */
  welcome(order: DrainOrder | null, aheadMs: number): void {
    this.#aheadMs = aheadMs;
    this.order(order);
  }

  /** What the control plane orders; null: it drains no more. */
  order(order: DrainOrder | null): void {
    const before = this.#order;
    this.#order = order;
    const endsAtMs = order?.endsAtMs ?? null;
    this.#ordered =
      order === null ? null : { endsAtMs: endsAtMs === null ? null : endsAtMs - this.#aheadMs };
    const isSame = (before === null) === (order === null) && before?.endsAtMs === order?.endsAtMs;
    if (!isSame) {
      void this.#apply();
    }
  }

  async #apply(): Promise<void> {
    const { drain, resume, nowMs } = this.#options;
    const ends = [this.#own, this.#ordered].flatMap((one) => (one === null ? [] : [one.endsAtMs]));
    if (ends.length === 0) {
      resume();
      return;
    }
    const bounds = ends.filter((endsAtMs) => endsAtMs !== null);
    const deadlineMs = bounds.length === 0 ? null : Math.max(0, Math.min(...bounds) - nowMs());
    await drain(deadlineMs);
  }
}
