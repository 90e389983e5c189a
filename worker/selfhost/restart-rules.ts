/**
 * When a part of the host that ended is started again, and when that is no use any more. Pure: the
 * keeper tells what happened and when.
 */

export type Verdict =
  | { readonly kind: "restart"; readonly afterMs: number }
  | { readonly kind: "give-up"; readonly ends: number };

export const RESTART_LIMITS = {
  /** The wait before the first restart; each further one within the window doubles it. */
  firstWaitMs: 100,
  waitMsMax: 5_000,
  /** Ends that are longer ago than this count no more: what ran that long works. */
  windowMs: 60_000,
  /** Within the window; who ends more often will again. With their waits these take six seconds. */
  endsMax: 6,
} as const;

/** @param endedAtMs when the part ended so far, the present end included, oldest first */
export function judgeEnd(endedAtMs: readonly number[], nowMs: number): Verdict {
  const { firstWaitMs, waitMsMax, endsMax } = RESTART_LIMITS;
  const ends = recentEnds(endedAtMs, nowMs).length;
  return ends > endsMax
    ? { kind: "give-up", ends }
    : { kind: "restart", afterMs: Math.min(firstWaitMs * 2 ** (ends - 1), waitMsMax) };
}

/** The ends that still count. */
export function recentEnds(endedAtMs: readonly number[], nowMs: number): readonly number[] {
  return endedAtMs.filter((atMs) => nowMs - atMs < RESTART_LIMITS.windowMs);
}
