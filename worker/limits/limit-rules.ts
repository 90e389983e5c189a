/**
 * What a limiter decides about one attempt: from which bucket it takes, whether it may go on, and
 * whether the refusal is the first of its window. Pure; the time is passed in.
 *
 * An attempt that has an account may come from an address that the account's owner is known to
 * use: it then has a bucket of its own, so that strangers who empty the account's bucket do not
 * keep the owner out.
 */
import { type BucketRule, returnToken, takeToken } from "./bucket.ts";

/** One key's memory. All times are milliseconds since 1970; 0: never. */
export interface LimitEntry {
  readonly fullAtMs: number;
  /** Until when a refusal is old news. */
  readonly toldUntilMs: number;
  /** Until when the key is that of a known address. */
  readonly knownUntilMs: number;
}

export interface LimitRequest {
  readonly key: string;
  readonly rule: BucketRule;
  /** The key of the account and the address together, and its rule. */
  readonly known?: { readonly key: string; readonly rule: BucketRule } | undefined;
}

/** The bucket that a token came from: the key's own, or the known address's. */
export type LimitSource = "common" | "known";

export type LimitAnswer =
  | { readonly allowed: true; readonly from: LimitSource }
  | {
      readonly allowed: false;
      readonly retryAfterMs: number;
      /** Whether nobody was told of a refusal of this key within the window. */
      readonly isFirst: boolean;
    };

export interface KeptEntry {
  readonly key: string;
  readonly entry: LimitEntry;
}

/** What becomes of an attempt, and what is to be kept under which key. */
export function judgeAttempt(
  request: LimitRequest,
  entryOf: (key: string) => LimitEntry,
  nowMs: number,
): KeptEntry & { readonly answer: LimitAnswer } {
  const { known } = request;
  const isKnown = known !== undefined && entryOf(known.key).knownUntilMs > nowMs;
  const { key, rule } = isKnown ? known : request;
  const entry = entryOf(key);
  const taking = takeToken(entry.fullAtMs, rule, nowMs);
  if (taking.taken) {
    const answer = { allowed: true, from: isKnown ? "known" : "common" } as const;
    return { answer, key, entry: { ...entry, fullAtMs: taking.fullAtMs } };
  }
  const isFirst = entry.toldUntilMs <= nowMs;
  const toldUntilMs = isFirst ? nowMs + TELL_WINDOW_MS : entry.toldUntilMs;
  return {
    answer: { allowed: false, retryAfterMs: taking.retryAfterMs, isFirst },
    key,
    entry: { ...entry, fullAtMs: taking.fullAtMs, toldUntilMs },
  };
}

/**
 * What is to be kept when an allowed attempt turned out to be right: it does not count, and its
 * address is one that the account's owner uses.
 */
export function settleAttempt(
  request: LimitRequest,
  from: LimitSource,
  entryOf: (key: string) => LimitEntry,
  nowMs: number,
): KeptEntry[] {
  const { key, rule, known } = request;
  if (known === undefined) {
    return [{ key, entry: forgive(entryOf(key), rule) }];
  }
  const knownUntilMs = nowMs + KNOWN_FOR_MS;
  const knownEntry = entryOf(known.key);
  return from === "known"
    ? [{ key: known.key, entry: { ...forgive(knownEntry, known.rule), knownUntilMs } }]
    : [
        { key, entry: forgive(entryOf(key), rule) },
        { key: known.key, entry: { ...knownEntry, knownUntilMs } },
      ];
}

/** When the entry says nothing more. */
export function expiryOf(entry: LimitEntry): number {
  return Math.max(entry.fullAtMs, entry.toldUntilMs, entry.knownUntilMs);
}

function forgive(entry: LimitEntry, rule: BucketRule): LimitEntry {
  return { ...entry, fullAtMs: returnToken(entry.fullAtMs, rule) };
}

export const EMPTY_ENTRY: LimitEntry = { fullAtMs: 0, toldUntilMs: 0, knownUntilMs: 0 };

/** The audit trail hears of an attack four times an hour, and not with each request. */
export const TELL_WINDOW_MS = 15 * 60 * 1000;
/** People come back to their desks within a month. */
export const KNOWN_FOR_MS = 30 * 24 * 60 * 60 * 1000;
