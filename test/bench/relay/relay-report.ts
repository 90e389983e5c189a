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

/** What belongs to the control process, and what to its workers together. */
export interface ProcessParts {
  readonly control: number;
  readonly workers: number;
}

/** A part that was not measured is absent. */
export interface RelayFigures {
  /** CPU seconds of the proxy per 10⁹ bytes. */
  readonly cpuPerGb?: Spread;
  /** 10⁹ bytes a second, through a proxy on one core. */
  readonly throughput?: Spread;
  /** Of an exchange of 64 bytes each way; p50 and p99 at the top are those of `light`. */
  readonly addedLatencyMs?: {
    readonly p50: number;
    readonly p99: number;
    readonly light: AddedLatency;
    readonly heavy: AddedLatency;
  };
  /** From the TCP connection to the server's first message, at the median. */
  readonly connectMs?: {
    readonly direct: number;
    readonly relay: number;
    readonly haproxy: number | null;
  };
  /** Resident KB (1,000 bytes) that each idle channel costs, by how many are held. */
  readonly idleChannelKb?: Readonly<Record<string, number>>;
  /** The same by process. */
  readonly idleChannelParts?: Readonly<Record<string, ProcessParts>>;
  readonly method: {
    readonly rounds: number;
    /** Whether what is compared had a core for itself. */
    readonly pinned: boolean;
    readonly haproxy: boolean;
  };
}

export function printRelayReport(figures: RelayFigures): void {
  const { cpuPerGb, throughput, addedLatencyMs: latency, connectMs } = figures;
  if (cpuPerGb !== undefined) {
    console.table({ "CPU s per GB": cpuPerGb, "GB/s on one core": throughput });
  }
  if (latency !== undefined) {
    const { light, heavy } = latency;
    console.table({ "added, light": flatten(light), "added, heavy": flatten(heavy) });
  }
  if (connectMs !== undefined) {
    console.table({ "connect to first message, ms": connectMs });
  }
  if (figures.idleChannelKb !== undefined) {
    console.table(idleRows(figures.idleChannelKb, figures.idleChannelParts ?? {}));
  }
  const { rounds, pinned } = figures.method;
  console.log(`${rounds} rounds; ${pinned ? "one core for what is compared" : "not pinned"}`);
}

function idleRows(
  all: NonNullable<RelayFigures["idleChannelKb"]>,
  parts: NonNullable<RelayFigures["idleChannelParts"]>,
): Readonly<Record<string, object>> {
  const rows = Object.entries(all).map(([count, kb]): [string, object] => [
    `${count} idle channels`,
    { "KB (1,000 bytes) each": kb, ...parts[count] },
  ]);
  return Object.fromEntries(rows);
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
