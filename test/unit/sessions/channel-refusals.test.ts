import { expect, it } from "vitest";
import { makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, RegistryBench } from "../../harness/relay/registry-bench.ts";

it("channels that a session may not open, tried again and again, are told in a sum", async () => {
  const control = await makeControl(() => BENCH_START_MS);
  const bench = new RegistryBench(control, { channelRefusalsToldMax: 3 });
  const { ticket, sessionId } = await bench.issue({ policy: { channels: ["main"] } });
  await bench.openMain(ticket, 7);
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const display = { channel: "display", connectionId: 7 } as const;
    expect(await bench.code(ticket, display)).toBe("channel.not-permitted");
  }
  expect(bench.events.of("channel.refused")).toHaveLength(3);
  bench.clock.advance(60_000);
  bench.registry.sweep();
  expect(bench.events.of("channel.refused").slice(3)).toMatchObject([
    { sessionId, code: "channel.not-permitted", detail: "7 of them within a minute" },
  ]);
});
