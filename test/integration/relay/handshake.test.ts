/** What client and server see of each other: capabilities, headers, and who is told what when. */
import { describe, expect, it } from "vitest";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { DISPLAY_CAPABILITY, serverOffer } from "#shared/spice/capabilities.ts";
import {
  encodeFullMainInit,
  encodeMainInit,
  type FakeServerOptions,
  FULL_MAIN_INIT_MESSAGE_BYTES,
  MAIN_INIT_MESSAGE_BYTES,
  SESSION_ID,
  startFakeServer,
  targetOf,
} from "../../harness/relay/fake-spice-server.ts";
import {
  type LinkBench,
  type LinkBenchOptions,
  startLinkBench,
} from "../../harness/relay/link-bench.ts";
import type {
  DialTarget,
  ForeseenSession,
  Refusal,
  SessionClue,
} from "../../../relay/sessions/ports.ts";

const AUTH_SELECTION = 0x01;
const AUTH_SPICE = 0x02;
const AUTH_SASL = 0x04;
const MINI = 0x08;
const LABEL: SessionClue = { kind: "label", label: "0".repeat(32) };

type Foreseen = Promise<Result<ForeseenSession | null, Refusal>>;

interface Known extends ForeseenSession {
  readonly target: DialTarget;
}

/** A bench whose every clue and ticket lead to that session. */
async function startKnown(
  session: () => Known,
  options: LinkBenchOptions = {},
): Promise<LinkBench> {
  const bench = await startLinkBench({
    foresee: async (): Foreseen => ok(session()),
    admit: async () => ok(session()),
    ...options,
  });
  bench.clue = LABEL;
  return bench;
}

describe("a session that is known before its ticket", () => {
  it("is offered exactly what its server offers, and the server has seen no ticket", async () => {
    const common = [AUTH_SELECTION | AUTH_SPICE | AUTH_SASL | MINI, 0x80];
    const channel = [1 << DISPLAY_CAPABILITY.MULTI_CODEC, 3];
    await using server = await startFakeServer({
      commonCapabilities: common,
      channelCapabilities: channel,
    });
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
    const client = await bench.connect();
    const own = { channel: "display", channelId: 3, connectionId: 7 } as const;
    const capabilities = { commonCapabilities: [0x0d], channelCapabilities: [0xabc, 1] };
    client.sendLink({ ...own, ...capabilities });
    const reply = await client.readReply();
    expect(reply).toMatchObject({
      error: 0,
      commonCapabilities: [AUTH_SELECTION | AUTH_SPICE | MINI, 0x80],
      channelCapabilities: channel,
    });
    expect(server.ticketCount).toBe(0);
    client.sendTicket(reply, "ticket");
    expect(await client.readResult()).toBe("OK");
    const served = await server.nextChannel();
    expect(served.link).toMatchObject({
      connectionId: 7,
      channelType: 2,
      channelId: 3,
      commonCapabilities: [AUTH_SELECTION | AUTH_SPICE | MINI],
      channelCapabilities: [0xabc, 1],
    });
    expect(server.connectionCount).toBe(1);
    expect(bench.clues).toEqual([LABEL]);
    client.destroy();
    await bench.becomesEmpty(server);
  });

  it.each(["tls", "connect", "websocket"] as const)("is linked by the way %s", async (way) => {
    await using server = await startFakeServer();
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
    bench.way = way;
    const client = await bench.connect();
    expect(await client.link("ticket")).toBe("OK");
    expect(await client.read(MAIN_INIT_MESSAGE_BYTES)).toEqual(encodeMainInit(SESSION_ID));
    client.destroy();
    await bench.becomesEmpty(server);
    expect(bench.channels[0]).toMatchObject({ openedCount: 1, connectionIds: [SESSION_ID] });
  });

  it("is known by its connection id on every channel but main", async () => {
    await using server = await startFakeServer();
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
    bench.clue = null;
    for (const options of [{}, { channel: "inputs", connectionId: 9 } as const]) {
      const client = await bench.connect();
      expect(await client.link("ticket", options)).toBe("OK");
      client.destroy();
    }
    expect(bench.clues).toEqual([{ kind: "connection-id", connectionId: 9 }]);
    await bench.becomesEmpty(server);
  });

  it("is looked for by its connection id when the way in told of none", async () => {
    await using server = await startFakeServer();
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }), {
      foresee: async () => ok(null),
    });
    const client = await bench.connect();
    expect(await client.link("ticket", { channel: "cursor", connectionId: 9 })).toBe("OK");
    expect(bench.clues).toEqual([LABEL, { kind: "connection-id", connectionId: 9 }]);
    client.destroy();
    await bench.becomesEmpty(server);
  });

  it("gets its server's error after the ticket, without a second dial", async () => {
    await using server = await startFakeServer({ replyError: 9 });
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
    const client = await bench.connect();
    client.sendLink();
    const reply = await client.readReply();
    expect(reply.error).toBe(0);
    expect(reply.channelCapabilities).toEqual(serverOffer("main").channel);
    expect(bench.failures).toEqual([]);
    client.sendTicket(reply, "ticket");
    expect(await client.readResult()).toBe("ERROR");
    await client.untilClosed();
    await bench.becomesEmpty(server);
    expect(server.connectionCount).toBe(1);
    expect(bench.channels[0]?.ends).toMatchObject([{ by: "server", code: "server.link-refused" }]);
  });

  it.each<[string, (server: { port: number }) => Partial<Known>]>([
    ["another session", () => ({ sessionId: "other" })],
    ["another server", (server) => ({ target: targetOf(server, { host: "localhost" }) })],
    ["another subject", (server) => ({ target: targetOf(server, { hostSubject: "CN=other" }) })],
  ])("is dialled anew when the ticket is of %s", async (_name, other) => {
    await using server = await startFakeServer();
    await using bench = await startKnown(
      () => ({ sessionId: "s", target: targetOf(server), ...other(server) }),
      { foresee: async () => ok({ sessionId: "s", target: targetOf(server) }) },
    );
    const client = await bench.connect();
    expect(await client.link("ticket")).toBe("OK");
    expect(server.connectionCount).toBe(2);
    expect(server.ticketCount).toBe(1);
    client.destroy();
    await bench.becomesEmpty(server);
  });

  it("is entered with the password of the admission, though another was foreseen", async () => {
    await using server = await startFakeServer();
    const stale = { password: "stale" };
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }), {
      foresee: async () => ok({ sessionId: "s", target: targetOf(server, stale) }),
    });
    const client = await bench.connect();
    expect(await client.link("ticket")).toBe("OK");
    expect(server.connectionCount).toBe(1);
    client.destroy();
    await bench.becomesEmpty(server);
  });
});

