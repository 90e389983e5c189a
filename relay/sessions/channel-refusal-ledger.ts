/**
 * The account of channels that were refused although their ticket is good: the first few of a session
 * and an error in a minute are told one by one, the others in one sum, so that whoever has a ticket
 * cannot fill the audit trail with it. Promises that every refusal is told once, alone or in a sum,
 * and that its memory is bounded. Time is passed in.
 */
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import type { Presented } from "./ports.ts";

export interface ChannelRefusalLimits {
  /** Refusals a minute of one session, for one error, that are told one by one. */
  readonly channelRefusalsToldMax: number;
  /** Sessions and errors remembered; what is known longest is forgotten, its sum told. */
  readonly channelRefusalsKeptMax: number;
}

export interface RefusedChannel extends Pick<Presented, "channel" | "channelId" | "clientAddress"> {
  readonly sessionId: string;
  readonly code: ErrorCode;
}

/** One refusal, or several of one session for one error; the channel is the last one's. */
export interface ChannelRefusalSum extends RefusedChannel {
  readonly count: number;
}

/** Refusals by session and error. */
export class ChannelRefusalLedger {
  readonly #limits: ChannelRefusalLimits;
  readonly #entries = new Map<string, Entry>();

  constructor(limits: ChannelRefusalLimits) {
    this.#limits = limits;
  }

  /** Enters a refusal; returns what is to be told now, oldest first. */
  note(refused: RefusedChannel, nowMs: number): readonly ChannelRefusalSum[] {
    const key = `${refused.sessionId} ${refused.code}`;
    const told: ChannelRefusalSum[] = [];
    let entry = this.#entries.get(key);
    if (entry === undefined || isOver(entry, nowMs)) {
      told.push(...this.#take(key), ...this.#makeRoom());
      entry = { minuteAtMs: nowMs, toldCount: 0, sum: null };
      this.#entries.set(key, entry);
    }
    if (entry.toldCount < this.#limits.channelRefusalsToldMax) {
      entry.toldCount += 1;
      told.push({ ...refused, count: 1 });
    } else {
      entry.sum = { ...refused, count: (entry.sum?.count ?? 0) + 1 };
    }
    return told;
  }

  /** The sums whose minute is over. */
  flush(nowMs: number): readonly ChannelRefusalSum[] {
    const over = [...this.#entries].filter(([, entry]) => isOver(entry, nowMs));
    return over.flatMap(([key]) => this.#take(key));
  }

  /** Every sum, whatever its age: nothing more will be noted. */
  close(): readonly ChannelRefusalSum[] {
    return [...this.#entries.keys()].flatMap((key) => this.#take(key));
  }

  #makeRoom(): readonly ChannelRefusalSum[] {
    const [oldest] = this.#entries.keys();
    const isFull = this.#entries.size >= this.#limits.channelRefusalsKeptMax;
    return isFull && oldest !== undefined ? this.#take(oldest) : [];
  }

  #take(key: string): readonly ChannelRefusalSum[] {
    const sum = this.#entries.get(key)?.sum ?? null;
    this.#entries.delete(key);
    return sum === null ? [] : [sum];
  }
}

interface Entry {
  readonly minuteAtMs: number;
  toldCount: number;
  sum: ChannelRefusalSum | null;
}

function isOver(entry: Entry, nowMs: number): boolean {
  return nowMs - entry.minuteAtMs >= MINUTE_MS || nowMs < entry.minuteAtMs;
}

const MINUTE_MS = 60_000;
