/** Cut-through and backpressure through a whole relay, both directions. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { encodeMiniHeader } from "#shared/spice/header.ts";
import { connectDirect, takeDirectly } from "../../../relay/pump/direct-socket.ts";
import { ChannelFirewall } from "../../../relay/pump/firewall.ts";
import { MessageJudge } from "../../../relay/pump/message-judge.ts";
import { HELD_BYTES_MAX, Pump } from "../../../relay/pump/pump.ts";
import { eventually } from "../../harness/deadline.ts";
import { startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { startRelay } from "../../harness/relay/relay-fixture.ts";
import { makeIdentity } from "../../harness/relay/test-identity.ts";

const MIB = 1024 * 1024;
/** Far beyond what kernel buffers of four loopback sockets and the relay hold together. */
const PLENTY_BYTES = 96 * MIB;
/** Linux grows a loopback socket's buffers to 6 MiB each; there are four, and the relay's own. */
const UNDER_WAY_BYTES_MAX = 48 * MIB;

/** More than the kernel holds between two loopback sockets, so that some of it waits. */
const WAITING_BYTES = 24 * MIB;

/** Writes a pattern until the stream is full for good or all was taken; returns the hash so far. */
class Flood {
  written = 0;
  readonly hash = createHash("sha256");
  readonly done = Promise.withResolvers<void>();
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#pour();
  }

  #pour(): void {
    while (this.written < PLENTY_BYTES) {
      const chunk = Buffer.alloc(64 * 1024, this.written / (64 * 1024));
      this.hash.update(chunk);
      this.written += chunk.length;
      if (!this.#stream.write(chunk)) {
        this.#stream.once("drain", () => {
          this.#pour();
        });
        return;
      }
    }
    this.done.resolve();
  }
}

/** Waits until a count stands still. */
async function untilStill(read: () => number): Promise<number> {
  let last = -1;
  let stillFor = 0;
  return eventually(
    "the flow's standstill",
    () => {
      const now = read();
      stillFor = now === last ? stillFor + 1 : 0;
      last = now;
      return stillFor >= 20 ? now : null;
    },
    { intervalMs: 10 },
  );
}

async function readHash(stream: Duplex, count: number): Promise<string> {
  const hash = createHash("sha256");
  let left = count;
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    hash.update(chunk as Buffer);
    left -= (chunk as Buffer).length;
    if (left === 0) {
      break;
    }
  }
  expect(left).toBe(0);
  return hash.digest("hex");
}

describe("a huge message", () => {
  it("flows through before it is complete", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const { client, served } = await session.join({ channel: "display" });
    const declared = 200 * MIB;
    served.peer.send(encodeMiniHeader({ type: 304, sizeBytes: declared }));
    served.peer.send(Buffer.alloc(1000, 1));
    expect((await client.read(6 + 1000)).readUInt32LE(2)).toBe(declared);
    served.peer.send(Buffer.alloc(3, 2));
    expect(await client.read(3)).toEqual(Buffer.alloc(3, 2));
  });
});

describe("a reader that stops", () => {
  it("makes the relay stop reading from the server, and gets everything afterwards", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const { client, served } = await session.join({ channel: "display" });
    served.peer.send(encodeMiniHeader({ type: 304, sizeBytes: PLENTY_BYTES }));
    const flood = new Flood(served.peer.stream);
    const taken = await untilStill(() => flood.written);
    expect(taken).toBeLessThan(UNDER_WAY_BYTES_MAX);
    expect(relay.plane.counts().connections).toBe(2);
    const header = await client.read(6);
    expect(header.readUInt16LE(0)).toBe(304);
    const received = await readHash(client.stream, PLENTY_BYTES);
    await flood.done.promise;
    expect(received).toBe(flood.hash.digest("hex"));
  });

  it("makes the relay stop reading from the client, and gets everything afterwards", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const { client, served } = await session.join({ channel: "usbredir" });
    const bodyBytes = 8 * MIB;
    // Unlike a display's draw, no message of a client is this long: many of them.
    const flood = new MessageFlood(client.stream, 101, bodyBytes / 128);
    const taken = await untilStill(() => flood.written);
    expect(taken).toBeLessThan(UNDER_WAY_BYTES_MAX);
    const received = await readHash(served.peer.stream, flood.totalBytes);
    await flood.done.promise;
    expect(received).toBe(flood.hash.digest("hex"));
  });

  it("does not slow another session down", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const slow = await relay.openSession(server);
    const stuck = await slow.join({ channel: "display" });
    stuck.served.peer.send(encodeMiniHeader({ type: 304, sizeBytes: PLENTY_BYTES }));
    const flood = new Flood(stuck.served.peer.stream);
    await untilStill(() => flood.written);
    const other = await relay.openSession(server);
    const { client, served } = await other.join({ channel: "display" });
    served.peer.send(encodeMiniHeader({ type: 304, sizeBytes: MIB }));
    served.peer.send(Buffer.alloc(MIB));
    expect(await client.read(6 + MIB)).toHaveLength(6 + MIB);
  });
});