describe("a client that is refused", () => {
  it("has caused a link message at the hypervisor and no ticket", async () => {
    await using server = await startFakeServer();
    await using bench = await startLinkBench({
      foresee: async (): Foreseen => ok({ sessionId: "s", target: targetOf(server) }),
    });
    bench.clue = LABEL;
    const client = await bench.connect();
    expect(await client.link("wrong")).toBe("PERMISSION_DENIED");
    await client.untilClosed();
    await bench.becomesEmpty(server);
    expect(server.links).toHaveLength(1);
    expect(server.ticketCount).toBe(0);
    expect(bench.failures).toMatchObject([{ code: "ticket.unknown" }]);
  });

  it("for its token is told so in the link reply, and nothing is dialled", async () => {
    await using server = await startFakeServer();
    await using bench = await startLinkBench({
      foresee: async (): Foreseen => fail({ code: "ticket.expired", detail: "", holdMs: 0 }),
    });
    bench.clue = { kind: "token", token: "old" };
    const client = await bench.connect();
    client.sendLink();
    expect(await client.readReply()).toMatchObject({ error: 7 });
    await client.untilClosed();
    await bench.becomesEmpty(server);
    expect(server.connectionCount).toBe(0);
    expect(bench.presented).toEqual([]);
  });

  it("waits for its answer as long as it has earned, its server's connection closed", async () => {
    await using server = await startFakeServer();
    const holdMs = 150;
    await using bench = await startLinkBench({
      foresee: async (): Foreseen => ok({ sessionId: "s", target: targetOf(server) }),
      admit: async () => fail({ code: "ticket.forged", detail: "", holdMs }),
    });
    bench.clue = LABEL;
    const client = await bench.connect();
    client.sendLink();
    client.sendTicket(await client.readReply(), "ticket");
    const startedAtMs = performance.now();
    const order: string[] = [];
    const result = client.readResult().then((answer) => order.push(`answer ${String(answer)}`));
    await server.nextClose();
    order.push("server closed");
    await result;
    expect(order).toEqual(["server closed", "answer PERMISSION_DENIED"]);
    expect(performance.now() - startedAtMs).toBeGreaterThan(holdMs - 10);
    await client.untilClosed();
    await bench.becomesEmpty(server);
  });

  it.each<[string, (bench: LinkBench, client: { destroy(): void }) => void]>([
    ["goes", (_bench, client) => client.destroy()],
    ["is caught by the relay's stop", (bench) => bench.stopping.abort()],
  ])("is forgotten at once when it %s meanwhile", async (_name, leave) => {
    const refused = Promise.withResolvers<void>();
    await using bench = await startLinkBench({
      admit: async () => {
        refused.resolve();
        return Promise.resolve(fail({ code: "ticket.forged", detail: "", holdMs: 3_600_000 }));
      },
    });
    const client = await bench.connect();
    client.sendLink();
    client.sendTicket(await client.readReply(), "ticket");
    await refused.promise;
    leave(bench, client);
    await bench.becomesEmpty();
  });
});

