/** Idle and duration: armed at the relay, so that they hold without anybody's help. */
import { beforeEach, describe, expect, it } from "vitest";
import { type FakeControl, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, closed, obey, RegistryBench } from "../../harness/relay/registry-bench.ts";

let control: FakeControl;
let bench: RegistryBench;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
  bench = new RegistryBench(control);
});

describe("a clock that is set", () => {
  it.each([3_600_000, -3_600_000])("moves no session's end: by %d ms", async (byMs) => {
    const idle = await bench.issue({ policy: { idleS: 60 } });
    const brief = await bench.issue({ policy: { durationS: 90 } });
    const [one, other] = [await bench.openMain(idle.ticket), await bench.openMain(brief.ticket, 8)];
    bench.setForwardMs = byMs;
    one.touch();
    bench.clock.advance(59_000);
    expect([one.signal.aborted, other.signal.aborted]).toEqual([false, false]);
    void bench.registry.drain(60_000);
    bench.clock.advance(3_000);
    expect(one.signal.reason).toMatchObject({ code: "idle" });
    bench.clock.advance(28_000);
    expect(other.signal.reason).toMatchObject({ code: "duration-exceeded" });
  });
});

describe("an idle session", () => {
  const policy = { idleS: 60 };

  it("ends, all its channels at once", async () => {
    const { ticket } = await bench.issue({ policy });
    const main = await bench.openMain(ticket);
    const other = await bench.join(ticket);
    // That something flowed may be known two seconds late: they are granted on top.
    bench.clock.advance(61_999);
    expect(main.signal.aborted).toBe(false);
    bench.clock.advance(1);
    expect(main.signal.reason).toMatchObject({ by: "relay", code: "idle" });
    obey(main);
    obey(other);
    expect(bench.events.of("session.ended")).toMatchObject([
      { reason: "idle", detail: "nothing moved for 60 s" },
    ]);
    expect(bench.clock.timerCount).toBe(0);
  });

  it("is one of which no channel was touched: each touch and each new channel counts", async () => {
    const { ticket } = await bench.issue({ policy });
    const main = await bench.openMain(ticket);
    const other = await bench.join(ticket);
    for (const channel of [other, main, other]) {
      bench.clock.advance(50_000);
      channel.touch();
    }
    bench.clock.advance(50_000);
    await bench.join(ticket);
    bench.clock.advance(61_999);
    expect(main.signal.aborted).toBe(false);
    bench.clock.advance(1);
    expect(main.signal.aborted).toBe(true);
  });

  it("does not idle while it waits for its client, and begins anew when that is back", async () => {
    const { ticket } = await bench.issue({ policy: { idleS: 10, reconnectWindowS: 60 } });
    const main = await bench.openMain(ticket);
    bench.clock.advance(9_000);
    main.end(closed("client"));
    bench.clock.advance(50_000);
    const back = await bench.openMain(ticket);
    bench.clock.advance(11_999);
    expect(back.signal.aborted).toBe(false);
    bench.clock.advance(1);
    obey(back);
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "idle" }]);
  });

  it("without such a policy lives on", async () => {
    const main = await bench.openMain((await bench.issue()).ticket);
    bench.clock.advance(100 * 86_400_000);
    expect(main.signal.aborted).toBe(false);
    expect(bench.clock.timerCount).toBe(0);
  });
});

describe("a session's duration", () => {
  const policy = { durationS: 3_600, idleS: 3_000, reconnectWindowS: 600 };

  it("counts from its opening, whatever flows and whoever comes back", async () => {
    const { ticket } = await bench.issue({ policy });
    const main = await bench.admitted(ticket);
    bench.clock.advance(5_000);
    main.opened();
    bench.clock.advance(1_800_000);
    main.end(closed("client"));
    const back = await bench.openMain(ticket);
    bench.clock.advance(1_799_999);
    back.touch();
    expect(back.signal.aborted).toBe(false);
    bench.clock.advance(1);
    expect(back.signal.reason).toMatchObject({ by: "relay", code: "duration-exceeded" });
    obey(back);
    expect(bench.events.of("session.ended")).toMatchObject([
      { reason: "duration-exceeded", detail: "its policy allows 3600 s" },
    ]);
  });

  it("ends a session that waits for its client", async () => {
    const { ticket } = await bench.issue({ policy });
    const main = await bench.openMain(ticket);
    bench.clock.advance(2_999_999);
    main.touch();
    bench.clock.advance(500_000);
    main.end(closed("client"));
    bench.clock.advance(100_001);
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "duration-exceeded" }]);
    expect(await bench.code(ticket)).toBe("ticket.expired");
  });

  it("of thirty days is kept to the second", async () => {
    const { ticket } = await bench.issue({ policy: { durationS: 30 * 86_400 } });
    const main = await bench.openMain(ticket);
    bench.clock.advance(30 * 86_400_000 - 1);
    expect(main.signal.aborted).toBe(false);
    bench.clock.advance(1);
    expect(main.signal.aborted).toBe(true);
  });
});

describe("the end of a session's hours", () => {
  const notAfterMs = BENCH_START_MS + 45_000;

  it("ends it at that time of day, whenever it opened and whoever comes back", async () => {
    const policy = { reconnectWindowS: 600, durationS: 3_600 };
    const { ticket } = await bench.issue({ notAfterMs, policy });
    bench.clock.advance(20_000);
    const main = await bench.openMain(ticket);
    main.end(closed("client"));
    bench.clock.advance(10_000);
    const back = await bench.openMain(ticket);
    bench.clock.advance(14_999);
    expect(back.signal.aborted).toBe(false);
    bench.clock.advance(1);
    expect(back.signal.reason).toMatchObject({ by: "relay", code: "outside-hours" });
    obey(back);
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "outside-hours" }]);
    expect(bench.clock.timerCount).toBe(0);
  });

  it("is not moved by a clock that is set afterwards", async () => {
    const { ticket } = await bench.issue({ notAfterMs });
    const main = await bench.openMain(ticket);
    bench.setForwardMs = -3_600_000;
    bench.clock.advance(45_000);
    expect(main.signal.aborted).toBe(true);
  });

  it("refuses whoever comes after it, and uses no ticket up", async () => {
    const { ticket } = await bench.issue({ notAfterMs });
    bench.clock.advance(45_000);
    expect(await bench.code(ticket)).toBe("policy.outside-hours");
    expect(bench.registry.counts()).toMatchObject({ sessions: 0, grants: 1 });
  });
});
