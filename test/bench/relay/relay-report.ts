/** The relay benchmark's figures, and how they are printed for people. */

/** Medians over the rounds, and the extremes of the rounds' own ratios; null without HAProxy. */
export interface Spread {
  readonly relay: number;
  readonly haproxy: number | null;
  readonly ratio: number | null;
  readonly ratioMin: number | null;
  readonly ratioMax: number | null;
}

/** Milliseconds over the direct way, percentile minus percentile. */
export interface AddedLatency {
  readonly p50: number;
  readonly p99: number;
  /** The direct way itself. */
  readonly direct: { readonly p50: number; readonly p99: number };
  /** What HAProxy adds. */
  readonly haproxy: { readonly p50: number; readonly p99: number } | null;
}

export interface RelayFigures {
  /** CPU seconds of the proxy per 10⁹ bytes. */
  readonly cpuPerGb: Spread;
  /** 10⁹ bytes a second, through a proxy on one core. */
  readonly throughput: Spread;
  /** Of an exchange of 64 bytes each way; p50 and p99 at the top are those of `light`. */
  readonly addedLatencyMs: {
    readonly p50: number;
    readonly p99: number;
    readonly light: AddedLatency;
    readonly heavy: AddedLatency;
  };
  /** From the TCP connection to the server's first message, at the median. */
  readonly connectMs: {
    readonly direct: number;
    readonly relay: number;
    readonly haproxy: number | null;
  };
  /** Resident KiB that each idle channel costs, by how many are held. */
  readonly idleChannelKb: Readonly<Record<string, number>>;
  readonly method: {
    readonly rounds: number;
    /** Whether what is compared had a core for itself. */
    readonly pinned: boolean;
    readonly haproxy: boolean;
  };
}

export function printRelayReport(figures: RelayFigures): void {
  const { addedLatencyMs: latency, connectMs } = figures;
  console.table({
    "CPU s per GB": figures.cpuPerGb,
    "GB/s on one core": figures.throughput,
  });
  console.table({
    "added, light": flatten(latency.light),
    "added, heavy": flatten(latency.heavy),
  });
  console.table({ "connect to first message, ms": connectMs });
  console.table({ "KiB per idle channel": figures.idleChannelKb });
  const { rounds, pinned } = figures.method;
  console.log(`${rounds} rounds; ${pinned ? "one core for what is compared" : "not pinned"}`);
}

function flatten(latency: AddedLatency): Readonly<Record<string, number | null>> {
  return {
    "relay p50 ms": latency.p50,
    "relay p99 ms": latency.p99,
    "haproxy p50 ms": latency.haproxy?.p50 ?? null,
    "haproxy p99 ms": latency.haproxy?.p99 ?? null,
    "direct p50 ms": latency.direct.p50,
    "direct p99 ms": latency.direct.p99,
  };
}
