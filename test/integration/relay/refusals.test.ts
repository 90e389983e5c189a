/** Every way a ticket can be refused: PERMISSION_DENIED, exactly one event, nothing dialled. */
import { describe, expect, it } from "vitest";
import { fail, ok } from "#shared/base/result.ts";
import { encodeAuthMechanism } from "#shared/spice/link.ts";
import { makeTicketKey } from "../../harness/relay/fake-control.ts";
import {
  encodeMessage,
  type FakeSpiceServer,
  SESSION_ID,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import { type ClientChannelOptions, encrypt } from "../../harness/relay/fake-spice-client.ts";
import { type RelayFixture, startRelay } from "../../harness/relay/relay-fixture.ts";

interface RefusalCase {
  readonly reason: string;
  readonly name: string;
  readonly options?: ClientChannelOptions;
  /** Prepares the relay and gives the ticket to present. */
  readonly ticket: (relay: RelayFixture, server: FakeSpiceServer) => Promise<string>;
}

const later = { channel: "display", connectionId: SESSION_ID } as const;

const CASES: readonly RefusalCase[] = [
  { reason: "malformed", name: "a password that is no ticket", ticket: async () => "hunter2" },
  { reason: "malformed", name: "an empty password", ticket: async () => "" },
  {
    reason: "foreign",
    name: "another relay's ticket",
    ticket: async (relay) => (await relay.control.issue({ ticketKey: makeTicketKey() })).ticket,
  },
  {
    reason: "forged",
    name: "a ticket with an altered MAC",
    ticket: async (relay, server) => {
      const { ticket } = await relay.grant(server);
      return ticket.slice(0, -2) + (ticket.endsWith("AA") ? "BA" : "AA");
    },
  },
  {
    reason: "expired",
    name: "an expired ticket",
    ticket: async (relay) => (await relay.control.issue({ expiresInS: -1 })).ticket,
  },
  {
    reason: "unknown",
    name: "a ticket that the control plane does not know",
    ticket: async (relay) => (await relay.control.issue()).ticket,
  },
  {
    reason: "unknown",
    name: "a ticket that was withdrawn",
    ticket: async (relay, server) => {
      const { ticket, sessionId } = await relay.grant(server);
      await relay.plane.commands.apply({ kind: "withdraw", sessionId });
      return ticket;
    },
  },
  {
    reason: "no-session",
    name: "a later channel of a session that never opened",
    options: later,
    ticket: async (relay, server) => (await relay.grant(server)).ticket,
  },
  {
    reason: "no-session",
    name: "a later channel with connection id 0",
    options: { channel: "display" },
    ticket: async (relay, server) => (await relay.grant(server)).ticket,
  },
  {
    reason: "no-session",
    name: "a main channel that is a migration target",
    options: { connectionId: SESSION_ID },
    ticket: async (relay, server) => (await relay.grant(server)).ticket,
  },
];

describe("a refused ticket", () => {
  it.each(CASES)("$reason: $name", async ({ reason, ticket, options }) => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const text = await ticket(relay, server);
    const client = await relay.connect();
    expect(await client.link(text, options)).toBe("PERMISSION_DENIED");
    await client.untilClosed();
    expect(relay.events.all).toHaveLength(1);
    expect(relay.events.all[0]).toMatchObject({
      type: "ticket.refused",
      reason,
      channel: options?.channel ?? "main",
      clientAddress: "127.0.0.1",
    });
    expect(server.connectionCount).toBe(0);
    expect(relay.plane.counts()).toMatchObject({ sessions: 0, channels: 0 });
  });

  it("used: a second main channel, while the first lives and after it ended", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { issued, main } = await relay.openSession(server);
    const second = await relay.connect();
    expect(await second.link(issued.ticket)).toBe("PERMISSION_DENIED");
    expect(relay.events.of("ticket.refused")).toMatchObject([
      { reason: "used", sessionId: issued.sessionId },
    ]);
    main.client.stream.end();
    await relay.events.next("session.ended");
    const third = await relay.connect();
    expect(await third.link(issued.ticket)).toBe("PERMISSION_DENIED");
    expect(relay.events.of("ticket.refused")).toHaveLength(2);
    expect(server.connectionCount).toBe(1);
    expect(relay.lookups).toEqual([]);
  });

  it("is told ERROR when the control plane could not be asked", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ lookup: async () => fail("unverifiable") });
    const { ticket } = await relay.control.issue({ target: { port: server.port } });
    const client = await relay.connect();
    expect(await client.link(ticket)).toBe("ERROR");
    expect(relay.events.all).toMatchObject([{ type: "ticket.refused", reason: "unverifiable" }]);
    expect(server.connectionCount).toBe(0);
  });

  it("counts what is not encrypted with the offered key as malformed", async () => {
    await using relay = await startRelay();
    const client = await relay.connect();
    client.sendLink();
    await client.readReply();
    client.send(Buffer.concat([encodeAuthMechanism(1), Buffer.alloc(128, 0x55)]));
    expect(await client.readResult()).toBe("PERMISSION_DENIED");
    expect(relay.events.all).toMatchObject([{ type: "ticket.refused", reason: "malformed" }]);
  });

  it("names another session's connection id: refused though that session lives", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { issued } = await relay.openSession(server);
    const client = await relay.connect();
    const stranger = { channel: "inputs", connectionId: SESSION_ID + 1 } as const;
    expect(await client.link(issued.ticket, stranger)).toBe("PERMISSION_DENIED");
    expect(relay.events.of("ticket.refused")).toMatchObject([
      { reason: "no-session", sessionId: issued.sessionId },
    ]);
    expect(server.connectionCount).toBe(1);
  });
});

