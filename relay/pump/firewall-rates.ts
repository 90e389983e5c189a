/**
 * How many messages a second a channel may carry. The ceilings keep a broken or hostile peer from
 * spending the other side's time with messages that cost it nothing; they are far above any lawful
 * use, so that they are no traffic shaping and nobody meets them by being fast.
 *
 * A burst is what may come at once: the seconds that a stalled network held back, and, because a
 * rate is judged a chunk at a time, never less than a chunk of the smallest messages (a read of
 * 144 KiB holds 24,576 messages without a body).
 */
import type { Direction } from "#shared/spice/channel-table.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";

export interface RateCeiling {
  /** Messages a second that may go on for ever. */
  readonly perSecond: number;
  /** Messages that may come at once after a silence. */
  readonly burst: number;
}

/** The ceiling of one direction of one channel. */
export function rateCeiling(channel: ChannelName, direction: Direction): RateCeiling {
  return CEILINGS[channel][direction];
}

/** Counts one direction's messages against its ceiling. Time is given to it, in milliseconds. */
export class RateMeter {
  readonly #perMs: number;
  readonly #burst: number;
  #left: number;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(ceiling: RateCeiling) {
    this.#perMs = ceiling.perSecond / 1000;
    this.#burst = ceiling.burst;
    this.#left = ceiling.burst;
  }

  /**
   * Takes `messages` that came by `nowMs`. Whether they were within the ceiling; what was above it
   * is forgiven, so that the next ones are judged alone. A clock that was set back refills nothing
   * for that, and goes on from there.
   */
  take(messages: number, nowMs: number): boolean {
    const refilled = this.#left + Math.max(0, nowMs - this.#lastMs) * this.#perMs;
    this.#left = Math.min(this.#burst, refilled);
    this.#lastMs = nowMs;
    this.#left -= messages;
    if (this.#left < 0) {
      this.#left = 0;
      return false;
    }
    return true;
  }
}

const ceiling = (perSecond: number, burst: number): RateCeiling => ({ perSecond, burst });

/**
 * Acknowledgements and answers to pings: one a message of the server at the very most, because the
 * server sets the window; the fastest servers send hundreds of thousands of messages a second.
 */
const ANSWERS = ceiling(500_000, 1_000_000);
/**
 * Events of a hand and its devices: mice report 1,000 times a second, some 8,000 times, and what is
 * typed by a program comes to a few thousand.
 */
const HANDS = ceiling(10_000, 30_000);
/** Packets of sound: one each 10 ms, at the shortest each 2.5 ms; a burst forgives long stalls. */
const SOUND = ceiling(4_000, 40_000);
/** Carried streams and agent data, in pieces as small as a USB packet of 64 bytes. */
const DATA = ceiling(2_000_000, 4_000_000);
/** Exchanges with a card: each waits for its answer. */
const CARD = ceiling(10_000, 30_000);
/**
 * Draws: `x11perf` makes some hundreds of thousands a second on a fast machine. Beyond ten million
 * the splitting alone would take a whole core.
 */
const DRAWS = ceiling(10_000_000, 20_000_000);
/** Pointer shapes and moves that the guest makes. */
const POINTERS = ceiling(500_000, 1_000_000);
/** Few messages beside the base ones: lights, acknowledged motions, starts and stops. */
const SIGNALS = ceiling(20_000, 40_000);

const CEILINGS: Readonly<Record<ChannelName, Readonly<Record<Direction, RateCeiling>>>> = {
  main: { client: DATA, server: DATA },
  display: { client: ANSWERS, server: DRAWS },
  inputs: { client: HANDS, server: SIGNALS },
  cursor: { client: ANSWERS, server: POINTERS },
  playback: { client: SIGNALS, server: SOUND },
  record: { client: SOUND, server: SIGNALS },
  tunnel: { client: SIGNALS, server: SIGNALS },
  smartcard: { client: CARD, server: CARD },
  usbredir: { client: DATA, server: DATA },
  port: { client: DATA, server: DATA },
  webdav: { client: DATA, server: DATA },
};