describe("between a plain server and a TLS client, a pump", () => {
  it.each([100, 256 * 1024])(
    "holds a bounded part of messages of %d bytes while the client takes nothing",
    async (sizeBytes) => {
      await using stack = new AsyncDisposableStack();
      const flood = { written: 0 };
      const from = await openSource(stack, (socket) => {
        const messages = new MessageFlood(socket, 304, sizeBytes);
        Object.defineProperty(flood, "written", { get: () => messages.written });
      });
      const { to } = await openStuckClient(stack);
      startPump(from, to);
      await untilStill(() => flood.written);
      expect(flood.written).toBeLessThan(UNDER_WAY_BYTES_MAX);
      expect(to.writableLength).toBeGreaterThan(0);
      expect(from.readableLength + to.writableLength).toBeLessThanOrEqual(HELD_BYTES_MAX);
    },
  );

  it("forwards unchanged what had to wait while other connections read", async () => {
    await using stack = new AsyncDisposableStack();
    const sent = countedMessages(WAITING_BYTES);
    const from = await openSource(stack, (socket) => void socket.write(sent));
    const { to, client } = await openStuckClient(stack);
    startPump(from, to);
    await untilStill(() => to.writableLength);
    await readElsewhere(stack);
    const expected = createHash("sha256").update(sent).digest("hex");
    expect(await readHash(client, sent.length)).toBe(expected);
  });
});

/** Lawful messages, each with other bytes than all before it. */
function countedMessages(byteCount: number): Buffer {
  const bodyBytes = 94;
  const header = encodeMiniHeader({ type: 304, sizeBytes: bodyBytes });
  const messages = Buffer.alloc(byteCount - (byteCount % (header.length + bodyBytes)));
  for (let at = 0; at < messages.length; at += header.length + bodyBytes) {
    messages.set(header, at);
    messages.writeUInt32LE(at, at + header.length);
    messages.writeUInt32LE(at, at + header.length + bodyBytes - 4);
  }
  return messages;
}

function startPump(from: Duplex, to: Duplex): void {
  const which = { channel: "display", direction: "server", headerKind: "mini" } as const;
  const firewall = new ChannelFirewall({ ...which, mode: "enforce", onFinding() {} });
  new Pump({
    from,
    to,
    headerKind: "mini",
    judge: new MessageJudge({ ...which, firewall, onConnectionId() {} }),
    splitsLastMessage: true,
    nowMs: () => 0,
    onForwarded() {},
    onActivity() {},
    onViolation() {},
  }).start();
}

/** Has another direct connection read as much as one read takes, and more. */
async function readElsewhere(stack: AsyncDisposableStack): Promise<void> {
  const other = await openSource(stack, (socket) => void socket.write(Buffer.alloc(MIB, 0xff)));
  let left = MIB;
  const done = Promise.withResolvers<void>();
  takeDirectly(other, (view) => {
    left -= view.length;
    if (left === 0) {
      done.resolve();
    }
    return true;
  });
  other.resume();
  await done.promise;
}

/** A direct connection to a server that does `send` with each connection. */
async function openSource(
  stack: AsyncDisposableStack,
  send: (socket: Duplex) => void,
): Promise<Duplex> {
  const server = createServer((socket) => {
    stack.defer(() => void socket.destroy());
    socket.on("error", () => {});
    send(socket);
  });
  stack.defer(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const from = connectDirect({ host: "127.0.0.1", port });
  stack.defer(() => void from.destroy());
  await once(from, "connect");
  return from;
}

/** Our end of a TLS connection whose other end reads nothing. */
async function openStuckClient(
  stack: AsyncDisposableStack,
): Promise<{ readonly to: TLSSocket; readonly client: TLSSocket }> {
  const { cert, key, ca } = await makeIdentity();
  const server = createTlsServer({ cert, key });
  stack.defer(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, "secureConnection") as Promise<[TLSSocket]>;
  const client = connectTls({ host: "127.0.0.1", port, ca });
  client.on("error", () => {});
  stack.defer(() => void client.destroy());
  const [to] = await accepted;
  to.on("error", () => {});
  stack.defer(() => void to.destroy());
  return { to, client };
}

/** Like Flood, of whole messages. */
class MessageFlood {
  written = 0;
  readonly totalBytes: number;
  readonly hash = createHash("sha256");
  readonly done = Promise.withResolvers<void>();
  readonly #stream: Duplex;
  readonly #message: Buffer;

  constructor(stream: Duplex, type: number, bodyBytes: number) {
    this.#stream = stream;
    const header = encodeMiniHeader({ type, sizeBytes: bodyBytes });
    this.#message = Buffer.concat([header, Buffer.alloc(bodyBytes, 0x5a)]);
    this.totalBytes = Math.ceil(PLENTY_BYTES / this.#message.length) * this.#message.length;
    this.#pour();
  }

  #pour(): void {
    while (this.written < this.totalBytes) {
      this.hash.update(this.#message);
      this.written += this.#message.length;
      if (!this.#stream.write(this.#message)) {
        this.#stream.once("drain", () => {
          this.#pour();
        });
        return;
      }
    }
    this.done.resolve();
  }
}
