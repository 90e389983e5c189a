/** The registry without sockets: admission, races, commands, and how sessions end. */
import { generateKeyPair } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { DataPlaneLimits } from "../../../relay/limits.ts";
import { KeyRing } from "../../../relay/sessions/key-ring.ts";
import type { AdmittedChannel, ChannelEnd } from "../../../relay/sessions/ports.ts";
import { type FakeControl, makeControl, makeTicketKey } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, closed, RegistryBench } from "../../harness/relay/registry-bench.ts";

type Answer = Result<string, TicketRefusalReason>;

let control: FakeControl;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
});

function makeBench(limits: Partial<DataPlaneLimits> = {}): RegistryBench {
  return new RegistryBench(control, limits);
}

describe("keys", () => {
  it("are needed before anything can be verified", async () => {
    const bench = new RegistryBench(control, {}, new KeyRing());
    const { ticket, grant } = await control.issue();
    expect(await bench.code(ticket)).toBe("ticket.unverifiable");
    expect(await bench.code("no ticket")).toBe("ticket.malformed");
    expect((await bench.push(grant))?.code).toBe("control.grant-invalid");
    expect(bench.lookups).toEqual([]);
  });
});

describe("a pushed grant", () => {
  it.each([
    ["another audience", { audience: "rly_other" }],
    ["another issuer", { issuer: "https://elsewhere.example" }],
    ["another type", { type: "JWT" }],
    ["an expiry in the past", { expiresInS: -1 }],
    ["a target without a port", { target: { port: null } }],
    ["a channel that SPICE does not have", { policy: { channels: ["telepathy" as "main"] } }],
  ])("is refused for %s", async (_name, options) => {
    const bench = makeBench();
    const { grant } = await control.issue(options);
    expect((await bench.push(grant))?.code).toBe("control.grant-invalid");
    expect(bench.registry.counts().grants).toBe(0);
  });

  it("is refused when somebody else signed it, or when it is not a JWS", async () => {
    const bench = makeBench();
    const stranger = await generateKeyPair("EdDSA");
    const { grant } = await control.issue({ signWith: stranger.privateKey });
    expect((await bench.push(grant))?.code).toBe("control.grant-invalid");
    expect((await bench.push("nonsense"))?.code).toBe("control.grant-invalid");
  });

  it("may come twice, and does not revive a ticket that was used", async () => {
    const bench = makeBench();
    const { ticket, grant } = await control.issue();
    expect(await bench.push(grant)).toBeNull();
    expect(await bench.push(grant)).toBeNull();
    expect(bench.registry.counts().grants).toBe(1);
    await bench.admitted(ticket);
    expect(await bench.push(grant)).toBeNull();
    expect(await bench.code(ticket)).toBe("ticket.used");
  });

  it("gives the target, with its password unsealed", async () => {
    const bench = makeBench();
    const { ticket, grant } = await control.issue({
      password: "hypervisor's own",
      target: { host: "hv1", port: null, tlsPort: 5901, hostSubject: "CN=hv1" },
    });
    await bench.push(grant);
    expect((await bench.admitted(ticket)).target).toEqual({
      host: "hv1",
      port: null,
      tlsPort: 5901,
      ca: null,
      hostSubject: "CN=hv1",
      proxy: null,
      password: "hypervisor's own",
    });
  });

  it("makes room for itself by dropping the oldest one", async () => {
    const bench = makeBench({ grantsMax: 2 });
    const issued = await Promise.all([control.issue(), control.issue(), control.issue()]);
    for (const { grant } of issued) {
      await bench.push(grant);
    }
    expect(bench.registry.counts().grants).toBe(2);
    const [first, , third] = issued;
    expect(await bench.code(first?.ticket ?? "")).toBe("ticket.unknown");
    expect(await bench.code(third?.ticket ?? "")).toBe("admitted");
  });
});

