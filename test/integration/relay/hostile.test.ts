/** Hostile bytes: each ends its own connection, another session goes on, nothing stays behind. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { encodeAuthMechanism } from "#shared/spice/link.ts";
import { eventually } from "../../harness/deadline.ts";
import { encrypt, FakeSpiceClient, linkBytes } from "../../harness/relay/fake-spice-client.ts";
import {
  encodeMessage,
  type FakeSpiceServer,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import { type RelayFixture, startRelay } from "../../harness/relay/relay-fixture.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";

type Session = Awaited<ReturnType<RelayFixture["openSession"]>>;

async function expectAlive(session: Session): Promise<void> {
  const pong = encodeMessage(3, randomBytes(12));
  session.main.client.send(pong);
  expect(await session.main.served.peer.read(pong.length)).toEqual(pong);
}

/** Only the living session's connections are left, here and at the server. */
async function expectOnly(
  relay: RelayFixture,
  server: FakeSpiceServer,
  session: Session,
): Promise<void> {
  await eventually("only the living session", () => {
    const { sessions, channels, connections } = relay.plane.counts();
    const rest = sessions === 1 && channels === 1 && connections === 1;
    return rest && server.sockets.size === 1 ? true : null;
  });
  await expectAlive(session);
  session.main.client.stream.end();
  session.main.served.peer.stream.end();
  await eventually("an empty relay", () =>
    relay.plane.counts().connections === 0 && server.sockets.size === 0 ? true : null,
  );
  expect(relay.plane.counts()).toMatchObject({ sessions: 0, channels: 0 });
  expect(relay.logLines.join("")).not.toContain("relay.fault");
}

describe("a hostile link", () => {
  it("may be cut at every byte", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const link = linkBytes();
    const answerBytes = 4 + 128;
    for (let cut = 0; cut < link.length + answerBytes; cut += 1) {
      const client = await relay.connect();
      client.send(link.subarray(0, cut));
      if (cut >= link.length) {
        const reply = await client.readReply();
        const answer = Buffer.concat([encodeAuthMechanism(1), encrypt(reply, "kst1_")]);
        client.send(answer.subarray(0, cut - link.length));
      }
      client.stream.end();
      await client.untilClosed();
    }
    expect(relay.events.of("ticket.refused")).toEqual([]);
    await expectOnly(relay, server, session);
  });

  it("may be vanished from at each stage without an end", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    for (const cut of [0, 1, 15, 16, 17, 40]) {
      const client = await relay.connect();
      client.send(linkBytes().subarray(0, cut));
      client.destroy();
    }
    await expectOnly(relay, server, session);
  });

  it("is understood when it comes one byte at a time", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { ticket } = await relay.grant(server);
    const client = await relay.connect();
    const dribble = async (bytes: Uint8Array): Promise<void> => {
      for (const byte of bytes) {
        await new Promise<void>((resolve) => {
          client.stream.write(Uint8Array.of(byte), () => {
            resolve();
          });
        });
      }
    };
    await dribble(linkBytes());
    const reply = await client.readReply();
    await dribble(Buffer.concat([encodeAuthMechanism(1), encrypt(reply, ticket)]));
    expect(await client.readResult()).toBe("OK");
  });

  it("is told what is wrong: magic, version, size, channel type", async () => {
    await using relay = await startRelay();
    const patched = (offset: number, value: number): Buffer => {
      const bytes = Buffer.from(linkBytes());
      bytes.writeUInt32LE(value, offset);
      return bytes;
    };
    const cases: [Buffer, number][] = [
      [patched(0, 0x47455420), 2],
      [patched(4, 3), 4],
      [patched(4, 2 ** 32 - 1), 4],
      [patched(12, 17), 3],
      [patched(12, 4097), 3],
      [patched(12, 2 ** 31), 3],
      [patched(12, 2 ** 32 - 1), 3],
      // Counts of capabilities beyond the message.
      [patched(22, 2 ** 32 - 1), 3],
      [patched(26, 2 ** 30), 3],
      [patched(30, 2 ** 32 - 1), 3],
    ];
    for (const type of [0, 12, 255]) {
      const bytes = Buffer.from(linkBytes());
      bytes.writeUInt8(type, 20);
      cases.push([bytes, 9]);
    }
    for (const [bytes, error] of cases) {
      const client = await relay.connect();
      client.send(bytes);
      expect((await client.readReply()).error).toBe(error);
      await client.untilClosed();
    }
    expect(relay.events.all).toEqual([]);
  });

  it("may be random bytes, of any length, in TLS or not", async () => {
    await using server = await startFakeServer();
    // A peer that half-closes before its TLS handshake is only ended by the deadline.
    await using relay = await startRelay({ limits: { tlsHandshakeDeadlineMs: 200 } });
    const session = await relay.openSession(server);
    for (const length of [1, 15, 16, 17, 100, 5_000, 200_000]) {
      const client = await relay.connect();
      client.send(randomBytes(length));
      client.stream.end();
      await client.untilClosed();
      const plain = new SocketPeer(connect(relay.plane.address.port, "127.0.0.1"));
      plain.send(randomBytes(length));
      plain.stream.end();
      await plain.untilClosed();
    }
    await expectOnly(relay, server, session);
  });

  it("is not served beyond the cap on connections", async () => {
    await using relay = await startRelay({ limits: { connectionsMax: 2 } });
    const { port } = relay.plane.address;
    const idle = new SocketPeer(connect(port, "127.0.0.1"));
    const client = await relay.connect();
    await expect(FakeSpiceClient.connect(port, relay.identity.ca)).rejects.toThrow();
    idle.destroy();
    await eventually("room", () => (relay.plane.counts().connections === 1 ? true : null));
    client.sendLink();
    expect((await client.readReply()).error).toBe(0);
    await relay.connect();
  });

  it("is not served for long without a TLS handshake", async () => {
    await using relay = await startRelay({ limits: { tlsHandshakeDeadlineMs: 100 } });
    const idle = new SocketPeer(connect(relay.plane.address.port, "127.0.0.1"));
    await idle.untilClosed();
    await eventually("no connection", () => (relay.plane.counts().connections === 0 ? true : null));
  });
});

