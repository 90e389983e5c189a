/** The crew without worker processes: the control process carries the connections itself. */
import type { Socket } from "node:net";
import type { Registry } from "prom-client";
import type { Origin } from "../listen/arrival.ts";
import type { PortKind } from "../listen/client-ports.ts";
import type { TlsIdentity } from "../listen/tls-settings.ts";
import { type MetricsJson, MetricsSum } from "../telemetry/aggregate.ts";
import type { TrafficTotals } from "../pump/run-channel.ts";
import { createCarrierMetrics } from "../telemetry/carrier-metrics.ts";
import type { Usage } from "../telemetry/load-meter.ts";
import { Carrier } from "./carrier.ts";
import type { Crew, CrewOptions, WorkerStatus } from "./crew.ts";

/** For tests, developers' machines and small sites. */
export class OwnCrew implements Crew {
  readonly #carrier: Carrier;
  readonly #traffic: TrafficTotals = { clientBytes: 0, serverBytes: 0 };

  /** @throws when the certificate does not fit its key */
  constructor(options: CrewOptions, registry: Registry) {
    const traffic = this.#traffic;
    const metrics = createCarrierMetrics(registry, traffic);
    this.#carrier = new Carrier({ ...options, metrics, traffic });
  }

  take(kind: PortKind, socket: Socket, about: Origin): void {
    this.#carrier.take(kind, socket, about);
  }

  replaceIdentity(tls: TlsIdentity): void {
    this.#carrier.replaceIdentity(tls);
  }

  setWebOrigins(origins: readonly string[]): void {
    this.#carrier.setWebOrigins(origins);
  }

  stop(): void {
    this.#carrier.stop();
  }

  async destroy(): Promise<void> {
    this.#carrier.destroy();
  }

  async metricsText(own: () => Promise<MetricsJson>): Promise<string> {
    return new MetricsSum().text(await own());
  }

  workers(): readonly WorkerStatus[] {
    return [];
  }

  usage(): Usage {
    const { clientBytes, serverBytes } = this.#traffic;
    return { bytes: clientBytes + serverBytes, cpuMicros: 0, loopDelayMs: 0 };
  }
}