describe("an admitted ticket", () => {
  it("is looked up when its grant has not come yet", async () => {
    await using server = await startFakeServer();
    const grants = new Map<string, string>();
    await using relay = await startRelay({
      lookup: async (hash) => {
        const grant = grants.get(hash);
        return grant === undefined ? fail("unknown") : ok(grant);
      },
    });
    const issued = await relay.control.issue({ target: { port: server.port } });
    grants.set(issued.hash, issued.grant);
    await relay.open(server, issued.ticket);
    expect(relay.lookups).toEqual([issued.hash]);
  });

  it("admits a later channel long after the ticket expired, but no second main", async () => {
    await using server = await startFakeServer();
    let nowMs = Date.now();
    await using relay = await startRelay({ nowMs: () => nowMs });
    const session = await relay.openSession(server);
    nowMs += 24 * 3_600_000;
    const display = await session.join({ channel: "display" });
    const mark = encodeMessage(102, Buffer.alloc(0));
    display.served.peer.send(mark);
    expect(await display.client.read(mark.length)).toEqual(mark);
    const second = await relay.connect();
    expect(await second.link(session.issued.ticket)).toBe("PERMISSION_DENIED");
    expect(relay.events.of("ticket.refused")).toMatchObject([{ reason: "expired" }]);
  });

  it("opens one session when two main channels race for it", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { ticket } = await relay.grant(server);
    const clients = await Promise.all([relay.connect(), relay.connect(), relay.connect()]);
    const results = await Promise.all(clients.map((client) => client.link(ticket)));
    expect(results.filter((result) => result === "OK")).toHaveLength(1);
    expect(results.filter((result) => result === "PERMISSION_DENIED")).toHaveLength(2);
    expect(server.connectionCount).toBe(1);
    expect(relay.events.of("ticket.refused")).toMatchObject([
      { reason: "used" },
      { reason: "used" },
    ]);
  });

  it("carries a ticket of another relay's key when its grant was pushed here", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { ticket } = await relay.grant(server, { ticketKey: makeTicketKey() });
    await relay.open(server, ticket);
    await relay.open(server, ticket, { channel: "cursor", connectionId: SESSION_ID });
    expect(relay.lookups).toEqual([]);
  });

  it("may not open a channel that its policy does not name", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { ticket, sessionId } = await relay.grant(server, {
      policy: { channels: ["main", "display"] },
    });
    await relay.open(server, ticket);
    await relay.open(server, ticket, { channel: "display", connectionId: SESSION_ID });
    const client = await relay.connect();
    const usb = { channel: "usbredir", channelId: 1, connectionId: SESSION_ID } as const;
    expect(await client.link(ticket, usb)).toBe("PERMISSION_DENIED");
    expect(relay.events.of("channel.refused")).toMatchObject([
      { sessionId, channel: "usbredir", channelId: 1, code: "channel.not-permitted" },
    ]);
    expect(relay.events.of("ticket.refused")).toEqual([]);
    // Its connection id told of the session, so that the server was asked what it offers: no more.
    expect(server.ticketCount).toBe(2);
  });

  it("is told ERROR when the session or the relay has no room for its channel", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ limits: { channelsPerSessionMax: 2, channelsMax: 2 } });
    const session = await relay.openSession(server);
    await session.join({ channel: "display" });
    const more = await relay.connect();
    const cursor = { channel: "cursor", connectionId: SESSION_ID } as const;
    expect(await more.link(session.issued.ticket, cursor)).toBe("ERROR");
    const other = await relay.grant(server);
    expect(await (await relay.connect()).link(other.ticket)).toBe("ERROR");
    expect(relay.events.of("channel.refused").map((event) => event.code)).toEqual([
      "relay.full",
      "relay.full",
    ]);
    // The second ticket was not used up: it works when there is room again.
    session.main.client.stream.end();
    await relay.events.next("session.ended");
    await relay.open(server, other.ticket);
  });
});

