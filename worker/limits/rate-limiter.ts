/**
 * One of the objects that count attempts: a Durable Object for a share of all keys, so that all
 * isolates count together. It knows hashes only, neither addresses nor names. Expired entries are
 * swept by its alarm, and their number is bounded.
 */
import { DurableObject } from "cloudflare:workers";
import type { Env } from "../env.ts";
import {
  judgeAttempt,
  type LimitAnswer,
  type LimitEntry,
  type LimitRequest,
  type LimitSource,
  settleAttempt,
} from "./limit-rules.ts";
import { LimitStore } from "./limit-store.ts";

export class RateLimiter extends DurableObject<Env> {
  readonly #store: LimitStore;
  /** Written since the last sweep; a sweep comes early when this alone could fill the store. */
  #writes = 0;
  #alarmIsSet = false;
  readonly #read = (key: string): LimitEntry => this.#store.read(key);

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new LimitStore(ctx.storage.sql);
  }

  /** RPC. Takes one attempt, or says when the next one may be made. */
  take(request: LimitRequest): LimitAnswer {
    const nowMs = Date.now();
    const { answer, key, entry } = judgeAttempt(request, this.#read, nowMs);
    this.#store.write(key, entry, nowMs);
    this.#written(nowMs);
    return answer;
  }

  /** RPC. The attempt was right (see settleAttempt). */
  settle(request: LimitRequest, from: LimitSource): void {
    const nowMs = Date.now();
    for (const { key, entry } of settleAttempt(request, from, this.#read, nowMs)) {
      this.#store.write(key, entry, nowMs);
    }
    this.#written(nowMs);
  }

  override async alarm(): Promise<void> {
    this.#alarmIsSet = false;
    this.#writes = 0;
    if (this.#store.sweep(Date.now(), ENTRIES_MAX) > 0) {
      await this.#setAlarm(Date.now());
    }
  }

  #written(nowMs: number): void {
    this.#writes += 1;
    if (this.#writes >= WRITES_PER_SWEEP) {
      this.#writes = 0;
      this.#store.sweep(nowMs, ENTRIES_MAX);
    }
    if (!this.#alarmIsSet) {
      this.ctx.waitUntil(this.#setAlarm(nowMs));
    }
  }

  async #setAlarm(nowMs: number): Promise<void> {
    this.#alarmIsSet = true;
    if ((await this.ctx.storage.getAlarm()) === null) {
      await this.ctx.storage.setAlarm(nowMs + SWEEP_EVERY_MS);
    }
  }
}

/** Entries that are left after a sweep, about 2 MB: with 64 limiters more than a million keys. */
const ENTRIES_MAX = 20_000;
/** Between two sweeps the store grows by twice as many entries at most. */
const WRITES_PER_SWEEP = 5_000;
/** An expired entry is harmless; it only takes room. */
const SWEEP_EVERY_MS = 10 * 60 * 1000;
