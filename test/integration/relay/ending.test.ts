/** How channels and sessions end, and that all of it goes away. */
import { describe, expect, it } from "vitest";
import { eventually } from "../../harness/deadline.ts";
import {
  encodeMessage,
  SESSION_ID,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import { type RelayFixture, startRelay } from "../../harness/relay/relay-fixture.ts";

async function expectEmpty(relay: RelayFixture): Promise<void> {
  await eventually("an empty relay", () => {
    const { sessions, channels, connections } = relay.plane.counts();
    return sessions + channels + connections === 0 ? true : null;
  });
}

describe("terminating a session", () => {
  it("closes all its channels well within a second, and no other session's", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const channels = [
      session.main,
      await session.join({ channel: "display" }),
      await session.join({ channel: "inputs" }),
    ];
    const other = await relay.openSession(server);
    expect(relay.plane.snapshot().sort()).toEqual(
      [session.issued.sessionId, other.issued.sessionId].sort(),
    );
    const { sessionId } = session.issued;
    const reason = "asked by an administrator";
    const cause = "terminated";
    await relay.plane.commands.apply({ kind: "terminate", sessionId, reason, cause });
    await Promise.all(
      channels.flatMap(({ client, served }) => [
        client.untilClosed(1000),
        served.peer.untilClosed(1000),
      ]),
    );
    const ended = await relay.events.next("session.ended");
    expect(ended).toMatchObject({ sessionId, reason: "terminated", detail: reason });
    expect(relay.events.of("channel.closed").map((event) => event.reason)).toEqual([
      "terminated",
      "terminated",
      "terminated",
    ]);
    expect(relay.plane.snapshot()).toEqual([other.issued.sessionId]);
    const pong = encodeMessage(3, Buffer.alloc(12));
    other.main.client.send(pong);
    expect(await other.main.served.peer.read(pong.length)).toEqual(pong);
  });

  it("is a no-op for a session that is unknown or over", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    session.main.client.stream.end();
    await relay.events.next("session.ended");
    const { sessionId } = session.issued;
    for (const id of [sessionId, "ses_unknown"]) {
      const order = { kind: "terminate", reason: "again", cause: "terminated" } as const;
      expect(await relay.plane.commands.apply({ ...order, sessionId: id })).toBeNull();
    }
    expect(relay.events.of("session.ended")).toHaveLength(1);
  });

  it("voids a ticket that was not used yet", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { ticket, sessionId } = await relay.grant(server);
    relay.plane.terminate(sessionId, "never mind");
    const client = await relay.connect();
    expect(await client.link(ticket)).toBe("PERMISSION_DENIED");
    expect(server.connectionCount).toBe(0);
  });
});

describe("a side that ends", () => {
  it("server: what is under way reaches the client, then its end; reason server-closed", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const last = encodeMessage(304, Buffer.alloc(3_000_000, 3));
    const { client, served } = await session.join({ channel: "display" });
    served.peer.stream.end(last);
    session.main.served.peer.stream.end();
    expect(await client.readToEnd()).toEqual(last);
    client.stream.end();
    await session.main.client.untilClosed();
    const ended = await relay.events.next("session.ended");
    expect(ended).toMatchObject({ reason: "server-closed", serverBytes: last.length + 38 });
    await expectEmpty(relay);
    expect(server.sockets.size).toBe(0);
  });

  it("client: half close; its last bytes reach the server, whose answer still comes back", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { main } = await relay.openSession(server);
    const last = encodeMessage(3, Buffer.alloc(12, 5));
    main.client.stream.end(last);
    expect(await main.served.peer.readToEnd()).toEqual(last);
    const answer = encodeMessage(7, Buffer.alloc(24, 6));
    main.served.peer.stream.end(answer);
    expect(await main.client.readToEnd()).toEqual(answer);
    const ended = await relay.events.next("session.ended");
    expect(ended).toMatchObject({ reason: "client-closed", clientBytes: last.length });
    await expectEmpty(relay);
  });

  it("half close: the other side is given up when it does not end within the linger", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ limits: { endLingerMs: 50 } });
    const { main } = await relay.openSession(server);
    main.client.stream.end();
    await relay.events.next("session.ended");
    await expectEmpty(relay);
  });

  it.each(["client", "server"] as const)("%s: a reset is a normal end", async (who) => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { main } = await relay.openSession(server);
    if (who === "client") {
      main.client.destroy();
    } else {
      for (const socket of server.sockets) {
        socket.resetAndDestroy();
      }
      await main.client.untilClosed();
    }
    const ended = await relay.events.next("session.ended");
    expect(ended.reason).toBe(`${who}-closed`);
    await expectEmpty(relay);
    expect(relay.logLines.join("")).not.toContain("relay.fault");
  });

  it("main: the other channels of its session end after a short grace", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ limits: { mainGraceMs: 30 } });
    const session = await relay.openSession(server);
    const display = await session.join({ channel: "display" });
    session.main.client.stream.end();
    session.main.served.peer.stream.end();
    await display.client.untilClosed();
    const ended = await relay.events.next("session.ended");
    expect(ended.reason).toBe("client-closed");
    expect(relay.events.types().slice(-3)).toEqual([
      "channel.closed",
      "channel.closed",
      "session.ended",
    ]);
    await expectEmpty(relay);
  });

  it("a channel other than main: its session lives on", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const display = await session.join({ channel: "display" });
    display.client.stream.end();
    display.served.peer.stream.end();
    await relay.events.next("channel.closed");
    await session.join({ channel: "display", channelId: 1 });
    expect(relay.events.of("session.ended")).toEqual([]);
  });
});

