/** Sessions whose policy is strict about losing the control plane, and those that live on. */
import { beforeEach, describe, expect, it } from "vitest";
import { HEARTBEAT_INTERVAL_MS, HELLO_DEADLINE_MS, LEASE_MS } from "#shared/control/limits.ts";
import { CONTROL_LOSS_S_MIN } from "#shared/policy/policy.ts";
import { type FakeControl, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, closed, obey, RegistryBench } from "../../harness/relay/registry-bench.ts";

const strict = { controlLoss: { strict: 30 } };

let control: FakeControl;
let bench: RegistryBench;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
  bench = new RegistryBench(control);
});

/** Time passes, and the control plane is heard at its end or not. */
function pass(ms: number, heard: boolean): void {
  if (heard) {
    bench.heardAtMs = bench.clock.nowMs() + ms;
  }
  bench.clock.advance(ms);
}

describe("a strict session", () => {
  it("ends when nothing was heard for as long as its policy allows, and not before", async () => {
    const { ticket } = await bench.issue({ policy: strict });
    const main = await bench.openMain(ticket);
    const display = await bench.join(ticket);
    pass(29_999, false);
    expect(main.signal.aborted).toBe(false);
    pass(1, false);
    expect(main.signal.reason).toMatchObject({ by: "relay", code: "control-lost" });
    obey(main);
    obey(display);
    expect(bench.events.of("session.ended")).toMatchObject([
      { reason: "control-lost", detail: "nothing was heard from the control plane for 30 s" },
    ]);
    expect(bench.clock.timerCount).toBe(0);
  });

  it("lives as long as something is heard in time", async () => {
    const { ticket } = await bench.issue({ policy: strict });
    const main = await bench.openMain(ticket);
    for (let count = 0; count < 20; count += 1) {
      pass(20_000, true);
    }
    expect(main.signal.aborted).toBe(false);
    pass(30_000, false);
    expect(main.signal.aborted).toBe(true);
  });

  it("counts from what was heard last, also if that was before it opened", async () => {
    pass(20_000, false);
    const { ticket } = await bench.issue({ policy: strict });
    const main = await bench.openMain(ticket);
    pass(10_000, false);
    expect(main.signal.aborted).toBe(true);
  });

  it("ends while it waits for its client", async () => {
    const { ticket } = await bench.issue({ policy: { ...strict, reconnectWindowS: 600 } });
    (await bench.openMain(ticket)).end(closed("client"));
    pass(30_000, false);
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "control-lost" }]);
  });

  it("begins neither with a ticket nor with a dial while nothing is heard, and keeps its ticket", async () => {
    const { ticket, sessionId } = await bench.issue({ policy: strict });
    pass(30_000, false);
    expect(await bench.admit(ticket)).toMatchObject({
      ok: false,
      error: { code: "policy.control-lost", holdMs: 0 },
    });
    expect(bench.events.of("channel.refused")).toMatchObject([
      { sessionId, channel: "main", code: "policy.control-lost" },
    ]);
    const clue = { kind: "token", token: ticket } as const;
    expect(await bench.registry.foresee(clue)).toEqual({ ok: true, value: null });
    pass(0, true);
    expect(await bench.code(ticket)).toBe("admitted");
  });

  it("takes neither a channel nor its client back once it is too late", async () => {
    const { ticket } = await bench.issue({ policy: { ...strict, reconnectWindowS: 600 } });
    const main = await bench.openMain(ticket);
    // Its deadline has not been looked at yet.
    bench.heardAtMs = bench.clock.nowMs() - 30_000;
    const later = { channel: "display", connectionId: 7 } as const;
    expect(await bench.code(ticket, later)).toBe("policy.control-lost");
    main.end(closed("client"));
    expect(await bench.code(ticket)).toBe("policy.control-lost");
  });

  it("is given a silence that no single lost connection can cause", () => {
    const oneLossMs = LEASE_MS + HEARTBEAT_INTERVAL_MS + HELLO_DEADLINE_MS;
    expect(CONTROL_LOSS_S_MIN * 1000).toBeGreaterThan(oneLossMs);
  });
});

describe("a fail-static session", () => {
  it("lives on and takes channels, however long nothing is heard", async () => {
    const { ticket } = await bench.issue();
    const main = await bench.openMain(ticket);
    pass(100 * 86_400_000, false);
    expect(main.signal.aborted).toBe(false);
    await bench.join(ticket);
    expect(bench.clock.timerCount).toBe(0);
  });
});
