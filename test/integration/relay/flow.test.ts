/** Cut-through and backpressure through a whole relay, both directions. */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { encodeMiniHeader } from "#shared/spice/header.ts";
import { eventually } from "../../harness/deadline.ts";
import { startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { startRelay } from "../../harness/relay/relay-fixture.ts";

const MIB = 1024 * 1024;
/** Far beyond what kernel buffers of four loopback sockets and the relay hold together. */
const PLENTY_BYTES = 96 * MIB;
/** Linux grows a loopback socket's buffers to 6 MiB each; there are four, and the relay's own. */
const HELD_BYTES_MAX = 48 * MIB;

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
    expect(taken).toBeLessThan(HELD_BYTES_MAX);
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
    expect(taken).toBeLessThan(HELD_BYTES_MAX);
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
