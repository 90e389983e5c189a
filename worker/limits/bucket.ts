/**
 * Token buckets, each as one number: the time at which it is full again. A bucket that is full is
 * as good as none, so only those that were used lately need a place. Decides alone; the time is
 * passed in.
 */

export interface BucketRule {
  /** Tokens in a full bucket: tries that may be made at once. */
  readonly burst: number;
  /** Milliseconds in which one token comes back. */
  readonly refillMs: number;
}

export type Taking =
  | { readonly taken: true; readonly fullAtMs: number }
  | {
      readonly taken: false;
      readonly fullAtMs: number;
      /** Milliseconds until there is a token again. */
      readonly retryAfterMs: number;
    };

/** Takes one token. A refused try takes none, so that trying on does not make the wait longer. */
export function takeToken(fullAtMs: number, rule: BucketRule, nowMs: number): Taking {
  const emptyFullAtMs = nowMs + rule.burst * rule.refillMs;
  // Neither a clock that was set back nor a rule that was made stricter empties a bucket further.
  const current = Math.min(Math.max(fullAtMs, nowMs), emptyFullAtMs);
  const next = current + rule.refillMs;
  return next <= emptyFullAtMs
    ? { taken: true, fullAtMs: next }
    : { taken: false, fullAtMs: current, retryAfterMs: next - emptyFullAtMs };
}

/** Puts one token back, of a try that turned out to be right. */
export function returnToken(fullAtMs: number, rule: BucketRule): number {
  return fullAtMs - rule.refillMs;
}