describe("a second viewer of a console", () => {
  const consoleId = "con_shared";

  it("is refused by default: nothing is dialled, the first one goes on, the ticket stays good", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const first = await relay.grant(server, { consoleId });
    const main = await relay.open(server, first.ticket);
    const second = await relay.grant(server, { consoleId });
    const client = await relay.connect();
    expect(await client.link(second.ticket)).toBe("PERMISSION_DENIED");
    expect(relay.events.of("channel.refused")).toMatchObject([
      { sessionId: second.sessionId, channel: "main", code: "console.in-use" },
    ]);
    expect(server.connectionCount).toBe(1);
    const pong = encodeMessage(3, Buffer.alloc(12));
    main.client.send(pong);
    expect(await main.served.peer.read(pong.length)).toEqual(pong);
    main.client.stream.end();
    main.served.peer.stream.end();
    await relay.events.next("session.ended");
    await relay.open(server, second.ticket);
  });

  it("takes over when his policy says so: the first one is out within a second", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const first = await relay.grant(server, { consoleId });
    const main = await relay.open(server, first.ticket);
    const policy = { secondViewer: "take-over" } as const;
    const second = await relay.grant(server, { consoleId, policy });
    const [, taken] = await Promise.all([
      main.client.untilClosed(1_000),
      relay.open(server, second.ticket),
    ]);
    expect(await relay.events.next("session.ended")).toMatchObject({
      sessionId: first.sessionId,
      reason: "taken-over",
      detail: `session ${second.sessionId} opened its console`,
    });
    expect(relay.plane.snapshot()).toEqual([second.sessionId]);
    expect(taken.served.channel).toBe("main");
  });
});

describe("bad tickets in numbers", () => {
  it("are answered ever later, while a good one from the same address is not", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({
      limits: { refusalsFreeMax: 1, refusalHoldFirstMs: 5_000, refusalsToldMax: 1 },
    });
    const free = await relay.connect();
    expect(await free.link("hunter2")).toBe("PERMISSION_DENIED");
    const held = await relay.connect();
    let isAnswered = false;
    const answer = held.link("hunter2").then((result) => {
      isAnswered = true;
      return result;
    });
    answer.catch(() => {});
    const { ticket } = await relay.grant(server);
    await relay.open(server, ticket);
    expect(isAnswered).toBe(false);
    expect(relay.events.of("ticket.refused")).toMatchObject([{ reason: "malformed", count: 1 }]);
    await relay.plane.stop(2_000);
    expect(relay.events.of("ticket.refused")).toHaveLength(2);
  });
});

describe("a link that never comes to a ticket", () => {
  it("refuses SASL as a mechanism with PERMISSION_DENIED", async () => {
    await using relay = await startRelay();
    const client = await relay.connect();
    client.sendLink();
    const reply = await client.readReply();
    client.send(Buffer.concat([encodeAuthMechanism(2), encrypt(reply, "x")]));
    expect(await client.readResult()).toBe("PERMISSION_DENIED");
    expect(relay.events.all).toEqual([]);
  });

  it("ends a client that says nothing when its phase's deadline passes", async () => {
    await using relay = await startRelay({ limits: { clientPhaseDeadlineMs: 500 } });
    const silent = await relay.connect();
    await silent.untilClosed();
    const halfway = await relay.connect();
    halfway.sendLink();
    await halfway.readReply();
    await halfway.untilClosed();
    expect(relay.plane.counts()).toMatchObject({ sessions: 0, channels: 0 });
  });
});