describe("a ticket", () => {
  it("expires with the second that it names", async () => {
    const bench = makeBench();
    const issued = [
      await control.issue({ expiresInS: 60 }),
      await control.issue({ expiresInS: 60 }),
    ];
    for (const { grant } of issued) {
      await bench.push(grant);
    }
    bench.clock.set(BENCH_START_MS + 59_999);
    expect(await bench.code(issued[0]?.ticket ?? "")).toBe("admitted");
    bench.clock.set(BENCH_START_MS + 60_000);
    expect(await bench.code(issued[1]?.ticket ?? "")).toBe("ticket.expired");
  });

  it("stays used when the clock is set back and after a sweep, until the margin is over", async () => {
    const bench = makeBench({ usedTicketMarginMs: 1_000 });
    const { ticket, grant } = await control.issue({ expiresInS: 60 });
    await bench.push(grant);
    (await bench.admitted(ticket)).end(closed("client"));
    bench.clock.set(BENCH_START_MS + 60_999);
    bench.registry.sweep();
    bench.clock.set(BENCH_START_MS);
    expect(await bench.code(ticket)).toBe("ticket.used");
    expect(bench.lookups).toEqual([]);
  });

  it("is refused rather than an older use forgotten", async () => {
    const bench = makeBench({ usedTicketsMax: 1 });
    const first = await control.issue();
    const second = await control.issue();
    await bench.push(first.grant);
    await bench.push(second.grant);
    expect(await bench.code(first.ticket)).toBe("admitted");
    expect(await bench.code(second.ticket)).toBe("relay.full");
    expect(await bench.code(first.ticket)).toBe("ticket.used");
  });

  it("opens exactly one session, however many present it at the same moment", async () => {
    const bench = makeBench();
    const { ticket, grant } = await control.issue();
    await bench.push(grant);
    const codes = await Promise.all(Array.from({ length: 20 }, () => bench.code(ticket)));
    expect(codes.filter((code) => code === "admitted")).toHaveLength(1);
    expect(codes.filter((code) => code === "ticket.used")).toHaveLength(19);
    bench.clock.advance(60_000);
    bench.registry.sweep();
    const told = bench.events.of("ticket.refused").map((event) => event.count);
    expect(told).toEqual([1, 1, 1, 1, 1, 14]);
  });
});

describe("a withdrawal", () => {
  it("may come at any moment of an admission: it is admitted or unknown, and nothing else", async () => {
    const codes = new Set<string>();
    const turnsMax = 40;
    for (let turns = 0; turns <= turnsMax; turns += 1) {
      const bench = makeBench();
      const { ticket, grant, sessionId } = await control.issue();
      await bench.push(grant);
      const waiting = bench.code(ticket);
      for (let turn = 0; turn < turns; turn += 1) {
        await Promise.resolve();
        if (turn % 8 === 7) {
          await new Promise(setImmediate);
        }
      }
      if (turns === turnsMax) {
        // However slow the machine is: one withdrawal comes after the admission.
        await waiting;
      }
      bench.registry.withdraw(sessionId);
      const code = await waiting;
      codes.add(code);
      expect(bench.registry.snapshot()).toEqual(code === "admitted" ? [sessionId] : []);
    }
    expect([...codes].sort()).toEqual(["admitted", "ticket.unknown"]);
  });
});