describe("message headers", () => {
  const full = { commonCapabilities: [AUTH_SELECTION | AUTH_SPICE] };
  const OLD_SERVER: FakeServerOptions = { commonCapabilities: [AUTH_SELECTION | AUTH_SPICE] };

  it.each([true, false])(
    "are full for a client without mini headers (known: %s)",
    async (known) => {
      await using server = await startFakeServer();
      await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
      bench.clue = known ? LABEL : null;
      const client = await bench.connect();
      client.sendLink(full);
      const reply = await client.readReply();
      expect(reply.commonCapabilities).toEqual([AUTH_SELECTION | AUTH_SPICE | MINI]);
      client.sendTicket(reply, "ticket");
      expect(await client.readResult()).toBe("OK");
      const init = await client.read(FULL_MAIN_INIT_MESSAGE_BYTES);
      expect(init).toEqual(encodeFullMainInit(SESSION_ID));
      const served = await server.nextChannel();
      expect(served.link.commonCapabilities).toEqual([AUTH_SELECTION | AUTH_SPICE]);
      client.destroy();
      await bench.becomesEmpty(server);
      expect(bench.channels[0]?.connectionIds).toEqual([SESSION_ID]);
    },
  );

  it("are full with a server that is known to have no mini headers", async () => {
    await using server = await startFakeServer(OLD_SERVER);
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
    const client = await bench.connect();
    client.sendLink();
    const reply = await client.readReply();
    expect(reply.commonCapabilities).toEqual([AUTH_SELECTION | AUTH_SPICE]);
    client.sendTicket(reply, "ticket");
    expect(await client.readResult()).toBe("OK");
    const init = await client.read(FULL_MAIN_INIT_MESSAGE_BYTES);
    expect(init).toEqual(encodeFullMainInit(SESSION_ID));
    client.destroy();
    await bench.becomesEmpty(server);
  });

  it("were promised mini before the server turned out to have none", async () => {
    await using server = await startFakeServer(OLD_SERVER);
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
    bench.clue = null;
    const client = await bench.connect();
    expect(await client.link("ticket")).toBe("VERSION_MISMATCH");
    await client.untilClosed();
    await bench.becomesEmpty(server);
    expect(server.ticketCount).toBe(0);
    expect(bench.channels[0]?.ends).toMatchObject([{ code: "server.capability-missing" }]);
  });

  it("stay full when the ticket leads to a server that would have mini ones", async () => {
    await using old = await startFakeServer(OLD_SERVER);
    await using server = await startFakeServer();
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }), {
      foresee: async () => ok({ sessionId: "s", target: targetOf(old) }),
    });
    const client = await bench.connect();
    expect(await client.link("ticket")).toBe("OK");
    expect((await server.nextChannel()).link.commonCapabilities).toEqual([3]);
    client.destroy();
    await bench.becomesEmpty(old, server);
  });
});

describe("authentication selection", () => {
  it("may be unknown to the client, which sends its ticket at once", async () => {
    await using server = await startFakeServer();
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
    bench.clue = null;
    const client = await bench.connect();
    expect(await client.link("ticket", { commonCapabilities: [MINI] })).toBe("OK");
    expect(bench.presented).toMatchObject([{ password: "ticket" }]);
    client.destroy();
    await bench.becomesEmpty(server);
  });

  it("may be unknown to the server, which gets its ticket at once", async () => {
    await using server = await startFakeServer({ commonCapabilities: [MINI] });
    await using bench = await startKnown(() => ({ sessionId: "s", target: targetOf(server) }));
    const client = await bench.connect();
    expect(await client.link("ticket")).toBe("OK");
    expect((await server.nextChannel()).password).toBe("sekret");
    client.destroy();
    await bench.becomesEmpty(server);
  });
});
