/**
 * When a part of the host that runs and answers nothing counts as hanging. Pure: the watch tells what
 * it asked and when.
 */

/** A question that got no answer. Milliseconds on a clock that only moves forward. */
export interface Unanswered {
  readonly askedAtMs: number;
  /** When it was given up. */
  readonly endedAtMs: number;
}

/** Questions in a row without an answer. */
export interface Silence {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly questions: number;
}

export interface WatchLimits {
  /** From the end of one question to the next one. */
  readonly everyMs: number;
  /** How long an answer may take. */
  readonly answerMs: number;
  readonly questionsMin: number;
  readonly silenceMsMin: number;
  readonly lateMsMax: number;
}

/**
 * Generous: a part that is merely busy must never be ended, because everything under way is lost
 * then. Who hangs is ended seventy seconds after the first question, and eighty after the last answer.
 */
export const WATCH_LIMITS: WatchLimits = {
  /** Often enough for the figures below, and no load. */
  everyMs: 10_000,
  /** Everybody who asks meanwhile has long given up. */
  answerMs: 10_000,
  /** One or two may be lost to a burst of work or of connections. */
  questionsMin: 4,
  /** Refusals come at once; so they have to come for as long. */
  silenceMsMin: 60_000,
  /**
   * When this process's own timers are later than this, it was suspended, as the part may have been,
   * or the machine is overloaded: then nothing is known.
   */
  lateMsMax: 5_000,
};

/** The silence with one more question; null: it does not count, because we were late ourselves. */
export function lengthen(
  before: Silence | null,
  { askedAtMs, endedAtMs }: Unanswered,
  { everyMs, answerMs, lateMsMax }: WatchLimits,
): Silence | null {
  if (endedAtMs - askedAtMs > answerMs + lateMsMax) {
    return null;
  }
  const isNext = before !== null && askedAtMs - before.untilMs <= everyMs + lateMsMax;
  return isNext
    ? { sinceMs: before.sinceMs, untilMs: endedAtMs, questions: before.questions + 1 }
    : { sinceMs: askedAtMs, untilMs: endedAtMs, questions: 1 };
}

export function isHanging(silence: Silence, limits: WatchLimits): boolean {
  const { sinceMs, untilMs, questions } = silence;
  return questions >= limits.questionsMin && untilMs - sinceMs >= limits.silenceMsMin;
}
