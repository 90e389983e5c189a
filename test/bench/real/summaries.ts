/** What the rounds of the benchmark with real programs come to. */
import { median, percentile, rounded } from "../relay/statistics.ts";
import type { LoadSample } from "./measure.ts";
import type {
  AddedLatency,
  Latency,
  LatencyFigures,
  Load,
  LoadFigures,
  Ratio,
} from "./real-report.ts";
import type { WayName } from "./ways.ts";

/** @param taken each way's rounds, each of them a series of milliseconds */
export function summarizeLatency(
  taken: ReadonlyMap<WayName, readonly (readonly number[])[]>,
): LatencyFigures {
  const ms: Partial<Record<WayName, Latency>> = {};
  const addedMs: Partial<Record<WayName, AddedLatency>> = {};
  const direct = taken.get("direct") ?? [];
  for (const [name, series] of taken) {
    const at = (share: number, of = series): number =>
      median(of.map((round) => percentile(round, share)));
    const added = (share: number): number => rounded(at(share) - at(share, direct), 3);
    ms[name] = {
      min: rounded(Math.min(...series.flat()), 3),
      ...{ p50: rounded(at(0.5), 3), p95: rounded(at(0.95), 3), p99: rounded(at(0.99), 3) },
    };
    if (name !== "direct") {
      addedMs[name] = { p50: added(0.5), p95: added(0.95), p99: added(0.99) };
    }
  }
  return { ms, addedMs };
}

export function summarizeLoads(taken: ReadonlyMap<WayName, readonly LoadSample[]>): LoadFigures {
  const ways: Partial<Record<WayName, Load>> = {};
  for (const [name, series] of taken) {
    ways[name] = middleOf(series);
  }
  const compare = (pick: Pick): Ratio =>
    ratioOf(numbers(taken.get("relay") ?? [], pick), numbers(taken.get("haproxy") ?? [], pick));
  return {
    ways,
    cpuPerGb: compare((each) => each.cpuPerGb),
    throughput: compare((each) => each.megabytesPerS),
  };
}

type Pick = (sample: LoadSample) => number | null;

function middleOf(series: readonly LoadSample[]): Load {
  const middle = (digits: number, pick: Pick): number | null => {
    const value = median(numbers(series, pick));
    return Number.isFinite(value) ? rounded(value, digits) : null;
  };
  return {
    megabytesPerS: middle(1, (each) => each.megabytesPerS),
    messagesPerS: middle(0, (each) => each.messagesPerS),
    cpuPerGb: middle(3, (each) => each.cpuPerGb),
    cpuPerMillion: middle(3, (each) => each.cpuPerMillion),
    proxyCores: middle(2, (each) => each.proxyCores),
    clientCores: middle(2, (each) => each.clientCores),
    serverCores: middle(2, (each) => each.serverCores),
  };
}

function numbers(series: readonly LoadSample[], pick: Pick): number[] {
  return series.map((each) => pick(each) ?? Number.NaN);
}

function ratioOf(ours: readonly number[], theirs: readonly number[]): Ratio {
  const each = ours.map((value, index) => value / (theirs[index] ?? Number.NaN));
  return {
    ratio: rounded(median(ours) / median(theirs), 3),
    ratioMin: rounded(Math.min(...each), 3),
    ratioMax: rounded(Math.max(...each), 3),
  };
}
