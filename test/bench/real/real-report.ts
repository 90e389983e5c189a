/** The figures of the benchmark with real programs, and how they are printed for people. */
import type { WayName } from "./ways.ts";

/** Milliseconds; the median over the rounds of each round's own percentile, `min` of all. */
export interface Latency {
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** What a way adds to the direct one, percentile minus percentile. */
export type AddedLatency = Pick<Latency, "p50" | "p95" | "p99">;

export interface LatencyFigures {
  readonly ms: ByWay<Latency>;
  readonly addedMs: ByWay<AddedLatency>;
}

/** Medians over the rounds. What concerns a proxy is null where there is none. */
export interface Load {
  /** 10⁶ bytes a second at the client. */
  readonly megabytesPerS: number | null;
  /** Where the client counts them. */
  readonly messagesPerS: number | null;
  /** CPU seconds of the proxy per 10⁹ bytes, and per 10⁶ messages where they are counted. */
  readonly cpuPerGb: number | null;
  readonly cpuPerMillion: number | null;
  /** Cores that the proxy, the client and the X server were busy on. */
  readonly proxyCores: number | null;
  readonly clientCores: number | null;
  readonly serverCores: number | null;
}

/** Relay by HAProxy: of the medians, and the extremes of the rounds. */
export interface Ratio {
  readonly ratio: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
}

export interface LoadFigures {
  readonly ways: ByWay<Load>;
  readonly cpuPerGb: Ratio;
  readonly throughput: Ratio;
}

export interface RealFigures {
  /** A command of QEMU's monitor and its answer, over a port channel. */
  readonly echo?: LatencyFigures;
  /** A key until Xspice's draw. */
  readonly key?: LatencyFigures;
  /** Pictures of 500 × 500 pixels, uncompressed. */
  readonly pictures?: LoadFigures;
  /** Fills of a single pixel. */
  readonly fills?: LoadFigures;
  readonly method: { readonly rounds: number; readonly pinned: boolean };
}

export type ByWay<Value> = Readonly<Partial<Record<WayName, Value>>>;

export function printRealReport(figures: RealFigures): void {
  printLatency("a command to QEMU's monitor and its answer, ms", figures.echo);
  printLatency("a key to Xspice until it is drawn, ms", figures.key);
  printLoad("pictures from Xspice (x11perf -putimage500)", figures.pictures);
  printLoad("fills of one pixel from Xspice (x11perf -rect1)", figures.fills);
  const { rounds, pinned } = figures.method;
  console.log(`${rounds} rounds; ${pinned ? "one core for each proxy" : "not pinned"}`);
}

function printLatency(title: string, figures: LatencyFigures | undefined): void {
  if (figures === undefined) {
    return;
  }
  console.log(title);
  console.table(figures.ms);
  console.log("more than direct, ms");
  console.table(figures.addedMs);
}

function printLoad(title: string, figures: LoadFigures | undefined): void {
  if (figures === undefined) {
    return;
  }
  console.log(title);
  console.table(figures.ways);
  console.table({
    "CPU, relay by haproxy": figures.cpuPerGb,
    "MB/s, relay by haproxy": figures.throughput,
  });
}
