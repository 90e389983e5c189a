/** Each way in, from a real socket to a stream with what is known of it, or to its refusal. */
import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";
import { connect } from "node:tls";
import { describe, expect, it } from "vitest";
import { LINK_ERROR, parseLinkHeader, parseLinkReply } from "#shared/spice/link.ts";
import { linkBytes } from "../../harness/relay/fake-spice-client.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";
import { makeIdentity } from "../../harness/relay/test-identity.ts";
import { connectRequest, ESTABLISHED, LABEL, PSEUDO_HOST, WaysIn } from "./ways-in-fixture.ts";

async function readError(peer: SocketPeer): Promise<number> {
  const header = parseLinkHeader(await peer.read(16), "server");
  return parseLinkReply(await peer.read(header.sizeBytes)).error;
}

describe("the TLS port", () => {
  it("hands SPICE on with every byte, and what is known of it", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    client.send(linkBytes());
    const connection = await ways.handedOn();
    expect(connection).toMatchObject({
      ref: "tls-1",
      clientAddress: "192.0.2.7",
      way: "tls",
      clue: null,
    });
    const server = new SocketPeer(connection.stream);
    expect(await server.read(linkBytes().length)).toEqual(Buffer.from(linkBytes()));
    server.send(Buffer.from("answer"));
    expect(String(await client.read(6))).toBe("answer");
    expect(ways.ports.connectionCount).toBe(1);
    server.destroy();
    await ways.empty();
    expect(ways.refused).toEqual([]);
  });

  it("waits for the fourth byte", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    for (const part of ["R", "E", "D"]) {
      client.send(Buffer.from(part));
      await new Promise(setImmediate);
    }
    expect(ways.accepted).toEqual([]);
    client.send(Buffer.from("Q"));
    const { stream } = await ways.handedOn();
    expect(String(await new SocketPeer(stream).read(4))).toBe("REDQ");
  });

  it("hands on what ends right after its fourth byte", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    client.stream.end("REDQ");
    const { stream } = await ways.handedOn();
    expect(String(await new SocketPeer(stream).readToEnd())).toBe("REDQ");
  });

  it("hands on what is neither SPICE nor HTTP, so that its link has SPICE's error for it", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    client.send(Buffer.from("SSH-2.0-x"));
    const { stream, way } = await ways.handedOn();
    expect(way).toBe("tls");
    expect(String(await new SocketPeer(stream).read(9))).toBe("SSH-2.0-x");
  });

  it("lets each side end its own half", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    client.stream.end("REDQ-last");
    const server = new SocketPeer((await ways.handedOn()).stream);
    expect(String(await server.readToEnd())).toBe("REDQ-last");
    server.stream.end("still here");
    expect(String(await client.readToEnd())).toBe("still here");
    await ways.empty();
  });

  it("refuses a client without TLS", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.connect("tls");
    client.send(linkBytes());
    expect(await ways.refusals()).toEqual(["tls.failed"]);
    await ways.empty();
  });

  it("closes a linked connection whose TLS records turn to garbage", async () => {
    await using ways = await WaysIn.start();
    const tcp = await ways.connect("tls");
    const client = await ways.secure({}, tcp);
    client.send(Buffer.from("REDQ"));
    const { stream } = await ways.handedOn();
    const closed = once(stream, "close");
    tcp.stream.write(Buffer.from([0x17, 3, 3, 0, 32, ...Buffer.alloc(32)]));
    stream.resume();
    await closed;
    await ways.empty();
  });

  it("uses a new certificate for new handshakes and lets the old ones live", async () => {
    await using ways = await WaysIn.start();
    const before = await ways.secure();
    const renewed = await makeIdentity();
    ways.ports.replaceIdentity(renewed);
    await ways.secure({ ca: renewed.ca });
    await expect(ways.secure()).rejects.toThrow();
    before.send(Buffer.from("REDQ"));
    expect((await ways.handedOn()).way).toBe("tls");
    const mismatch = { ...renewed, key: ways.identity.key };
    expect(() => {
      ways.ports.replaceIdentity(mismatch);
    }).toThrow();
  });
});

