/**
 * The control process's metrics: sessions, channels, refusals, workers. Labels have few values and
 * name no user, console or address.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";

/** What every metric of the relay is called first. */
export const METRICS_PREFIX = "kerbside_relay_";

export interface MetricsSources {
  /** Read at each scrape. */
  readonly connections: () => number;
  readonly workers: () => number;
  /** When the certificate that clients are shown ends, in milliseconds since 1970. */
  readonly certificateEndsAtMs: () => number;
  readonly counts: () => {
    readonly sessions: number;
    readonly channels: number;
    readonly grants: number;
  };
}

export interface Metrics {
  readonly registry: Registry;
  /** Connections closed unheard. */
  readonly gateRefusals: Counter<"code">;
  /** Worker processes that ended unasked; label `cause`. */
  readonly workersLost: Counter<"cause">;
  /** Label `reason`. */
  readonly ticketsRefused: Counter<"reason">;
  readonly channelsRefused: Counter<"code">;
  readonly channelsOpened: Counter<"channel">;
  readonly channelsOpen: Gauge<"channel">;
  readonly channelsClosed: Counter<"channel" | "code">;
  readonly sessionsEnded: Counter<"reason">;
  /** Changes of keys and certificates. Labels `what` and `outcome`. */
  readonly upkeep: Counter<"what" | "outcome">;
}

/** A registry with what each process tells of itself: event loop lag, memory, CPU, open handles. */
export function createProcessRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Makes the metrics in a registry. */
export function createMetrics(registry: Registry, sources: MetricsSources): Metrics {
  const registers = [registry];
  watchSources(registry, sources);
  const counter = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> =>
    new Counter({ name: `${METRICS_PREFIX}${name}`, help, labelNames: [...labelNames], registers });
  return {
    registry,
    gateRefusals: counter("gate_refusals_total", "Connections closed unheard, by code.", ["code"]),
    workersLost: counter("workers_lost_total", "Worker processes that crashed or hung.", ["cause"]),
    ticketsRefused: counter("tickets_refused_total", "Tickets refused, by reason.", ["reason"]),
    channelsRefused: counter("channels_refused_total", "Channels refused, by code.", ["code"]),
    channelsOpened: counter("channels_opened_total", "Channels linked on both legs.", ["channel"]),
    channelsOpen: new Gauge({
      name: `${METRICS_PREFIX}channels_open`,
      help: "Channels that are open, by type.",
      labelNames: ["channel"],
      registers,
    }),
    channelsClosed: counter("channels_closed_total", "Open channels that ended, by code.", [
      "channel",
      "code",
    ]),
    sessionsEnded: counter("sessions_ended_total", "Sessions that ended, by reason.", ["reason"]),
    upkeep: counter("upkeep_total", "Renewals and rotations, by outcome.", ["what", "outcome"]),
  };
}

function watchSources(registry: Registry, sources: MetricsSources): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name: `${METRICS_PREFIX}${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge("connections", "Client connections, linked or not.", sources.connections);
  gauge("workers", "Worker processes that carry connections.", sources.workers);
  gauge(
    "certificate_end_seconds",
    "When the certificate that clients are shown ends, in seconds since 1970.",
    () => sources.certificateEndsAtMs() / 1000,
  );
  gauge("sessions", "Living sessions.", () => sources.counts().sessions);
  gauge("channels_reserved", "Channels admitted, open or not.", () => sources.counts().channels);
  gauge("grants_held", "Grants that wait for their ticket.", () => sources.counts().grants);
}
