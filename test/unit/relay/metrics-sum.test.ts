import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { type MetricsJson, MetricsSum } from "../../../relay/telemetry/aggregate.ts";

async function countsOf(count: number): Promise<MetricsJson> {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: "links_total", help: "x", labelNames: ["code"], registers }).inc(
    { code: "linked" },
    count,
  );
  new Gauge({ name: "memory_bytes", help: "x", registers }).set(count);
  new Histogram({ name: "link_seconds", help: "x", buckets: [1], registers }).observe(count);
  return registry.getMetricsAsJSON();
}

describe("the sum of several processes' metrics", () => {
  it("adds up, and takes each process's latest word", async () => {
    const sum = new MetricsSum();
    sum.learn("a", await countsOf(1));
    sum.learn("a", await countsOf(2));
    sum.learn("b", await countsOf(3));
    const text = await sum.text(await countsOf(10));
    expect(text).toContain('links_total{code="linked"} 15');
    expect(text).toContain("memory_bytes 15");
    expect(text).toContain("link_seconds_count 3");
  });

  it("keeps what processes had counted that go at the same moment", async () => {
    const sum = new MetricsSum();
    for (const name of ["a", "b", "c"]) {
      sum.learn(name, await countsOf(5));
    }
    await Promise.all(["a", "b", "c"].map((name) => sum.retire(name)));
    expect(await sum.text(await countsOf(1))).toContain('links_total{code="linked"} 16');
  });

  it("does not learn what cannot be summed up", async () => {
    const sum = new MetricsSum();
    const nonsense = [{ name: "x", help: "x", type: "counter", aggregator: "sum", values: [{}] }];
    sum.learn("a", nonsense as unknown as MetricsJson);
    expect(await sum.text(await countsOf(1))).toContain("memory_bytes 1");
    await sum.retire("a");
    expect(await sum.text(await countsOf(1))).toContain("memory_bytes 1");
  });

  it("keeps what processes that are gone had counted, and drops their gauges", async () => {
    const sum = new MetricsSum();
    sum.learn("a", await countsOf(1));
    sum.learn("b", await countsOf(3));
    await sum.retire("a");
    await sum.retire("b");
    await sum.retire("never-heard");
    const text = await sum.text(await countsOf(10));
    expect(text).toContain('links_total{code="linked"} 14');
    expect(text).toContain("memory_bytes 10");
    expect(text).toContain("link_seconds_sum 14");
  });
});
