/** Metrics as Prometheus reads them. */
import { describe, expect, it } from "vitest";
import { Counter, gauge, Histogram, renderMetrics } from "../../../worker/telemetry/metric.ts";

describe("metrics", () => {
  it("are printed below what they are", () => {
    const counter = new Counter("x_total", "Things.");
    counter.add({ kind: "a" });
    counter.add({ kind: "a" }, 2);
    counter.add({ kind: 'b"\\\n' });
    const up = gauge("up", "Whether.", [{ labels: {}, value: 1 }]);
    expect(renderMetrics([up, counter])).toBe(
      "# HELP up Whether.\n# TYPE up gauge\nup 1\n" +
        "# HELP x_total Things.\n# TYPE x_total counter\n" +
        'x_total{kind="a"} 3\nx_total{kind="b\\"\\\\\\n"} 1\n',
    );
  });

  it("count durations in every bucket that is not shorter", () => {
    const histogram = new Histogram("t_seconds", "Time.");
    for (const seconds of [0.004, 0.005, 0.02, 3, 100]) {
      histogram.observe({ route: "r" }, seconds);
    }
    const text = renderMetrics([histogram]);
    for (const [le, count] of Object.entries({ "0.005": 2, "0.01": 2, "0.025": 3, "20": 4 })) {
      expect(text).toContain(`t_seconds_bucket{route="r",le="${le}"} ${count}\n`);
    }
    expect(text).toContain('t_seconds_bucket{route="r",le="+Inf"} 5\n');
    expect(text).toContain('t_seconds_count{route="r"} 5\n');
    expect(text).toMatch(/t_seconds_sum\{route="r"\} 103\.029\d*\n/);
  });

  it("hold a bounded number of series", () => {
    const counter = new Counter("x_total", "Things.");
    const histogram = new Histogram("t_seconds", "Time.");
    for (let index = 0; index < 5_000; index += 1) {
      counter.add({ index: String(index) });
      histogram.observe({ index: String(index) }, 1);
    }
    counter.add({ index: "0" });
    expect(counter.samples()).toHaveLength(2_000);
    expect(counter.samples()[0]?.value).toBe(2);
    expect(renderMetrics([histogram]).match(/_count\{/g)).toHaveLength(2_000);
  });
});
