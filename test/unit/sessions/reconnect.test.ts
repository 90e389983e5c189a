/** A session whose client was lost waits for it, as long as its policy says, and not otherwise. */
import { beforeEach, describe, expect, it } from "vitest";
import type { ChannelEnd } from "../../../relay/sessions/ports.ts";
import { type FakeControl, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, closed, obey, RegistryBench } from "../../harness/relay/registry-bench.ts";

const policy = { reconnectWindowS: 30 };
const display = { channel: "display", connectionId: 7 } as const;

let control: FakeControl;
let bench: RegistryBench;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
  bench = new RegistryBench(control);
});

describe("a lost client", () => {
  it("comes back with its ticket, also after its expiry: the same session, a new main channel", async () => {
    const { ticket, sessionId } = await bench.issue({ policy, expiresInS: 5 });
    const main = await bench.openMain(ticket);
    main.end(closed("client", 1, 2));
    expect(bench.registry.counts()).toMatchObject({ sessions: 1, channels: 0 });
    expect(bench.registry.snapshot()).toEqual([sessionId]);
    bench.clock.advance(29_000);
    const back = await bench.openMain(ticket, 8);
    expect(back.sessionId).toBe(sessionId);
    expect(back.target).toEqual(main.target);
    bench.clock.advance(60_000);
    expect(bench.events.types()).toEqual([
      "session.opened",
      "channel.opened",
      "channel.closed",
      "channel.opened",
    ]);
    back.end(closed("server", 10, 20));
    expect(bench.events.of("session.ended")).toMatchObject([
      { sessionId, reason: "server-closed", clientBytes: 11, serverBytes: 22 },
    ]);
    expect(bench.clock.timerCount).toBe(0);
    expect(await bench.code(ticket)).toBe("ticket.expired");
  });

  it("may be lost again: its window begins anew", async () => {
    const { ticket } = await bench.issue({ policy });
    (await bench.openMain(ticket)).end(closed("client"));
    bench.clock.advance(29_000);
    (await bench.openMain(ticket)).end(closed("client"));
    bench.clock.advance(29_999);
    expect(bench.events.of("session.ended")).toEqual([]);
    bench.clock.advance(1);
    expect(bench.events.of("session.ended")).toHaveLength(1);
  });

  it("that stays away ends the session, with the reason that the loss gave", async () => {
    const { ticket } = await bench.issue({ policy });
    const main = await bench.openMain(ticket);
    main.end({ ...closed("client"), detail: "read ECONNRESET" });
    bench.clock.advance(29_999);
    expect(bench.events.of("session.ended")).toEqual([]);
    bench.clock.advance(1);
    expect(bench.events.of("session.ended")).toMatchObject([
      { reason: "client-closed", detail: "read ECONNRESET" },
    ]);
    expect(bench.registry.counts()).toMatchObject({ sessions: 0, channels: 0 });
    expect(await bench.code(ticket)).toBe("ticket.used");
  });

  it("has given up its other channels, and joins none of them by the old connection id", async () => {
    const { ticket } = await bench.issue({ policy });
    const main = await bench.openMain(ticket);
    const [graced, left] = [await bench.join(ticket), await bench.join(ticket)];
    main.end(closed("client"));
    expect(await bench.code(ticket, display)).toBe("ticket.no-session");
    graced.end(closed("client"));
    expect(left.signal.aborted).toBe(false);
    const back = await bench.admitted(ticket);
    expect(left.signal.aborted).toBe(true);
    back.opened();
    expect(await bench.code(ticket, display)).toBe("ticket.no-session");
    back.learnConnectionId(8);
    main.learnConnectionId(7);
    obey(left);
    expect(await bench.code(ticket, display)).toBe("ticket.no-session");
    expect(await bench.code(ticket, { ...display, connectionId: 8 })).toBe("admitted");
    expect(bench.registry.counts()).toMatchObject({ sessions: 1, channels: 2 });
    expect(back.signal.aborted).toBe(false);
  });

  it("leaves channels that end by the grace, though nobody comes back", async () => {
    const { ticket } = await bench.issue({ policy });
    const main = await bench.openMain(ticket);
    const other = await bench.join(ticket);
    main.end(closed("client"));
    bench.clock.advance(500);
    obey(other);
    expect(bench.events.of("session.ended")).toEqual([]);
    expect(bench.registry.counts()).toMatchObject({ sessions: 1, channels: 0 });
  });

  it("that fails to come back may try again, until the window of its loss is over", async () => {
    const { ticket } = await bench.issue({ policy });
    (await bench.openMain(ticket)).end(closed("client"));
    bench.clock.advance(20_000);
    const failing: ChannelEnd = { ...closed("server"), code: "server.unreachable" };
    (await bench.admitted(ticket)).end(failing);
    expect(bench.events.of("session.ended")).toEqual([]);
    const slow = await bench.admitted(ticket);
    bench.clock.advance(10_000);
    expect(bench.events.of("session.ended")).toEqual([]);
    slow.end(failing);
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "client-closed" }]);
  });

  it("that is linked again when the window passes has come back in time", async () => {
    const { ticket } = await bench.issue({ policy });
    (await bench.openMain(ticket)).end(closed("client"));
    bench.clock.advance(29_999);
    const slow = await bench.admitted(ticket);
    bench.clock.advance(10_000);
    slow.opened();
    slow.learnConnectionId(9);
    bench.clock.advance(100_000);
    expect(await bench.code(ticket, { ...display, connectionId: 9 })).toBe("admitted");
    expect(bench.events.of("session.ended")).toEqual([]);
  });

  it("comes back once, however many present the ticket at the same moment", async () => {
    const { ticket } = await bench.issue({ policy });
    (await bench.openMain(ticket)).end(closed("client"));
    const codes = await Promise.all(Array.from({ length: 5 }, () => bench.code(ticket)));
    expect(codes.sort()).toEqual(["admitted", ...Array.from({ length: 4 }, () => "ticket.used")]);
  });

  it("names connection id 0 when it comes back", async () => {
    const { ticket } = await bench.issue({ policy });
    (await bench.openMain(ticket)).end(closed("client"));
    expect(await bench.code(ticket, { connectionId: 7 })).toBe("ticket.no-session");
  });

  it("finds no room: it may try again", async () => {
    bench = new RegistryBench(control, { channelsMax: 1 });
    const { ticket } = await bench.issue({ policy });
    (await bench.openMain(ticket)).end(closed("client"));
    const other = await bench.issue();
    const occupant = await bench.openMain(other.ticket);
    expect(await bench.code(ticket)).toBe("relay.full");
    occupant.end(closed("server"));
    expect(await bench.code(ticket)).toBe("admitted");
  });
});

