/**
 * Counters and histograms in Prometheus' text form (version 0.0.4). They live in the memory of one
 * isolate: another isolate counts for itself, and all begin at zero when theirs is made anew.
 */

export type Labels = Readonly<Record<string, string>>;

/** Something that can be printed below its `# HELP` and `# TYPE`. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  samples(): readonly Sample[];
}

export interface Sample {
  /** Behind the metric's name, such as `_bucket`. */
  readonly suffix: string;
  readonly labels: Labels;
  readonly value: number;
}

/** Only grows. */
export class Counter implements Metric {
  readonly type = "counter";
  readonly name: string;
  readonly help: string;
  readonly #series = new Map<string, { labels: Labels; value: number }>();

  constructor(name: string, help: string) {
    this.name = name;
    this.help = help;
  }

  /** The labels' values come from closed sets; should they not, the excess is not counted. */
  add(labels: Labels, by = 1): void {
    const key = JSON.stringify(labels);
    const series = this.#series.get(key);
    if (series !== undefined) {
      series.value += by;
    } else if (this.#series.size < SERIES_MAX) {
      this.#series.set(key, { labels, value: by });
    }
  }

  samples(): readonly Sample[] {
    return [...this.#series.values()].map(({ labels, value }) => ({ suffix: "", labels, value }));
  }
}

/** How often a duration was at most so long. */
export class Histogram implements Metric {
  readonly type = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #series = new Map<string, Distribution>();

  constructor(name: string, help: string) {
    this.name = name;
    this.help = help;
  }

  observe(labels: Labels, seconds: number): void {
    const key = JSON.stringify(labels);
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= SERIES_MAX) {
        return;
      }
      series = { labels, counts: BUCKETS_S.map(() => 0), sum: 0, count: 0 };
      this.#series.set(key, series);
    }
    const bucket = BUCKETS_S.findIndex((limit) => seconds <= limit);
    if (bucket !== -1) {
      series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    }
    series.sum += seconds;
    series.count += 1;
  }

  samples(): readonly Sample[] {
    return [...this.#series.values()].flatMap(({ labels, counts, sum, count }) => {
      let below = 0;
      const buckets = BUCKETS_S.map((limit, index) => {
        below += counts[index] ?? 0;
        return { suffix: "_bucket", labels: { ...labels, le: String(limit) }, value: below };
      });
      return [
        ...buckets,
        { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: count },
        { suffix: "_sum", labels, value: sum },
        { suffix: "_count", labels, value: count },
      ];
    });
  }
}

/** Values that were read for this one answer. */
export function gauge(
  name: string,
  help: string,
  values: readonly { readonly labels: Labels; readonly value: number }[],
): Metric {
  const samples = values.map(({ labels, value }) => ({ suffix: "", labels, value }));
  return { name, help, type: "gauge", samples: () => samples };
}

/** The text that Prometheus scrapes. */
export function renderMetrics(metrics: readonly Metric[]): string {
  const lines = metrics.flatMap((metric) => [
    `# HELP ${metric.name} ${metric.help}`,
    `# TYPE ${metric.name} ${metric.type}`,
    ...metric
      .samples()
      .map(({ suffix, labels, value }) => `${metric.name}${suffix}${labelText(labels)} ${value}`),
  ]);
  return `${lines.join("\n")}\n`;
}

interface Distribution {
  readonly labels: Labels;
  readonly counts: number[];
  sum: number;
  count: number;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeValue(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

/** From a cached read to the deadline of the slowest answer. */
const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
/** Some hundred routes by some ten statuses; a scrape stays below a megabyte. */
const SERIES_MAX = 2_000;