describe("the plain port", () => {
  it("answers NEED_SECURED to a link message, and closes", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.connect("plain");
    client.send(linkBytes());
    expect(await readError(client)).toBe(LINK_ERROR.NEED_SECURED);
    expect(await client.readToEnd()).toHaveLength(0);
    client.stream.end();
    await ways.empty();
    expect(ways.refused).toMatchObject([{ ref: "plain-1", code: "link.needs-secured" }]);
  });

  it("answers a client that has sent its end already", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.connect("plain");
    client.stream.end(linkBytes());
    expect(await readError(client)).toBe(LINK_ERROR.NEED_SECURED);
    await ways.empty();
  });

  it("lets its answer arrive although the client goes on sending", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.connect("plain");
    client.send(Buffer.concat([linkBytes(), Buffer.alloc(512 * 1024)]));
    expect(await readError(client)).toBe(LINK_ERROR.NEED_SECURED);
  });

  it.each([
    ["a TLS hello", Buffer.from([0x16, 3, 1, 0, 200, ...Buffer.alloc(40)]), "INVALID_MAGIC"],
    ["another version", withUint32(linkBytes(), 4, 3), "VERSION_MISMATCH"],
    ["a body that is too long", withUint32(linkBytes(), 12, 5_000), "INVALID_DATA"],
    ["too many capabilities", withUint32(linkBytes(), 16 + 6, 0xffff_ffff), "INVALID_DATA"],
  ] as const)("answers %s with its own SPICE error", async (_name, bytes, error) => {
    await using ways = await WaysIn.start();
    const client = await ways.connect("plain");
    client.send(bytes);
    expect(await readError(client)).toBe(LINK_ERROR[error]);
    client.stream.end();
    await ways.empty();
  });
});

