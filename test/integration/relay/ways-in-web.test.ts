/** The way of web consoles: HTTP inside the TLS port, upgraded to a WebSocket. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { fail } from "#shared/base/result.ts";
import { ERRORS, type ErrorCode } from "#shared/errors/catalogue.ts";
import { withDeadline } from "../../harness/deadline.ts";
import { linkBytes } from "../../harness/relay/fake-spice-client.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";
import { type Foresee, ORIGIN, upgradeRequest, WaysIn } from "./ways-in-fixture.ts";

const TOKEN = "kt1_SecretTicketOfAWebConsole";
const clients: WebSocket[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) {
    client.terminate();
  }
});

/** A WebSocket client as a browser's page would open it. */
function browse(ways: WaysIn, path = `/console?token=${TOKEN}`, origin = ORIGIN): WebSocket {
  const url = `wss://127.0.0.1:${ways.port("tls")}${path}`;
  const client = new WebSocket(url, ["binary"], { ca: ways.identity.ca, origin });
  client.on("error", () => {});
  clients.push(client);
  return client;
}

async function opened(ways: WaysIn): Promise<{ client: WebSocket; server: SocketPeer }> {
  const count = ways.accepted.length;
  const client = browse(ways);
  await withDeadline(once(client, "open"), 5_000, "the upgrade");
  return { client, server: new SocketPeer((await ways.handedOn(count)).stream) };
}

async function closeCode(client: WebSocket): Promise<number> {
  const [code] = (await withDeadline(once(client, "close"), 5_000, "the close")) as [number];
  return code;
}

/** The answer to a request that is not upgraded. */
async function ask(ways: WaysIn, request: string): Promise<string> {
  const client = await ways.secure();
  client.send(Buffer.from(request));
  const answer = String(await client.readToEnd());
  client.stream.end();
  return answer;
}

function refusing(code: ErrorCode, holdMs = 0): Foresee {
  return async () => fail({ code, detail: "as the test wants it", holdMs });
}

/** No secret may be anywhere in what is told of a connection. */
function expectNoToken(ways: WaysIn, ...texts: string[]): void {
  expect(JSON.stringify(ways.refused) + texts.join("")).not.toContain(TOKEN);
}