describe("a look-up", () => {
  it("is made once for all who wait for the same ticket, and opens one session", async () => {
    const bench = makeBench();
    const { ticket, grant, hash } = await control.issue();
    const answer = Promise.withResolvers<Answer>();
    bench.answer = async () => answer.promise;
    const waiting = Array.from({ length: 5 }, () => bench.code(ticket));
    await expect.poll(() => bench.lookups.length).toBe(1);
    answer.resolve(ok(grant));
    const codes = await Promise.all(waiting);
    expect(bench.lookups).toEqual([hash]);
    expect(codes.sort()).toEqual(["admitted", ...Array.from({ length: 4 }, () => "ticket.used")]);
  });

  it.each(["used", "unknown", "expired", "unverifiable"] as const)(
    "answered %s",
    async (reason) => {
      const bench = makeBench();
      bench.answer = async () => fail(reason);
      expect(await bench.code((await control.issue()).ticket)).toBe(`ticket.${reason}`);
      expect(bench.events.all).toHaveLength(1);
    },
  );

  it("that throws, or answers with a grant that is not valid here, is unverifiable", async () => {
    const bench = makeBench();
    const { ticket } = await control.issue();
    bench.answer = async () => Promise.reject(new Error("offline"));
    expect(await bench.code(ticket)).toBe("ticket.unverifiable");
    const forAnother = await control.issue();
    bench.answer = async () => ok(forAnother.grant);
    expect(await bench.code(ticket)).toBe("ticket.unverifiable");
    bench.answer = async () => ok("nonsense");
    expect(await bench.code(ticket)).toBe("ticket.unverifiable");
  });

  it("that never settles ends by its deadline", async () => {
    const bench = makeBench({ lookupDeadlineMs: 20 });
    bench.answer = async () => new Promise(() => {});
    expect(await bench.code((await control.issue()).ticket)).toBe("ticket.unverifiable");
  });

  it("is not made for a ticket beyond the bound on open ones", async () => {
    const bench = makeBench({ lookupsOpenMax: 1 });
    const answer = Promise.withResolvers<Answer>();
    bench.answer = async () => answer.promise;
    const first = bench.code((await control.issue()).ticket);
    await expect.poll(() => bench.lookups.length).toBe(1);
    expect(await bench.code((await control.issue()).ticket)).toBe("ticket.unverifiable");
    expect(bench.lookups).toHaveLength(1);
    answer.resolve(fail("unknown"));
    expect(await first).toBe("ticket.unknown");
  });

  it.each(["withdraw", "terminate"] as const)("loses against a %s meanwhile", async (kind) => {
    const bench = makeBench();
    const { ticket, grant, sessionId } = await control.issue();
    const answer = Promise.withResolvers<Answer>();
    bench.answer = async () => answer.promise;
    const waiting = bench.code(ticket);
    await expect.poll(() => bench.lookups.length).toBe(1);
    await bench.registry.apply({ kind, sessionId, reason: "x", cause: "terminated" });
    answer.resolve(ok(grant));
    expect(await waiting).toBe("ticket.unknown");
    expect(bench.registry.snapshot()).toEqual([]);
  });
});

describe("a later channel", () => {
  const display = { channel: "display", connectionId: 7 } as const;

  it("waits for MAIN_INIT, then joins by the id that was learned first", async () => {
    const bench = makeBench();
    const { ticket, grant } = await control.issue();
    await bench.push(grant);
    const main = await bench.admitted(ticket);
    main.opened();
    expect(await bench.code(ticket, display)).toBe("ticket.no-session");
    main.learnConnectionId(0);
    expect(await bench.code(ticket, { channel: "display" })).toBe("ticket.no-session");
    main.learnConnectionId(7);
    main.learnConnectionId(8);
    expect(await bench.code(ticket, { ...display, connectionId: 8 })).toBe("ticket.no-session");
    expect(await bench.code(ticket, display)).toBe("admitted");
  });

  it("joins by another relay's ticket too, long after its use was forgotten", async () => {
    const bench = makeBench({ usedTicketMarginMs: 0 });
    const { ticket, grant } = await control.issue({ ticketKey: makeTicketKey() });
    await bench.push(grant);
    const main = await bench.admitted(ticket);
    main.opened();
    main.learnConnectionId(7);
    bench.clock.advance(3_600_000);
    bench.registry.sweep();
    expect(await bench.code(ticket, display)).toBe("admitted");
  });

  it("does not teach a connection id", async () => {
    const bench = makeBench();
    const { ticket, grant } = await control.issue();
    await bench.push(grant);
    const main = await bench.admitted(ticket);
    main.learnConnectionId(7);
    (await bench.admitted(ticket, display)).learnConnectionId(9);
    expect(await bench.code(ticket, { ...display, connectionId: 9 })).toBe("ticket.no-session");
  });

  it("does not join with another session's ticket", async () => {
    const bench = makeBench();
    const [one, two] = [await control.issue(), await control.issue()];
    await bench.push(one.grant);
    await bench.push(two.grant);
    (await bench.admitted(one.ticket)).learnConnectionId(7);
    (await bench.admitted(two.ticket)).learnConnectionId(8);
    expect(await bench.code(two.ticket, display)).toBe("ticket.no-session");
  });

  it("does not join a session that is ending", async () => {
    const bench = makeBench();
    const { ticket, grant, sessionId } = await control.issue();
    await bench.push(grant);
    (await bench.admitted(ticket)).learnConnectionId(7);
    bench.registry.terminate(sessionId, "x");
    expect(await bench.code(ticket, display)).toBe("ticket.no-session");
  });
});

