/**
 * Metrics of what carries connections: one set in each worker process, summed up when they are
 * scraped. Labels have few values and name no user, console or address. Byte counts are read when
 * they are scraped, so that the pump pays nothing for them.
 */
import { Counter, Histogram, type Registry } from "prom-client";
import type { Admissions } from "../sessions/ports.ts";
import { METRICS_PREFIX } from "./metrics.ts";

export interface CarrierMetrics {
  /** Label `way`: how they came in. */
  readonly connectionsAccepted: Counter<"way">;
  /** Label `code`: an error code, or "linked"; `way` is "none" before there was one. */
  readonly links: Counter<"code" | "way">;
  readonly linkSeconds: Histogram;
  /** Refusals that were withheld from their clients for a while. */
  readonly refusalsHeld: Counter<"code">;
  readonly firewallFindings: Counter<"channel" | "direction" | "rule" | "action">;
  /** Bugs of ours that ended one connection. */
  readonly faults: Counter;
}

/** Makes them in a registry; `traffic` is read at each scrape. */
export function createCarrierMetrics(
  registry: Registry,
  traffic: { readonly clientBytes: number; readonly serverBytes: number },
): CarrierMetrics {
  const registers = [registry];
  const counter = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> =>
    new Counter({ name: `${METRICS_PREFIX}${name}`, help, labelNames: [...labelNames], registers });
  watchTraffic(registry, traffic);
  return {
    connectionsAccepted: counter(
      "connections_accepted_total",
      "Connections whose way in was understood.",
      ["way"],
    ),
    links: counter("links_total", "Client links by outcome.", ["code", "way"]),
    linkSeconds: new Histogram({
      name: `${METRICS_PREFIX}link_seconds`,
      help: "From the way in to both legs linked.",
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    refusalsHeld: counter("refusals_held_total", "Refusals whose answer was withheld.", ["code"]),
    firewallFindings: counter(
      "firewall_findings_total",
      "Messages that broke a rule: their channel ended, or they were only observed.",
      ["channel", "direction", "rule", "action"],
    ),
    faults: counter("faults_total", "Bugs that ended one connection."),
  };
}

/** The same admissions, with each refusal counted whose answer is to be withheld. */
export function countHeldRefusals(
  admissions: Admissions,
  metrics: Pick<CarrierMetrics, "refusalsHeld">,
): Admissions {
  return {
    foresee: async (clue, from) => {
      const foreseen = await admissions.foresee(clue, from);
      if (!foreseen.ok && foreseen.error.holdMs > 0) {
        metrics.refusalsHeld.inc({ code: foreseen.error.code });
      }
      return foreseen;
    },
    admit: async (presented) => {
      const admitted = await admissions.admit(presented);
      if (!admitted.ok && admitted.error.holdMs > 0) {
        metrics.refusalsHeld.inc({ code: admitted.error.code });
      }
      return admitted;
    },
  };
}

function watchTraffic(
  registry: Registry,
  traffic: { readonly clientBytes: number; readonly serverBytes: number },
): void {
  const directions = { client: "clientBytes", server: "serverBytes" } as const;
  const forwarded = new Counter({
    name: `${METRICS_PREFIX}forwarded_bytes_total`,
    help: "SPICE bytes forwarded, by who sent them.",
    labelNames: ["from"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [from, key] of Object.entries(directions)) {
        this.inc({ from }, traffic[key]);
      }
    },
  });
  forwarded.reset();
}
