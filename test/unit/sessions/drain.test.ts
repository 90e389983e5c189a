/** Draining: nobody new, the living go on until a deadline, and it can be called off. */
import { beforeEach, describe, expect, it } from "vitest";
import { type FakeControl, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, closed, obey, RegistryBench } from "../../harness/relay/registry-bench.ts";

let control: FakeControl;
let bench: RegistryBench;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
  bench = new RegistryBench(control);
});

/** Whether the promise has settled, without waiting for it. */
function watch(promise: Promise<void>): { isDone: boolean } {
  const state = { isDone: false };
  void promise.then(() => {
    state.isDone = true;
  });
  return state;
}

async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

describe("a draining relay", () => {
  it("refuses new sessions without using their tickets up or asking for their grants", async () => {
    const { ticket, sessionId } = await bench.issue();
    const unknown = await control.issue();
    await bench.registry.drain(60_000);
    expect(bench.registry.isDraining).toBe(true);
    expect(await bench.admit(ticket)).toMatchObject({
      ok: false,
      error: { code: "relay.draining", holdMs: 0 },
    });
    expect(await bench.code(unknown.ticket)).toBe("relay.draining");
    expect(bench.lookups).toEqual([]);
    expect(bench.events.all).toMatchObject([
      { type: "channel.refused", sessionId, code: "relay.draining" },
    ]);
    expect(bench.summaries.refusedChannels).toEqual(["relay.draining", "relay.draining"]);
    bench.registry.resume();
    expect(bench.registry.isDraining).toBe(false);
    expect(await bench.code(ticket)).toBe("admitted");
  });

  it("refuses one whose grant is still being looked up", async () => {
    const { ticket, grant } = await control.issue();
    const answer = Promise.withResolvers<void>();
    bench.answer = async () => {
      await answer.promise;
      return { ok: true, value: grant };
    };
    const waiting = bench.code(ticket);
    await settle();
    await bench.registry.drain(60_000);
    answer.resolve();
    expect(await waiting).toBe("relay.draining");
  });

  it("goes on with the living: later channels, and clients that come back", async () => {
    const { ticket } = await bench.issue({ policy: { reconnectWindowS: 30 } });
    const main = await bench.openMain(ticket);
    const drained = watch(bench.registry.drain(60_000));
    await bench.join(ticket);
    main.end(closed("client"));
    const back = await bench.openMain(ticket);
    bench.clock.advance(59_999);
    await settle();
    expect([back.signal.aborted, drained.isDone]).toEqual([false, false]);
  });

  it("ends what is left at its deadline, and resolves when the last one is gone", async () => {
    const open = await bench.issue();
    const main = await bench.openMain(open.ticket);
    const policy = { reconnectWindowS: 3_600 };
    const waiting = await bench.issue({ policy, expiresInS: 600 });
    (await bench.openMain(waiting.ticket)).end(closed("client"));
    const drained = watch(bench.registry.drain(60_000));
    bench.clock.advance(60_000);
    await settle();
    expect(drained.isDone).toBe(false);
    expect(main.signal.reason).toMatchObject({ by: "relay", code: "drained" });
    obey(main);
    await settle();
    expect(drained.isDone).toBe(true);
    expect(bench.events.of("session.ended").map((event) => event.reason)).toEqual([
      "relay-drained",
      "relay-drained",
    ]);
    expect(await bench.code(waiting.ticket)).toBe("ticket.used");
    expect(bench.clock.timerCount).toBe(0);
  });

  it("resolves as soon as the last session ends by itself", async () => {
    const main = await bench.openMain((await bench.issue()).ticket);
    const drained = bench.registry.drain(60_000);
    main.end(closed("server"));
    await drained;
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "server-closed" }]);
    expect(bench.clock.timerCount).toBe(0);
  });

  it("takes a new deadline, earlier or later", async () => {
    const main = await bench.openMain((await bench.issue()).ticket);
    const first = bench.registry.drain(60_000);
    const second = bench.registry.drain(90_000);
    bench.clock.advance(89_999);
    expect(main.signal.aborted).toBe(false);
    bench.clock.advance(1);
    obey(main);
    await Promise.all([first, second]);
  });

  it("that resumes lets the living stay, and whoever waits for it go", async () => {
    const main = await bench.openMain((await bench.issue()).ticket);
    const drained = bench.registry.drain(60_000);
    bench.registry.resume();
    await drained;
    bench.clock.advance(3_600_000);
    expect(main.signal.aborted).toBe(false);
    expect(bench.clock.timerCount).toBe(0);
  });

  it("may be stopped, and then neither drains nor resumes", async () => {
    const main = await bench.openMain((await bench.issue()).ticket);
    const drained = bench.registry.drain(60_000);
    const stopped = bench.registry.stop();
    bench.registry.resume();
    void bench.registry.drain(1);
    expect(bench.registry.isDraining).toBe(false);
    expect(main.signal.reason).toMatchObject({ code: "relay.stopping" });
    obey(main);
    await Promise.all([drained, stopped]);
    expect(await bench.code((await bench.issue()).ticket)).toBe("relay.stopping");
  });
});