describe("a hostile message", () => {
  it.each([
    ["client", "an unknown type", encodeMessage(99, Buffer.alloc(4))],
    ["client", "a size of 2^32-1", header(2, 2 ** 32 - 1)],
    ["client", "a size of 2^31", header(3, 2 ** 31)],
    ["client", "one byte too many", encodeMessage(3, Buffer.alloc(13))],
    ["client", "one byte too few", encodeMessage(3, Buffer.alloc(11))],
    ["server", "an unknown type", encodeMessage(99, Buffer.alloc(4))],
    ["server", "a size of 2^32-1", header(103, 2 ** 32 - 1)],
    ["server", "one byte too many", encodeMessage(103, Buffer.alloc(33))],
  ] as const)(
    "from the %s: %s ends its channel from the header alone",
    async (from, _name, bad) => {
      await using server = await startFakeServer();
      await using relay = await startRelay();
      const living = await relay.openSession(server);
      const session = await relay.openSession(server);
      const { client, served } = session.main;
      const [sender, receiver] = from === "client" ? [client, served.peer] : [served.peer, client];
      const lawful =
        from === "client"
          ? encodeMessage(3, Buffer.alloc(12, 1))
          : encodeMessage(4, Buffer.alloc(12, 1));
      sender.send(Buffer.concat([lawful, bad.subarray(0, 6)]));
      expect(await receiver.readToEnd()).toEqual(lawful);
      receiver.stream.end();
      await Promise.all([receiver.untilClosed(), sender.untilClosed()]);
      const ended = await relay.events.next("session.ended");
      const code = _name === "an unknown type" ? "message.type-unknown" : "message.size-unlawful";
      expect(ended).toMatchObject({ reason: "protocol-violation" });
      expect(relay.events.of("channel.closed")).toMatchObject([{ reason: code }]);
      await expectOnly(relay, server, living);
    },
  );

  it("may be random bytes on any channel", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const living = await relay.openSession(server);
    for (const channel of ["display", "inputs", "record", "usbredir", "tunnel"] as const) {
      const { client, served } = await living.join({ channel });
      // A type of 0xffff exists on no channel, wherever the noise would have led otherwise.
      client.send(Buffer.concat([Buffer.alloc(2, 0xff), randomBytes(100_000)]));
      await Promise.all([client.untilClosed(), served.peer.untilClosed()]);
    }
    await relay.events.next("channel.closed", 5);
    expect(relay.events.of("channel.closed").map((event) => event.reason)).toEqual(
      Array.from({ length: 5 }, () => "message.type-unknown"),
    );
    await expectOnly(relay, server, living);
  });
});

function header(type: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16LE(type, 0);
  bytes.writeUInt32LE(sizeBytes, 2);
  return bytes;
}
