/** What rounds of calls come to, pure. */
import { median, percentile, rounded } from "../relay/statistics.ts";

/** One round: how long each call took, and all of them together. */
export interface Round {
  readonly callMs: readonly number[];
  readonly wallMs: number;
}

/** Milliseconds; each is the median of the rounds' own figures, with the lowest and the highest. */
export interface CallFigure {
  readonly callers: number;
  readonly calls: number;
  readonly perSecond: number;
  readonly perSecondMin: number;
  readonly perSecondMax: number;
  readonly p50Ms: number;
  readonly p50MsMin: number;
  readonly p50MsMax: number;
  readonly p99Ms: number;
  readonly p99MsMin: number;
  readonly p99MsMax: number;
  readonly maxMs: number;
}

export function summarizeCalls(callers: number, rounds: readonly Round[]): CallFigure {
  const [perSecond, perSecondMin, perSecondMax] = spread(
    rounds.map(({ callMs, wallMs }) => callMs.length / (wallMs / 1000)),
  );
  const [p50Ms, p50MsMin, p50MsMax] = spread(rounds.map(({ callMs }) => percentile(callMs, 0.5)));
  const [p99Ms, p99MsMin, p99MsMax] = spread(rounds.map(({ callMs }) => percentile(callMs, 0.99)));
  return {
    callers,
    calls: rounds.reduce((sum, { callMs }) => sum + callMs.length, 0),
    ...{ perSecond, perSecondMin, perSecondMax },
    ...{ p50Ms, p50MsMin, p50MsMax },
    ...{ p99Ms, p99MsMin, p99MsMax },
    maxMs: rounded(Math.max(...rounds.flatMap(({ callMs }) => callMs)), 1),
  };
}

/** Median, lowest, highest. */
function spread(values: readonly number[]): [number, number, number] {
  return [median(values), Math.min(...values), Math.max(...values)].map((value) =>
    rounded(value, 1),
  ) as [number, number, number];
}
