/**
 * Several processes' metrics as one text. Promises that counters never fall: what a process that is
 * gone had counted stays in the sum, and one that does not answer in time counts as it last did.
 */
import { AggregatorRegistry, type MetricObject, Registry } from "prom-client";

/** What {@link Registry.getMetricsAsJSON} gives. */
export type MetricsJson = readonly MetricObject[];

/** Sums up; histograms are counters too. */
export class MetricsSum {
  readonly #latest = new Map<string, MetricsJson>();
  #gone: MetricsJson = [];

  /** What a process has told now. */
  learn(processName: string, metrics: MetricsJson): void {
    this.#latest.set(processName, metrics);
  }

  /** A process is gone: its gauges are void, its counts stay. */
  async retire(processName: string): Promise<void> {
    const latest = this.#latest.get(processName);
    this.#latest.delete(processName);
    if (latest !== undefined) {
      const counted = latest.filter(({ type }) => COUNTED.has(String(type)));
      const sum = AggregatorRegistry.aggregate([[...this.#gone], counted]);
      this.#gone = await sum.getMetricsAsJSON();
    }
  }

  /** The text of all of them, with `own` metrics of the asking process. */
  async text(own: MetricsJson): Promise<string> {
    const all = [own, ...this.#latest.values(), this.#gone];
    return AggregatorRegistry.aggregate(all.map((metrics) => [...metrics])).metrics();
  }
}

/** What Prometheus text is served as. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

const COUNTED: ReadonlySet<string> = new Set(["counter", "histogram"]);
