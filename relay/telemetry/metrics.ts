/**
 * The relay's metrics in a registry of their own. Labels have few values and name no user, console
 * or address. Byte counts are read when they are scraped, so that the pump pays nothing for them.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export interface MetricsSources {
  /** Read at each scrape. */
  readonly connections: () => number;
  readonly counts: () => {
    readonly sessions: number;
    readonly channels: number;
    readonly grants: number;
  };
  readonly traffic: { readonly clientBytes: number; readonly serverBytes: number };
}

export interface Metrics {
  readonly registry: Registry;
  readonly connectionsAccepted: Counter;
  /** Label `code`: an error code, or "linked". */
  readonly links: Counter<"code">;
  readonly linkSeconds: Histogram;
  /** Label `reason`. */
  readonly ticketsRefused: Counter<"reason">;
  readonly channelsRefused: Counter<"code">;
  readonly channelsOpened: Counter<"channel">;
  readonly channelsOpen: Gauge<"channel">;
  readonly channelsClosed: Counter<"channel" | "code">;
  readonly sessionsEnded: Counter<"reason">;
  /** Bugs of ours that ended one connection. */
  readonly faults: Counter;
}

/** Makes the metrics; each call has its own registry. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // Event loop lag, memory, CPU, open handles.
  collectDefaultMetrics({ register: registry });
  watchSources(registry, sources);
  const counter = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> =>
    new Counter({ name: `${PREFIX}${name}`, help, labelNames: [...labelNames], registers });
  return {
    registry,
    connectionsAccepted: counter("connections_accepted_total", "TLS handshakes that succeeded."),
    links: counter("links_total", "Client links by outcome.", ["code"]),
    linkSeconds: new Histogram({
      name: `${PREFIX}link_seconds`,
      help: "From the TLS handshake to both legs linked.",
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    ticketsRefused: counter("tickets_refused_total", "Tickets refused, by reason.", ["reason"]),
    channelsRefused: counter("channels_refused_total", "Channels refused, by code.", ["code"]),
    channelsOpened: counter("channels_opened_total", "Channels linked on both legs.", ["channel"]),
    channelsOpen: new Gauge({
      name: `${PREFIX}channels_open`,
      help: "Channels that are open, by type.",
      labelNames: ["channel"],
      registers,
    }),
    channelsClosed: counter("channels_closed_total", "Open channels that ended, by code.", [
      "channel",
      "code",
    ]),
    sessionsEnded: counter("sessions_ended_total", "Sessions that ended, by reason.", ["reason"]),
    faults: counter("faults_total", "Bugs that ended one connection."),
  };
}

function watchSources(registry: Registry, sources: MetricsSources): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge("connections", "Client connections, linked or not.", sources.connections);
  gauge("sessions", "Living sessions.", () => sources.counts().sessions);
  gauge("channels_reserved", "Channels admitted, open or not.", () => sources.counts().channels);
  gauge("grants_held", "Grants that wait for their ticket.", () => sources.counts().grants);
  const directions = { client: "clientBytes", server: "serverBytes" } as const;
  const forwarded = new Counter({
    name: `${PREFIX}forwarded_bytes_total`,
    help: "SPICE bytes forwarded, by who sent them.",
    labelNames: ["from"],
    registers,
    collect() {
      this.reset();
      for (const [from, key] of Object.entries(directions)) {
        this.inc({ from }, sources.traffic[key]);
      }
    },
  });
  forwarded.reset();
}

const PREFIX = "kerbside_relay_";