describe("a web console", () => {
  it("comes in with its token as clue, and its messages are one stream of bytes", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    expect(client.protocol).toBe("binary");
    expect(client.extensions).toBe("");
    expect(ways.accepted[0]).toMatchObject({
      ref: "tls-1",
      clientAddress: "192.0.2.7",
      way: "websocket",
      clue: { kind: "token", token: TOKEN },
    });
    expect(ways.clues).toEqual([{ kind: "token", token: TOKEN }]);
    const link = linkBytes();
    client.send(link.subarray(0, 7));
    client.send(link.subarray(7));
    expect(await server.read(link.length)).toEqual(Buffer.from(link));
    const message = once(client, "message");
    server.send(Buffer.from("answer"));
    expect(await message).toEqual([Buffer.from("answer"), true]);
  });

  it("may send its first message together with the upgrade", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    // Unmasked length 4, mask 0: the payload is as written.
    const frame = Buffer.from([0x82, 0x84, 0, 0, 0, 0, ...Buffer.from("REDQ")]);
    client.send(Buffer.concat([Buffer.from(upgradeRequest()), frame]));
    const server = new SocketPeer((await ways.handedOn()).stream);
    expect(String(await server.read(4))).toBe("REDQ");
  });

  it("comes in through a request a byte at a time, with other parameters beside", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    for (const byte of Buffer.from(upgradeRequest(`/console?a=1&token=${TOKEN}&path=x`))) {
      client.send(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    expect((await ways.handedOn()).clue).toEqual({ kind: "token", token: TOKEN });
  });

  it.each([
    ["another path", "/", {}, 404, "link.http-invalid"],
    ["another path below", `/console/x?token=${TOKEN}`, {}, 404, "link.http-invalid"],
    ["health", "/healthz", { Upgrade: null, Connection: null }, 404, "link.http-invalid"],
    ["no upgrade", undefined, { Upgrade: null, Connection: null }, 426, "link.http-invalid"],
    ["no connection header", undefined, { Connection: null }, 400, "link.http-invalid"],
    ["another upgrade", undefined, { Upgrade: "h2c" }, 426, "link.http-invalid"],
    ["no subprotocol", undefined, { "Sec-WebSocket-Protocol": null }, 400, "link.http-invalid"],
    ["another one", undefined, { "Sec-WebSocket-Protocol": "text" }, 400, "link.http-invalid"],
    ["no key", undefined, { "Sec-WebSocket-Key": null }, 400, "link.http-invalid"],
    ["an old version", undefined, { "Sec-WebSocket-Version": "7" }, 400, "link.http-invalid"],
    ["no origin", undefined, { Origin: null }, 403, "link.origin-refused"],
    ["a foreign origin", undefined, { Origin: "https://evil.test" }, 403, "link.origin-refused"],
    ["an origin that begins so", undefined, { Origin: `${ORIGIN}.x` }, 403, "link.origin-refused"],
    ["an opaque origin", undefined, { Origin: "null" }, 403, "link.origin-refused"],
    ["no token", "/console", {}, 401, "link.http-invalid"],
    ["an empty token", "/console?token=", {}, 401, "link.http-invalid"],
    ["two tokens", `/console?token=${TOKEN}&token=x`, {}, 401, "link.http-invalid"],
  ] as const)("is refused: %s", async (...[, path, headers, status, code]) => {
    await using ways = await WaysIn.start({ webOrigins: [ORIGIN, "null"] });
    const answer = await ask(ways, upgradeRequest(path ?? `/console?token=${TOKEN}`, headers));
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain("Connection: close\r\n");
    expect(answer.split("\r\n\r\n")[1]).toMatch(/^.{20,}\.\n$|^.*…\n$/);
    expect(ways.refused.map((refused) => refused.code)).toEqual([code]);
    expectNoToken(ways, answer);
    await ways.empty();
  });

  it.each([
    ["ticket.forged", 401],
    ["ticket.expired", 401],
    ["ticket.unverifiable", 503],
    ["relay.draining", 503],
  ] as const)("whose token is refused with %s hears %i and what to do", async (code, status) => {
    await using ways = await WaysIn.start({ foresee: refusing(code) });
    const answer = await ask(ways, upgradeRequest(`/console?token=${TOKEN}`));
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain(ERRORS[code].hint);
    expect(ways.refused).toMatchObject([{ code, detail: "as the test wants it" }]);
    expectNoToken(ways, answer);
  });

  it("is made to wait for its refusal, but leaves nothing when it does not wait", async () => {
    await using ways = await WaysIn.start({ foresee: refusing("ticket.forged", 60_000) });
    const client = await ways.secure();
    client.send(Buffer.from(upgradeRequest()));
    await ways.refusals();
    expect(client.stream.readableLength).toBe(0);
    client.destroy();
    await ways.empty();
  });

  it("hears its refusal after the wait", async () => {
    await using ways = await WaysIn.start({ foresee: refusing("ticket.forged", 20) });
    expect(await ask(ways, upgradeRequest())).toContain("HTTP/1.1 401 ");
  });

  it("is ended by a bug of ours alone, without a word of it", async () => {
    const foresee = async (): Promise<never> => Promise.reject(new Error(TOKEN));
    await using ways = await WaysIn.start({ foresee });
    expect(await ask(ways, upgradeRequest())).toBe("");
    expect(ways.refused.map(({ code }) => code)).toEqual(["internal.error"]);
    expectNoToken(ways);
  });

  it("is answered 404 as curl asks, with one sentence", async () => {
    await using ways = await WaysIn.start();
    const url = `https://127.0.0.1:${ways.port("tls")}/`;
    const options = ["--silent", "--insecure", "--max-time", "5", "--write-out", "%{http_code}"];
    const { stdout } = await promisify(execFile)("curl", [...options, url]);
    expect(stdout).toMatch(/Kerbside relay.*\n404$/);
    await ways.empty();
  });

  it("is answered by us even without a host", async () => {
    await using ways = await WaysIn.start();
    expect(await ask(ways, "GET / HTTP/1.1\r\n\r\n")).toContain("HTTP/1.1 404 ");
    expect(ways.refused.map(({ code }) => code)).toEqual(["link.http-invalid"]);
  });

  it("is answered once when it sends several requests", async () => {
    await using ways = await WaysIn.start();
    const answer = await ask(ways, "GET / HTTP/1.1\r\nHost: x\r\nExpect: y\r\n\r\n".repeat(20));
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(ways.refused).toHaveLength(1);
  });
});