describe("a session does not wait", () => {
  it.each([
    ["server", "closed", "server-closed"],
    ["client", "message.type-unknown", "protocol-violation"],
    ["relay", "relay.worker-lost", "relay-fault"],
    ["relay", "internal.error", "failed"],
  ] as const)("when its main channel ended by the %s with %s", async (by, code, reason) => {
    const { ticket } = await bench.issue({ policy });
    (await bench.openMain(ticket)).end({ ...closed(by), code });
    expect(bench.events.of("session.ended")).toMatchObject([{ reason }]);
    expect(await bench.code(ticket)).toBe("ticket.used");
  });

  it("when it was never open, or its policy has no window, or only another channel was lost", async () => {
    const unopened = await bench.issue({ policy });
    const main = await bench.admitted(unopened.ticket);
    main.end({ ...closed("client"), code: "link.closed" });
    const without = await bench.issue();
    (await bench.openMain(without.ticket)).end(closed("client"));
    expect(bench.events.of("session.ended")).toHaveLength(2);
    const { ticket } = await bench.issue({ policy });
    await bench.openMain(ticket);
    (await bench.join(ticket)).end(closed("client"));
    expect(await bench.code(ticket)).toBe("ticket.used");
  });

  it("when it is terminated, before or while it waits", async () => {
    const before = await bench.issue({ policy });
    const main = await bench.openMain(before.ticket);
    bench.registry.terminate(before.sessionId, "x");
    main.end(closed("client"));
    const waiting = await bench.issue({ policy });
    (await bench.openMain(waiting.ticket)).end(closed("client"));
    bench.registry.terminate(waiting.sessionId, "y");
    expect(bench.events.of("session.ended")).toMatchObject([
      { reason: "terminated", detail: "x" },
      { reason: "terminated", detail: "y" },
    ]);
    expect(await bench.code(waiting.ticket)).toBe("ticket.used");
    expect(bench.clock.timerCount).toBe(0);
  });

  it("when the relay stops", async () => {
    const { ticket } = await bench.issue({ policy });
    (await bench.openMain(ticket)).end(closed("client"));
    await bench.registry.stop();
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "relay-stopped" }]);
  });
});