describe("a session's policy", () => {
  it("of a reconnect window lets a lost client open the same session again", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const policy = { reconnectWindowS: 60 };
    const { ticket, sessionId } = await relay.grant(server, { policy });
    const first = await relay.open(server, ticket);
    first.client.destroy();
    await relay.events.next("channel.closed");
    expect(relay.plane.counts()).toMatchObject({ sessions: 1, channels: 0 });
    const again = await relay.open(server, ticket);
    const pong = encodeMessage(3, Buffer.alloc(12));
    again.client.send(pong);
    expect(await again.served.peer.read(pong.length)).toEqual(pong);
    expect(relay.events.of("session.opened")).toHaveLength(1);
    expect(relay.plane.snapshot()).toEqual([sessionId]);
    relay.plane.terminate(sessionId, "enough");
    await relay.events.next("session.ended");
    await expectEmpty(relay);
  });

  it("ends it when the window passes", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { ticket } = await relay.grant(server, { policy: { reconnectWindowS: 1 } });
    const { client } = await relay.open(server, ticket);
    client.destroy();
    const ended = await relay.events.next("session.ended");
    expect(ended.reason).toBe("client-closed");
    await expectEmpty(relay);
  });

  it.each([
    [{ idleS: 1 }, "idle"],
    [{ durationS: 1 }, "duration-exceeded"],
  ])("%j ends all its channels: %s", async (policy, reason) => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { ticket } = await relay.grant(server, { policy });
    const main = await relay.open(server, ticket);
    const join = { channel: "display", connectionId: SESSION_ID } as const;
    const display = await relay.open(server, ticket, join);
    const ended = await relay.events.next("session.ended");
    expect(ended.reason).toBe(reason);
    await Promise.all([main.client.untilClosed(1_000), display.client.untilClosed(1_000)]);
    expect(relay.events.of("channel.closed").map((event) => event.reason)).toEqual([
      reason,
      reason,
    ]);
    await expectEmpty(relay);
  });
});

describe("draining the relay", () => {
  it("takes nobody new, and ends what is left when its deadline passes", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const { ticket } = await relay.grant(server);
    const drained = relay.plane.drain(1_000);
    await session.join({ channel: "display" });
    const client = await relay.connect();
    expect(await client.link(ticket)).toBe("ERROR");
    expect(relay.events.of("channel.refused")).toMatchObject([{ code: "relay.draining" }]);
    expect(relay.events.of("session.ended")).toEqual([]);
    await drained;
    expect(relay.events.of("session.ended")).toMatchObject([{ reason: "relay-drained" }]);
    await expectEmpty(relay);
    relay.plane.resume();
    await relay.open(server, ticket);
  });
});

describe("stopping the relay", () => {
  it("refuses newcomers, ends every session with relay-stopped, closes every socket", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const first = await relay.openSession(server);
    const second = await relay.openSession(server);
    const halfway = await relay.connect();
    halfway.sendLink();
    await halfway.readReply();
    const stopped = relay.plane.stop(2_000);
    await Promise.all([
      first.main.client.untilClosed(1_000),
      second.main.client.untilClosed(1_000),
      halfway.untilClosed(1_000),
      stopped,
    ]);
    expect(relay.events.of("session.ended").map((event) => event.reason)).toEqual([
      "relay-stopped",
      "relay-stopped",
    ]);
    expect(relay.plane.counts()).toEqual({ sessions: 0, channels: 0, connections: 0, grants: 0 });
    await expect(relay.connect()).rejects.toThrow();
    await relay.plane.stop(2_000);
  });
});

describe("telemetry", () => {
  it("serves metrics and health on loopback, and nothing secret", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    await session.join({ channel: "display" });
    const stranger = await relay.connect();
    await stranger.link("not a ticket");
    const base = `http://127.0.0.1:${String(relay.plane.healthPort)}`;
    const health = await fetch(`${base}/healthz`);
    expect(health.status).toBe(200);
    expect(await health.json()).toEqual({
      status: "serving",
      linked: true,
      sessions: 1,
      channels: 2,
    });
    const text = await (await fetch(`${base}/metrics`)).text();
    expect(text).toContain('kerbside_relay_channels_open{channel="display"} 1');
    expect(text).toContain('kerbside_relay_tickets_refused_total{reason="malformed"} 1');
    expect(text).toContain('kerbside_relay_forwarded_bytes_total{from="server"} 38');
    expect(text).toContain('kerbside_relay_links_total{code="linked",way="tls"} 2');
    expect(text).toContain("nodejs_eventloop_lag");
    expect((await fetch(`${base}/`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: "POST" })).status).toBe(405);
    session.main.client.stream.end();
    session.main.served.peer.stream.end();
    await relay.events.next("session.ended");
    const lines = relay.logLines.map((line) => JSON.parse(line) as { msg: string });
    const ended = lines.find((line) => line.msg === "session.ended");
    expect(ended).toMatchObject({ outcome: "client-closed", serverBytes: 38 });
    expect(lines.filter((line) => line.msg === "channel.ended")).toHaveLength(2);
    const everything = relay.logLines.join("") + JSON.stringify(relay.events.all) + text;
    expect(everything).not.toContain(session.issued.ticket);
    expect(everything).not.toContain("sekret");
    expect(everything).not.toContain("not a ticket");
  });
});
