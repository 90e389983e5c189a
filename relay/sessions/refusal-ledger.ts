/**
 * The account of refused tickets: how long each answer is withheld, and which refusals are told one
 * by one and which in sums. Promises that every refusal is told once, alone or in a sum; that its
 * memory is bounded; and that it never judges a ticket: a valid one is not even shown to it. Time
 * is passed in. Why answers are withheld and no address is refused: docs/decisions/0013.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import { sourceKey } from "./source-key.ts";

export interface RefusalLimits {
  /** Refusals a minute from one source that are answered at once. */
  readonly refusalsFreeMax: number;
  /** How long the first answer after those waits; each further one twice as long. */
  readonly refusalHoldFirstMs: number;
  readonly refusalHoldMsMax: number;
  /** Refusals a minute from all sources together; above them every answer waits. */
  readonly refusalsTotalMax: number;
  /** Refusals a minute from one source that are told one by one. */
  readonly refusalsToldMax: number;
  /** Sources remembered; the one that was silent longest is forgotten, its sums told. */
  readonly refusalSourcesMax: number;
}

/** One refusal, or several alike that are told as one. */
export interface RefusedTicket {
  readonly reason: TicketRefusalReason;
  readonly channel: ChannelName;
  readonly clientAddress: string;
  readonly sessionId: string | null;
}

export interface RefusalSum extends RefusedTicket {
  readonly count: number;
}

export interface RefusalVerdict {
  /** How long the answer is withheld. */
  readonly holdMs: number;
  /** What is to be told now, oldest first. */
  readonly told: readonly RefusalSum[];
}

/** Refusals by source. */
export class RefusalLedger {
  readonly #limits: RefusalLimits;
  readonly #sources = new Map<string, Source>();
  readonly #total: Bucket = { level: 0, atMs: 0 };

  constructor(limits: RefusalLimits) {
    this.#limits = limits;
  }

  /** Enters a refusal. */
  note(refused: RefusedTicket, nowMs: number): RefusalVerdict {
    const told: RefusalSum[] = [];
    const source = this.#sourceOf(sourceKey(refused.clientAddress), nowMs, told);
    if (nowMs - source.minuteAtMs >= MINUTE_MS || nowMs < source.minuteAtMs) {
      told.push(...takeSums(source));
      source.minuteAtMs = nowMs;
      source.toldCount = 0;
    }
    if (source.toldCount < this.#limits.refusalsToldMax) {
      source.toldCount += 1;
      told.push({ ...refused, count: 1 });
    } else {
      addToSum(source, refused);
    }
    // What could not be judged is nobody's mistake: it is told, but held against nobody.
    const holdMs = refused.reason === "unverifiable" ? 0 : this.#fill(source, nowMs);
    return { holdMs, told };
  }

  /** The sums whose minute is over; also forgets sources that have nothing left to answer for. */
  flush(nowMs: number): readonly RefusalSum[] {
    const told: RefusalSum[] = [];
    for (const [key, source] of this.#sources) {
      if (nowMs - source.minuteAtMs >= MINUTE_MS || nowMs < source.minuteAtMs) {
        told.push(...takeSums(source));
        drip(source.bucket, this.#limits.refusalsFreeMax, nowMs);
        if (source.bucket.level === 0) {
          this.#sources.delete(key);
        }
      }
    }
    return told;
  }

  /** Every sum, whatever its age: nothing more will be noted. */
  close(): readonly RefusalSum[] {
    const told = [...this.#sources.values()].flatMap(takeSums);
    this.#sources.clear();
    return told;
  }

  /** Sources that are remembered. */
  get sourceCount(): number {
    return this.#sources.size;
  }

  #sourceOf(key: string, nowMs: number, told: RefusalSum[]): Source {
    const known = this.#sources.get(key);
    // Entered anew, so that the first entry is always the one that was silent longest.
    this.#sources.delete(key);
    const [oldest] = this.#sources;
    if (this.#sources.size >= this.#limits.refusalSourcesMax && oldest !== undefined) {
      this.#sources.delete(oldest[0]);
      told.push(...takeSums(oldest[1]));
    }
    const source = known ?? {
      bucket: { level: 0, atMs: nowMs },
      minuteAtMs: nowMs,
      toldCount: 0,
      sums: new Map(),
    };
    this.#sources.set(key, source);
    return source;
  }

  #fill(source: Source, nowMs: number): number {
    const limits = this.#limits;
    drip(source.bucket, limits.refusalsFreeMax, nowMs);
    drip(this.#total, limits.refusalsTotalMax, nowMs);
    source.bucket.level += 1;
    this.#total.level += 1;
    const isFlood = this.#total.level > limits.refusalsTotalMax;
    this.#total.level = Math.min(this.#total.level, limits.refusalsTotalMax);
    const excess = Math.ceil(source.bucket.level - limits.refusalsFreeMax);
    const ownMs = excess <= 0 ? 0 : limits.refusalHoldFirstMs * 2 ** (excess - 1);
    if (ownMs >= limits.refusalHoldMsMax) {
      // Full: more of the same makes the way back no longer.
      source.bucket.level = limits.refusalsFreeMax + excess - 1;
    }
    const holdMs = Math.max(ownMs, isFlood ? limits.refusalHoldFirstMs : 0);
    return Math.min(holdMs, limits.refusalHoldMsMax);
  }
}

/** Fills by one with each refusal and runs dry at a steady rate. */
interface Bucket {
  level: number;
  atMs: number;
}

interface Source {
  readonly bucket: Bucket;
  /** When the minute began in which refusals are counted. */
  minuteAtMs: number;
  toldCount: number;
  readonly sums: Map<TicketRefusalReason, RefusalSum>;
}

function drip(bucket: Bucket, perMinute: number, nowMs: number): void {
  const passedMs = Math.max(0, nowMs - bucket.atMs);
  bucket.level = Math.max(0, bucket.level - (passedMs * perMinute) / MINUTE_MS);
  bucket.atMs = nowMs;
}

/** A sum names a session only when all of it is about that one. */
function addToSum(source: Source, refused: RefusedTicket): void {
  const sum = source.sums.get(refused.reason) ?? { ...refused, count: 0 };
  const sessionId = sum.sessionId === refused.sessionId ? sum.sessionId : null;
  source.sums.set(refused.reason, { ...sum, sessionId, count: sum.count + 1 });
}

function takeSums(source: Source): RefusalSum[] {
  const sums = [...source.sums.values()];
  source.sums.clear();
  return sums;
}

const MINUTE_MS = 60_000;