describe("the CONNECT port", () => {
  it("opens a tunnel that ends here, and tells the session's label", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.tunnel();
    client.send(linkBytes());
    const connection = await ways.handedOn();
    expect(connection).toMatchObject({
      ref: "connect-1",
      clientAddress: "192.0.2.7",
      way: "connect",
      clue: { kind: "label", label: LABEL },
    });
    const server = new SocketPeer(connection.stream);
    expect(await server.read(linkBytes().length)).toEqual(Buffer.from(linkBytes()));
    server.stream.end("bye");
    expect(String(await client.readToEnd())).toBe("bye");
    client.stream.end();
    server.destroy();
    await ways.empty();
  });

  it("takes a TLS hello that comes together with the request", async () => {
    await using ways = await WaysIn.start();
    const tcp = await ways.connect("connect");
    tcp.stream.cork();
    tcp.send(Buffer.from(connectRequest()));
    // A client's hello is written when TLS is put on the socket; the cork keeps both together.
    const answered = tcp.read(ESTABLISHED.length);
    const hello = await captureHello();
    tcp.send(hello);
    tcp.stream.uncork();
    await answered;
    const record = await tcp.read(5);
    // The server's handshake: a TLS record of type 22.
    expect(record[0]).toBe(22);
  });

  it("takes names in upper case, HTTP/1.1, and a request a byte at a time", async () => {
    await using ways = await WaysIn.start();
    const tcp = await ways.connect("connect");
    const authority = `${PSEUDO_HOST.toUpperCase()}:443`;
    const request = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    for (const byte of Buffer.from(request)) {
      tcp.send(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    expect(String(await tcp.read(ESTABLISHED.length))).toBe(ESTABLISHED);
    const client = await ways.secure({}, tcp);
    client.send(Buffer.from("REDQ"));
    expect((await ways.handedOn()).clue).toEqual({ kind: "label", label: LABEL });
  });

  it("answers NEED_SECURED to SPICE in clear inside the tunnel", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.connect("connect");
    client.send(Buffer.from(connectRequest()));
    await client.read(ESTABLISHED.length);
    client.send(linkBytes());
    expect(await readError(client)).toBe(LINK_ERROR.NEED_SECURED);
    expect(await ways.refusals()).toEqual(["link.needs-secured"]);
  });

  it("refuses every other host and connects to none", async () => {
    const strangers = createServer(() => {
      connections += 1;
    });
    let connections = 0;
    strangers.listen(0, "127.0.0.1");
    await once(strangers, "listening");
    const { port } = strangers.address() as { port: number };
    await using ways = await WaysIn.start();
    const hosts = [`127.0.0.1:${port}`, `[::1]:${port}`, `x${PSEUDO_HOST}:1`, PSEUDO_HOST, "*:1"];
    for (const authority of hosts) {
      const client = await ways.connect("connect");
      client.send(Buffer.from(connectRequest(authority)));
      const answer = String(await client.readToEnd());
      expect(answer).toMatch(/^HTTP\/1\.1 (403 Forbidden|400 Bad Request)\r\n/);
      expect(answer).toMatch(/console file|valid request/);
      client.stream.end();
    }
    await ways.empty();
    expect(connections).toBe(0);
    expect(ways.refused.map(({ code }) => code)).toEqual(hosts.map(() => "link.http-invalid"));
    strangers.close();
  });

  it.each(["GET / HTTP/1.1", "POST http://example.test/ HTTP/1.1", "OPTIONS * HTTP/1.0"])(
    "answers 405 to %s",
    async (line) => {
      await using ways = await WaysIn.start();
      const client = await ways.connect("connect");
      client.send(Buffer.from(`${line}\r\nHost: x\r\nContent-Length: 400000\r\n\r\n`));
      client.send(Buffer.alloc(400_000));
      const answer = String(await client.readToEnd());
      expect(answer).toContain("HTTP/1.1 405 Method Not Allowed\r\n");
      expect(answer).toContain("Allow: CONNECT\r\n");
      client.stream.end();
      await ways.empty();
      expect(ways.refused).toHaveLength(1);
    },
  );

  it("bounds the head", async () => {
    await using ways = await WaysIn.start({ limits: { httpHeadBytesMax: 1024 } });
    const client = await ways.connect("connect");
    client.send(Buffer.from(`CONNECT ${PSEUDO_HOST}:1 HTTP/1.1\r\nX: ${"x".repeat(2048)}`));
    expect(String(await client.readToEnd())).toContain("HTTP/1.1 400 Bad Request\r\n");
    expect(ways.refused).toMatchObject([
      { code: "link.http-invalid", detail: "HPE_HEADER_OVERFLOW" },
    ]);
  });

  it("answers one request of several", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.connect("connect");
    client.send(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50)));
    const answer = String(await client.readToEnd());
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(ways.refused).toHaveLength(1);
  });
});

describe("closing", () => {
  it("drops what is still shaking hands; what was handed on lives until destroyAll", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    client.send(Buffer.from("REDQ"));
    const { stream } = await ways.handedOn();
    const waiting = [await ways.connect("tls"), await ways.connect("connect")];
    const late = await ways.connect("plain");
    await new Promise(setImmediate);
    ways.ports.close();
    for (const peer of [...waiting, late]) {
      await peer.untilClosed();
    }
    expect(await ways.refusals(3)).toEqual(Array.from({ length: 3 }, () => "relay.stopping"));
    expect(ways.ports.connectionCount).toBe(1);
    const tooLate = await ways.connect("tls");
    await tooLate.untilClosed();
    expect(stream.destroyed).toBe(false);
    ways.ports.destroyAll();
    await ways.empty();
    expect(stream.destroyed).toBe(true);
  });

  it("refuses a socket that is gone already", async () => {
    await using ways = await WaysIn.start();
    const socket = createConnection({ host: "127.0.0.1", port: ways.port("plain") });
    await once(socket, "connect");
    socket.destroy();
    ways.ports.take("tls", socket, { ref: "gone", clientAddress: "192.0.2.9" });
    expect(ways.refused[0]).toMatchObject({ ref: "gone", code: "link.closed" });
  });
});

/** What a TLS client sends first. */
async function captureHello(): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const client = connect({ host: "127.0.0.1", port });
  client.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [Socket];
  socket.on("error", () => {});
  const [hello] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

function withUint32(bytes: Uint8Array, offset: number, value: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt32LE(value, offset);
  return changed;
}
