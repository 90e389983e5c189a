/** Rounds of calls: so many callers, each with its next call as soon as its last was answered. */
import { inTurns } from "../../harness/api-pool.ts";
import { type CallFigure, type Round, summarizeCalls } from "./summary.ts";

export interface Measurement {
  readonly callers: number;
  /** Calls in each round. */
  readonly calls: number;
  readonly rounds: number;
  /** One call, and whether its answer was right. @throws Error when it was not */
  readonly call: (index: number) => Promise<void>;
}

/** A first round of a tenth of the calls does not count. */
export async function measureCalls(measurement: Measurement): Promise<CallFigure> {
  const { callers, calls, rounds } = measurement;
  const warmUp = Math.ceil(calls / 10);
  await runRound(measurement, 0, warmUp);
  const taken: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    taken.push(await runRound(measurement, warmUp + round * calls, calls));
  }
  return summarizeCalls(callers, taken);
}

async function runRound(measurement: Measurement, first: number, calls: number): Promise<Round> {
  const callMs: number[] = [];
  const startedMs = performance.now();
  await inTurns(measurement.callers, calls, async (index) => {
    const beganMs = performance.now();
    await measurement.call(first + index);
    callMs.push(performance.now() - beganMs);
  });
  return { callMs, wallMs: performance.now() - startedMs };
}