describe("a session's end", () => {
  async function openWithDisplay(
    bench: RegistryBench,
  ): Promise<[AdmittedChannel, AdmittedChannel]> {
    const { ticket, grant } = await control.issue();
    await bench.push(grant);
    const main = await bench.admitted(ticket);
    main.opened();
    main.learnConnectionId(7);
    const display = await bench.admitted(ticket, { channel: "display", connectionId: 7 });
    display.opened();
    return [main, display];
  }

  it("comes once, last, with the totals of all channels", async () => {
    const bench = makeBench();
    const [main, display] = await openWithDisplay(bench);
    main.end(closed("client", 10, 20));
    main.end(closed("server", 1000, 1000));
    expect(bench.events.of("session.ended")).toEqual([]);
    display.end(closed("server", 3, 4));
    display.end(closed("client"));
    expect(bench.events.types()).toEqual([
      "session.opened",
      "channel.opened",
      "channel.opened",
      "channel.closed",
      "channel.closed",
      "session.ended",
    ]);
    expect(bench.events.of("session.ended")).toMatchObject([
      { reason: "client-closed", clientBytes: 13, serverBytes: 24 },
    ]);
    expect(bench.registry.counts()).toMatchObject({ sessions: 0, channels: 0 });
  });

  it("gives the other channels a grace, and then ends them", async () => {
    const bench = makeBench({ mainGraceMs: 500 });
    const [main, display] = await openWithDisplay(bench);
    main.end(closed("server"));
    bench.clock.advance(499);
    expect(display.signal.aborted).toBe(false);
    bench.clock.advance(1);
    expect(display.signal.aborted).toBe(true);
    display.end(display.signal.reason as ChannelEnd);
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "server-closed" }]);
    expect(bench.clock.timerCount).toBe(0);
  });

  it("keeps its first reason: terminated, though main then ends by itself", async () => {
    const bench = makeBench();
    const [main, display] = await openWithDisplay(bench);
    bench.registry.terminate(main.sessionId, "policy");
    expect(main.signal.reason).toMatchObject({ by: "relay", code: "terminated" });
    expect(display.signal.aborted).toBe(true);
    main.end(closed("client"));
    display.end(closed("client"));
    expect(bench.events.of("session.ended")).toMatchObject([
      { reason: "terminated", detail: "policy" },
    ]);
  });

  it.each([
    ["server.unreachable", "server", "failed"],
    ["link.closed", "client", "client-closed"],
    ["internal.error", "relay", "failed"],
  ] as const)("main never opened: %s", async (code, by, reason) => {
    const bench = makeBench();
    const { ticket, grant, sessionId } = await control.issue();
    await bench.push(grant);
    const main = await bench.admitted(ticket);
    main.end({ by, code, detail: "why", clientBytes: 0, serverBytes: 0 });
    expect(bench.events.all).toMatchObject([
      { type: "channel.refused", sessionId, code, detail: "why" },
      { type: "session.ended", sessionId, reason, detail: `${code}: why` },
    ]);
  });

  it("has the reason protocol-violation when main's bytes were unlawful", async () => {
    const bench = makeBench();
    const [main, display] = await openWithDisplay(bench);
    display.end({ ...closed("client"), code: "message.type-unknown" });
    expect(bench.events.of("session.ended")).toEqual([]);
    main.end({ ...closed("server"), code: "message.size-unlawful" });
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "protocol-violation" }]);
  });

  it("is relay-stopped when the relay stops, which waits for the last one", async () => {
    const bench = makeBench();
    const [main, display] = await openWithDisplay(bench);
    let isStopped = false;
    const stopped = bench.registry.stop().then(() => {
      isStopped = true;
    });
    expect(main.signal.reason).toMatchObject({ code: "relay.stopping" });
    main.end(main.signal.reason as ChannelEnd);
    await Promise.resolve();
    expect(isStopped).toBe(false);
    display.end(display.signal.reason as ChannelEnd);
    await stopped;
    expect(bench.events.of("session.ended")).toMatchObject([{ reason: "relay-stopped" }]);
    const { ticket, grant } = await control.issue();
    await bench.push(grant);
    expect(await bench.code(ticket)).toBe("relay.stopping");
  });
});
