/** One console, one session at this relay: the newcomer's policy says who gives way. */
import { beforeEach, describe, expect, it } from "vitest";
import { type FakeControl, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, closed, obey, RegistryBench } from "../../harness/relay/registry-bench.ts";

const consoleId = "con_shared";
const takeOver = { consoleId, policy: { secondViewer: "take-over" } } as const;

let control: FakeControl;
let bench: RegistryBench;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
  bench = new RegistryBench(control);
});

describe("a second viewer whose policy is refuse", () => {
  it("is told that the console is in use, and keeps his ticket; the first one notices nothing", async () => {
    const first = await bench.issue({ consoleId, userId: "usr_1" });
    const main = await bench.openMain(first.ticket);
    const second = await bench.issue({ consoleId, userId: "usr_1" });
    expect(await bench.admit(second.ticket)).toMatchObject({
      ok: false,
      error: { code: "console.in-use", holdMs: 0 },
    });
    expect(bench.events.of("channel.refused")).toMatchObject([
      { sessionId: second.sessionId, channel: "main", code: "console.in-use" },
    ]);
    expect(main.signal.aborted).toBe(false);
    expect(bench.registry.snapshot()).toEqual([first.sessionId]);
    main.end(closed("client"));
    expect(await bench.code(second.ticket)).toBe("admitted");
  });

  it("opens at once when the first session is ending, though its channels still are there", async () => {
    const first = await bench.issue({ consoleId });
    const main = await bench.openMain(first.ticket);
    const second = await bench.issue({ consoleId });
    bench.registry.terminate(first.sessionId, "x");
    expect(await bench.code(second.ticket)).toBe("admitted");
    obey(main);
    // The end of the first one must not free the console of the second one.
    expect(await bench.code((await bench.issue({ consoleId })).ticket)).toBe("console.in-use");
  });

  it("does not take the seat of somebody who may come back, not even his own", async () => {
    const policy = { reconnectWindowS: 30 };
    const first = await bench.issue({ consoleId, policy, userId: "usr_1" });
    (await bench.openMain(first.ticket)).end(closed("client"));
    const same = await bench.issue({ consoleId, userId: "usr_1" });
    expect(await bench.code(same.ticket)).toBe("console.in-use");
    expect(await bench.code(first.ticket)).toBe("admitted");
  });

  it("who races another for a free console: exactly one of them wins", async () => {
    const issued = await Promise.all(
      Array.from({ length: 5 }, async () => bench.issue({ consoleId })),
    );
    const codes = await Promise.all(issued.map(async ({ ticket }) => bench.code(ticket)));
    expect(codes.filter((code) => code === "admitted")).toHaveLength(1);
    expect(codes.filter((code) => code === "console.in-use")).toHaveLength(4);
    expect(bench.registry.counts()).toMatchObject({ sessions: 1, channels: 1, grants: 4 });
  });
});

describe("a second viewer whose policy is take-over", () => {
  it("ends the first session, which is told by whom, and waits for none of its channels", async () => {
    const first = await bench.issue({ consoleId });
    const main = await bench.openMain(first.ticket);
    const other = await bench.join(first.ticket);
    const second = await bench.issue(takeOver);
    await bench.openMain(second.ticket, 9);
    for (const channel of [main, other]) {
      expect(channel.signal.reason).toMatchObject({ by: "relay", code: "taken-over" });
      obey(channel);
    }
    expect(bench.events.of("channel.closed").map((event) => event.reason)).toEqual([
      "taken-over",
      "taken-over",
    ]);
    expect(bench.events.of("session.ended")).toMatchObject([
      {
        sessionId: first.sessionId,
        reason: "taken-over",
        detail: `session ${second.sessionId} opened its console`,
      },
    ]);
    expect(bench.registry.snapshot()).toEqual([second.sessionId]);
    expect(await bench.code(first.ticket)).toBe("ticket.used");
  });

  it("does not end it when he himself cannot come in", async () => {
    bench = new RegistryBench(control, { channelsMax: 1 });
    const first = await bench.issue({ consoleId });
    const main = await bench.openMain(first.ticket);
    const second = await bench.issue(takeOver);
    expect(await bench.code(second.ticket)).toBe("relay.full");
    expect(main.signal.aborted).toBe(false);
    main.end(closed("client"));
    expect(await bench.code(second.ticket)).toBe("admitted");
  });

  it("does not end it when his own target is unreadable", async () => {
    const first = await bench.issue({ consoleId });
    const main = await bench.openMain(first.ticket);
    const second = await bench.issue({ ...takeOver, sealKey: new Uint8Array(32) });
    expect(await bench.code(second.ticket)).toBe("target.unreadable");
    expect(bench.events.of("session.ended")).toMatchObject([
      { sessionId: second.sessionId, reason: "failed" },
    ]);
    expect(main.signal.aborted).toBe(false);
    expect(bench.registry.snapshot()).toEqual([first.sessionId]);
  });

  it("who races others: each takes over from the one before, and one is left", async () => {
    const issued = await Promise.all(Array.from({ length: 4 }, async () => bench.issue(takeOver)));
    const mains = await Promise.all(issued.map(async ({ ticket }) => bench.admitted(ticket)));
    const living = mains.filter((main) => !main.signal.aborted);
    expect(living).toHaveLength(1);
    mains.filter((main) => main.signal.aborted).forEach(obey);
    expect(bench.registry.snapshot()).toEqual(living.map((main) => main.sessionId));
  });

  it("takes over from a session that waits for its client", async () => {
    const policy = { reconnectWindowS: 30 };
    const first = await bench.issue({ consoleId, policy });
    (await bench.openMain(first.ticket)).end(closed("client"));
    await bench.openMain((await bench.issue(takeOver)).ticket);
    expect(bench.events.types().slice(-3)).toEqual([
      "session.ended",
      "session.opened",
      "channel.opened",
    ]);
    expect(await bench.code(first.ticket)).toBe("ticket.used");
  });
});

it("a command of the control plane says taken-over too", async () => {
  const { ticket, sessionId } = await bench.issue();
  const main = await bench.openMain(ticket);
  const order = { kind: "terminate", sessionId, reason: "by x", cause: "taken-over" } as const;
  expect(await bench.registry.apply(order)).toBeNull();
  obey(main);
  expect(bench.events.of("session.ended")).toMatchObject([
    { reason: "taken-over", detail: "by x" },
  ]);
});
