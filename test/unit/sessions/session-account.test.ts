/** What is told of channels and refusals: once each, in order, within the contract's bounds. */
import { beforeEach, describe, expect, it } from "vitest";
import { FIREWALL_FINDINGS_MAX, type FirewallFinding } from "#shared/audit/events.ts";
import { type FakeControl, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, closed, RegistryBench } from "../../harness/relay/registry-bench.ts";

let control: FakeControl;
let bench: RegistryBench;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
  bench = new RegistryBench(control);
});

const finding = (messageType: number): FirewallFinding => ({
  direction: "client",
  rule: "type",
  messageType,
  count: 3,
});

describe("a channel with findings", () => {
  it("tells of them once, when it has ended and before its session has", async () => {
    const { ticket, sessionId } = await bench.issue({ policy: { firewall: "observe" } });
    const main = await bench.openMain(ticket);
    expect(main.firewall).toBe("observe");
    main.end({ ...closed("client"), findings: [finding(900)] });
    expect(bench.events.types().slice(-3)).toEqual([
      "channel.closed",
      "channel.firewall",
      "session.ended",
    ]);
    const told = { sessionId, channel: "main", channelId: 0, mode: "observe" };
    expect(bench.events.of("channel.firewall")).toEqual([
      { type: "channel.firewall", ...told, findings: [finding(900)] },
    ]);
    expect(bench.summaries.firewall).toMatchObject([told]);
    expect(bench.summaries.channels[0]).not.toHaveProperty("findings");
  });

  it("tells of as many as an event holds", async () => {
    const main = await bench.openMain((await bench.issue()).ticket);
    expect(main.firewall).toBe("enforce");
    const findings = Array.from({ length: FIREWALL_FINDINGS_MAX + 1 }, (_none, type) =>
      finding(type),
    );
    main.end({ ...closed("client"), findings });
    const [event] = bench.events.of("channel.firewall");
    expect(event?.findings).toHaveLength(FIREWALL_FINDINGS_MAX);
  });

  it("without any tells of nothing", async () => {
    (await bench.openMain((await bench.issue()).ticket)).end({ ...closed("client"), findings: [] });
    expect(bench.events.of("channel.firewall")).toEqual([]);
    expect(bench.summaries.firewall).toEqual([]);
  });
});

describe("a worker that is lost", () => {
  it("ends its sessions as a fault of the relay, and only the channel of others", async () => {
    const { ticket } = await bench.issue();
    const main = await bench.openMain(ticket);
    const other = await bench.join(ticket);
    const lost = { ...closed("relay"), code: "relay.worker-lost" } as const;
    other.end(lost);
    expect(bench.events.of("session.ended")).toEqual([]);
    main.end(lost);
    expect(bench.events.of("channel.closed").map((event) => event.reason)).toEqual([
      "relay.worker-lost",
      "relay.worker-lost",
    ]);
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "relay-fault" }]);
  });
});

describe("refused tickets", () => {
  const bad = { clientAddress: "192.0.2.66" };

  it("are withheld ever longer from their own address, and good ones never", async () => {
    for (let index = 0; index < 6; index += 1) {
      await bench.code("hunter2", bad);
    }
    expect(await bench.admit("hunter2", bad)).toMatchObject({ error: { holdMs: 2_000 } });
    expect(await bench.admit("hunter2")).toMatchObject({ error: { holdMs: 0 } });
    const { ticket } = await bench.issue();
    expect(await bench.code(ticket, bad)).toBe("admitted");
  });

  it("are told singly at first, then in sums, of which a stop loses none", async () => {
    for (let index = 0; index < 20; index += 1) {
      await bench.code("hunter2", bad);
    }
    expect(bench.events.of("ticket.refused")).toHaveLength(5);
    await bench.registry.stop();
    expect(bench.events.of("ticket.refused").at(-1)).toEqual({
      type: "ticket.refused",
      reason: "malformed",
      channel: "main",
      clientAddress: bad.clientAddress,
      sessionId: null,
      count: 15,
    });
    expect(bench.summaries.refusedTickets.at(-1)).toEqual({ reason: "malformed", count: 15 });
  });

  it("are told by a sweep when their minute is over", async () => {
    for (let index = 0; index < 6; index += 1) {
      await bench.code("hunter2", bad);
    }
    bench.registry.sweep();
    expect(bench.events.all).toHaveLength(5);
    bench.clock.advance(60_000);
    bench.registry.sweep();
    expect(bench.events.all).toHaveLength(6);
  });
});
