/**
 * Several processes' metrics as one text. Promises that counters never fall: what a process that is
 * gone had counted stays in the sum, and one that does not answer in time counts as it last did.
 * What cannot be summed up is not learned, because a process that is not trusted told it.
 */
import { AggregatorRegistry, type MetricObject, Registry } from "prom-client";

/** What {@link Registry.getMetricsAsJSON} gives. */
export type MetricsJson = readonly MetricObject[];

/** Sums up; histograms are counters too. */
export class MetricsSum {
  readonly #latest = new Map<string, MetricsJson>();
  /** What was counted by those that are gone; more than one entry only while they are added up. */
  readonly #gone: MetricsJson[] = [];
  #isFolding = false;

  /** What a process has told now. */
  learn(processName: string, metrics: MetricsJson): void {
    if (isSummable(metrics)) {
      this.#latest.set(processName, metrics);
    }
  }

  /** A process is gone: its gauges are void, its counts stay. */
  async retire(processName: string): Promise<void> {
    const latest = this.#latest.get(processName);
    this.#latest.delete(processName);
    if (latest !== undefined) {
      this.#gone.push(latest.filter(({ type }) => COUNTED.has(String(type))));
      await this.#fold();
    }
  }

  /** The text of all of them, with `own` metrics of the asking process. */
  async text(own: MetricsJson): Promise<string> {
    return aggregate([own, ...this.#latest.values(), ...this.#gone]).metrics();
  }

  /** One at a time: processes may go together, and neither's counts may replace the other's. */
  async #fold(): Promise<void> {
    if (this.#isFolding) {
      return;
    }
    this.#isFolding = true;
    while (this.#gone.length > 1) {
      const sum = await aggregate(this.#gone.slice(0, 2)).getMetricsAsJSON();
      this.#gone.splice(0, 2, sum);
    }
    this.#isFolding = false;
  }
}

function aggregate(all: readonly MetricsJson[]): Registry {
  return AggregatorRegistry.aggregate(all.map((metrics) => [...metrics]));
}

function isSummable(metrics: MetricsJson): boolean {
  try {
    aggregate([metrics]);
    return true;
  } catch {
    return false;
  }
}

/** What Prometheus text is served as. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

const COUNTED: ReadonlySet<string> = new Set(["counter", "histogram"]);