describe("a web console's stream", () => {
  it("ends when the client closes, and what is written then is dropped", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    client.send("last".repeat(10), { binary: true });
    client.close();
    expect(String(await server.readToEnd())).toBe("last".repeat(10));
    server.send(Buffer.from("too late"));
    server.stream.end();
    await withDeadline(server.closed, 5_000, "the stream's close");
    expect(server.error).toBeNull();
    await ways.empty();
  });

  it("tells the client when we end it, after all that was written", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    const received: string[] = [];
    client.on("message", (data: Buffer) => received.push(data.toString()));
    const code = closeCode(client);
    server.send(Buffer.from("one"));
    server.stream.end("two");
    expect(await code).toBe(1000);
    expect(received).toEqual(["one", "two"]);
    expect(await server.readToEnd()).toHaveLength(0);
    await withDeadline(server.closed, 5_000, "the stream's close");
    await ways.empty();
  });

  it("breaks off at a text message", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    const code = closeCode(client);
    client.send("text");
    expect(await code).toBe(1003);
    await withDeadline(server.closed, 5_000, "the stream's close");
    expect(server.error?.message).toBe("a text message came");
    await ways.empty();
  });

  it("breaks off at a message that is too long, before it is held", async () => {
    await using ways = await WaysIn.start({ limits: { webSocketMessageBytesMax: 1024 } });
    const { client, server } = await opened(ways);
    const code = closeCode(client);
    client.send(Buffer.alloc(1025));
    expect(await code).toBe(1009);
    await withDeadline(server.closed, 5_000, "the stream's close");
    await ways.empty();
  });

  it("breaks off at a frame that is none", async () => {
    await using ways = await WaysIn.start();
    const client = await ways.secure();
    client.send(Buffer.from(upgradeRequest()));
    const server = new SocketPeer((await ways.handedOn()).stream);
    // A reserved opcode, not masked.
    client.send(Buffer.from([0xf7, 0x7f, 0xff, 0xff]));
    await withDeadline(server.closed, 5_000, "the stream's close");
    expect(server.error).toBeInstanceOf(Error);
    client.destroy();
    await ways.empty();
  });

  it("closes when the connection breaks", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    client.terminate();
    await withDeadline(server.closed, 5_000, "the stream's close");
    await ways.empty();
  });

  it("closes the connection when it is destroyed", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    const code = closeCode(client);
    server.destroy();
    expect(await code).toBe(1006);
    await ways.empty();
  });

  it("does not wait for ever for a client that does not answer its close", async () => {
    await using ways = await WaysIn.start({ limits: { refusalLingerMs: 50 } });
    const client = await ways.secure();
    client.send(Buffer.from(upgradeRequest()));
    const server = new SocketPeer((await ways.handedOn()).stream);
    server.stream.end("bye");
    server.stream.resume();
    await withDeadline(server.closed, 5_000, "the stream's close");
    await ways.empty();
  });

  it("takes no more than its high-water mark while the client reads nothing", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    client.pause();
    const chunk = Buffer.alloc(64 * 1024);
    let sentBytes = 0;
    const fill = async (): Promise<void> => {
      for (let stuckTurns = 0; stuckTurns < 50;) {
        const isTaken = !server.stream.writableNeedDrain;
        stuckTurns = isTaken ? 0 : stuckTurns + 1;
        if (isTaken) {
          server.stream.write(chunk);
          sentBytes += chunk.length;
        }
        await new Promise(setImmediate);
      }
    };
    await fill();
    expect(server.stream.writableLength).toBeLessThanOrEqual(2 * chunk.length);
    let receivedBytes = 0;
    const all = Promise.withResolvers<void>();
    client.on("message", (data: Buffer) => {
      receivedBytes += data.length;
      if (receivedBytes === sentBytes) {
        all.resolve();
      }
    });
    client.resume();
    await withDeadline(all.promise, 10_000, () => `${receivedBytes} of ${sentBytes} bytes`);
  });

  it("reads no further while nobody reads it", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    const chunk = Buffer.alloc(32 * 1024, 1);
    let sentBytes = 0;
    for (let stuckTurns = 0; stuckTurns < 50;) {
      const isTaken = client.bufferedAmount === 0;
      stuckTurns = isTaken ? 0 : stuckTurns + 1;
      if (isTaken) {
        client.send(chunk);
        sentBytes += chunk.length;
      }
      await new Promise(setImmediate);
    }
    expect(server.stream.readableLength).toBeLessThanOrEqual(256 * 1024);
    expect(await server.read(sentBytes)).toHaveLength(sentBytes);
    client.close();
    expect(await server.readToEnd()).toHaveLength(0);
  });

  it("pings, so that no proxy forgets it", async () => {
    await using ways = await WaysIn.start({ limits: { webSocketPingIntervalMs: 5 } });
    const { client } = await opened(ways);
    await withDeadline(once(client, "ping"), 5_000, "a ping");
    await withDeadline(once(client, "ping"), 5_000, "another ping");
  });

  it("ends when it is flooded with pings by a client that reads no pong", async () => {
    await using ways = await WaysIn.start();
    const { client, server } = await opened(ways);
    server.stream.resume();
    client.pause();
    const payload = Buffer.alloc(125);
    while (client.readyState === WebSocket.OPEN && !server.stream.destroyed) {
      for (let count = 0; count < 2_000; count += 1) {
        client.ping(payload);
      }
      await new Promise(setImmediate);
    }
    client.terminate();
    await ways.empty();
  });
});
