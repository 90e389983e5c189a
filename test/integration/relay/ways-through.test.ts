/**
 * Every way in through the whole data plane, carried by its own process and by worker processes:
 * from the accept to bytes at a server and back.
 */
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import { createWebSocketStream, WebSocket } from "ws";
import { LINK_ERROR } from "#shared/spice/link.ts";
import { pseudoHost, sessionLabel } from "#shared/ticket/session-label.ts";
import { eventually, withDeadline } from "../../harness/deadline.ts";
import { FakeSpiceClient, linkBytes } from "../../harness/relay/fake-spice-client.ts";
import {
  encodeMessage,
  type FakeSpiceServer,
  MAIN_INIT_MESSAGE_BYTES,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import { type RelayFixture, startRelay } from "../../harness/relay/relay-fixture.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";

const ORIGIN = "https://console.example.test";

function start(workers: number): Promise<RelayFixture> {
  return startRelay({ workers, plainPort: 0, connectPort: 0, webOrigins: [ORIGIN] });
}

/** Main is linked, and bytes flow both ways. */
async function expectMain(
  client: FakeSpiceClient,
  server: FakeSpiceServer,
  ticket: string,
): Promise<void> {
  expect(await client.link(ticket)).toBe("OK");
  const { peer } = await server.nextChannel();
  await client.read(MAIN_INIT_MESSAGE_BYTES);
  const pong = encodeMessage(3, Buffer.alloc(12, 9));
  client.send(pong);
  expect(await peer.read(pong.length)).toEqual(pong);
  const ping = encodeMessage(4, Buffer.alloc(12, 8));
  peer.send(ping);
  expect(await client.read(ping.length)).toEqual(ping);
}

async function expectEmpty(relay: RelayFixture): Promise<void> {
  await relay.events.next("session.ended");
  await eventually("an empty relay", () => (relay.plane.counts().connections === 0 ? true : null));
}

async function scrape(relay: RelayFixture): Promise<string> {
  const port = String(relay.plane.healthPort);
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

function openWebSocket(relay: RelayFixture, token: string, origin = ORIGIN): WebSocket {
  const url = `wss://127.0.0.1:${relay.plane.address.port}/console?token=${token}`;
  const socket = new WebSocket(url, ["binary"], { ca: relay.identity.ca, origin });
  socket.on("error", () => {});
  return socket;
}

describe.each([0, 2])("through a relay with %i workers", (workers) => {
  it("a client comes by HTTP CONNECT and TLS", async () => {
    await using server = await startFakeServer();
    await using relay = await start(workers);
    const { ticket, hash } = await relay.grant(server);
    const port = relay.plane.connectAddress?.port ?? 0;
    const tcp = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true });
    await once(tcp, "connect");
    const host = pseudoHost(await sessionLabel(hash));
    tcp.write(`CONNECT ${host}:5900 HTTP/1.0\r\n\r\n`);
    const [answer] = (await once(tcp, "data")) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.[01] 200 /);
    const socket = connectTls({ socket: tcp, host: "127.0.0.1", ca: relay.identity.ca });
    await withDeadline(once(socket, "secureConnect"), 5_000, "TLS in the tunnel");
    const client = new FakeSpiceClient(socket);
    await expectMain(client, server, ticket);
    client.destroy();
    await expectEmpty(relay);
  });

  it("a web console comes by WebSocket, from a permitted origin only", async () => {
    await using server = await startFakeServer();
    await using relay = await start(workers);
    const { ticket } = await relay.grant(server);
    const stranger = openWebSocket(relay, ticket, "https://evil.example.test");
    const [, refused] = (await once(stranger, "unexpected-response")) as [
      unknown,
      { statusCode: number },
    ];
    expect(refused.statusCode).toBe(403);
    stranger.terminate();

    const socket = openWebSocket(relay, ticket);
    await withDeadline(once(socket, "open"), 5_000, "the upgrade");
    const client = new FakeSpiceClient(createWebSocketStream(socket));
    await expectMain(client, server, ticket);
    socket.terminate();
    await expectEmpty(relay);
  });

  it("the origins can be replaced while it serves", async () => {
    await using server = await startFakeServer();
    await using relay = await start(workers);
    const { ticket } = await relay.grant(server);
    relay.plane.setWebOrigins(["https://other.example.test"]);
    const socket = openWebSocket(relay, ticket, "https://other.example.test");
    await withDeadline(once(socket, "open"), 5_000, "the upgrade");
    socket.terminate();
    const former = openWebSocket(relay, ticket);
    await once(former, "unexpected-response");
    former.terminate();
  });

  it("the plain port tells a client to use TLS", async () => {
    await using relay = await start(workers);
    const port = relay.plane.plainAddress?.port ?? 0;
    const peer = new SocketPeer(connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true }));
    peer.send(linkBytes());
    const header = await peer.read(16);
    const reply = await peer.read(header.readUInt32LE(12));
    expect(reply.readUInt32LE(0)).toBe(LINK_ERROR.NEED_SECURED);
    await peer.untilClosed();
    await eventually("an empty relay", () =>
      relay.plane.counts().connections === 0 ? true : null,
    );
  });

  it("one source has its bound of connections, and leaves room for itself when it leaves", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers, limits: { connectionsPerSourceMax: 2 } });
    const session = await relay.openSession(server);
    const other = await relay.connect();
    await expect(relay.connect()).rejects.toThrow();
    expect(await scrape(relay)).toContain(
      'kerbside_relay_gate_refusals_total{code="link.source-limited"} 1',
    );
    other.destroy();
    await eventually("room", () => (relay.plane.counts().connections === 1 ? true : null));
    await session.join({ channel: "display" });
  });

  it("unfinished handshakes of one source are bounded apart from its linked channels", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers, limits: { handshakesPerSourceMax: 2 } });
    const session = await relay.openSession(server);
    await session.join({ channel: "display" });
    // A worker answers a scrape behind what it had told before: that both channels are linked.
    await scrape(relay);
    const idle = [await relay.connect(), await relay.connect()];
    await expect(relay.connect()).rejects.toThrow();
    idle.forEach((client) => client.destroy());
    await eventually("room", () => (relay.plane.counts().connections === 2 ? true : null));
    await session.join({ channel: "cursor" });
  });
});
