/**
 * Where TLS records end on the way to the client. What is asserted is what a client's OpenSSL sees:
 * records counted on the wire, between a real TLS client and the listener.
 */
import { once } from "node:events";
import {
  connect as connectTcp,
  createServer,
  type AddressInfo,
  type Server,
  type Socket,
} from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls, type SecureVersion, type TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { ok } from "#shared/base/result.ts";
import { encodeMiniHeader, MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import { withLimits } from "../../../relay/limits.ts";
import { ClientPorts } from "../../../relay/listen/client-ports.ts";
import { ChannelFirewall } from "../../../relay/pump/firewall.ts";
import { MessageJudge } from "../../../relay/pump/message-judge.ts";
import { Pump } from "../../../relay/pump/pump.ts";
import { withDeadline } from "../../harness/deadline.ts";
import { makeIdentity } from "../../harness/relay/test-identity.ts";

/** Reads the lengths of the application data records in a TLS byte stream. */
class RecordCounter {
  readonly lengths: number[] = [];
  #rest: Buffer = Buffer.alloc(0);

  take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEADER_BYTES) {
      const lengthBytes = this.#rest.readUInt16BE(3);
      if (this.#rest.length < HEADER_BYTES + lengthBytes) {
        return;
      }
      if (this.#rest[0] === APPLICATION_DATA) {
        this.lengths.push(lengthBytes);
      }
      this.#rest = this.#rest.subarray(HEADER_BYTES + lengthBytes);
    }
  }
}

/** The relay's end. */
interface Listener {
  readonly server: Server;
  readonly ports: ClientPorts;
}

/** A TLS client whose bytes from the listener pass a tap on plain TCP. */
class TappedConnection implements AsyncDisposable {
  /** The listener's end. */
  readonly server: Duplex;
  readonly client: TLSSocket;
  readonly #tapped: Socket;
  readonly #records: RecordCounter;
  readonly #listener: Listener;
  /** What encryption adds to a record, in bytes, and how many records came before the test's. */
  #overheadBytes = 0;
  #before = 0;

  constructor(parts: {
    readonly server: Duplex;
    readonly client: TLSSocket;
    readonly tapped: Socket;
    readonly records: RecordCounter;
    readonly listener: Listener;
  }) {
    this.server = parts.server;
    this.client = parts.client;
    this.#tapped = parts.tapped;
    this.#records = parts.records;
    this.#listener = parts.listener;
  }

  /** Known bytes first: whatever the handshake still has to say is over with the second one. */
  async settle(): Promise<void> {
    for (let count = 0; count < 2; count += 1) {
      const received = this.receive(1);
      this.server.write("!");
      await received;
    }
    this.#overheadBytes = (this.#records.lengths.at(-1) ?? 0) - 1;
    this.#before = this.#records.lengths.length;
  }

  /** How many bytes of ours each record since `settle` held. */
  recordSizes(): number[] {
    return this.#records.lengths.slice(this.#before).map((length) => length - this.#overheadBytes);
  }

  /** The network takes nothing more from the listener, so that it gets congested. */
  hold(): void {
    this.#tapped.pause();
  }

  release(): void {
    this.#tapped.resume();
  }

  /** Resolves when the client has got so many bytes from now on. */
  async receive(byteCount: number): Promise<void> {
    let left = byteCount;
    const done = Promise.withResolvers<void>();
    const onData = (chunk: Buffer): void => {
      left -= chunk.length;
      if (left <= 0) {
        done.resolve();
      }
    };
    this.client.on("data", onData);
    await withDeadline(done.promise, 10_000, () => `${left} bytes more`);
    this.client.off("data", onData);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy();
    this.#tapped.destroy();
    this.#listener.server.close();
    this.#listener.ports.close();
    this.#listener.ports.destroyAll();
    await this.#listener.ports.drained();
  }
}

async function connectThroughTap(version: SecureVersion): Promise<TappedConnection> {
  const identity = await makeIdentity();
  const accepted = Promise.withResolvers<Duplex>();
  const ports = new ClientPorts({
    tls: identity,
    limits: withLimits(),
    admissions: { foresee: async () => ok(null) },
    webOrigins: () => [],
    onConnection: ({ stream }) => {
      accepted.resolve(stream);
    },
    onRefused: (_ref, _code, detail) => {
      accepted.reject(new Error(detail));
    },
  });
  const listening = createServer({ pauseOnConnect: true }, (socket) => {
    ports.take("tls", socket, { ref: "1", clientAddress: "127.0.0.1" });
  });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  const listener: Listener = { server: listening, ports };
  const { port: listeningPort } = listening.address() as AddressInfo;
  const records = new RecordCounter();
  const tapped = connectTcp({ host: "127.0.0.1", port: listeningPort });
  tapped.on("error", () => {});
  const tap = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(tapped);
    tapped.on("data", (chunk: Buffer) => {
      records.take(chunk);
      socket.write(chunk);
    });
    tapped.on("close", () => {
      socket.destroy();
      tap.close();
    });
  });
  tap.listen(0, "127.0.0.1");
  await once(tap, "listening");
  const { port } = tap.address() as AddressInfo;
  const versions = { minVersion: version, maxVersion: version };
  const client = connectTls({ host: "127.0.0.1", port, ca: identity.ca, ...versions });
  client.on("error", () => {});
  // The ports hand a connection on when they have seen its first bytes.
  client.write("REDQ");
  const server = await withDeadline(accepted.promise, 10_000, "the TLS handshake");
  const connection = new TappedConnection({ server, client, tapped, records, listener });
  await connection.settle();
  return connection;
}

describe.each(["TLSv1.2", "TLSv1.3"] as const)("over %s", (version) => {
  it("two writes in one tick are two records", async () => {
    await using connection = await connectThroughTap(version);
    const received = connection.receive(30);
    connection.server.write(Buffer.alloc(10));
    connection.server.write(Buffer.alloc(20));
    await received;
    expect(connection.recordSizes()).toEqual([10, 20]);
  });

  it("writes that queue up behind a congested network stay records of their own", async () => {
    await using connection = await connectThroughTap(version);
    connection.hold();
    const { server } = connection;
    let filledBytes = 0;
    // Until a write is not taken any more although the event loop turned: the kernel is full.
    for (let stuckTurns = 0; stuckTurns < 20;) {
      const before = server.writableLength;
      if (before < FILL_BYTES) {
        server.write(Buffer.alloc(FILL_BYTES));
        filledBytes += FILL_BYTES;
      }
      await new Promise(setImmediate);
      stuckTurns = server.writableLength === before ? stuckTurns + 1 : 0;
    }
    const sizes = Array.from({ length: 40 }, (_, index) => index + 1);
    for (const size of sizes) {
      server.write(Buffer.alloc(size));
    }
    const tailBytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(server.writableLength).toBeGreaterThan(tailBytes);
    const received = connection.receive(filledBytes + tailBytes);
    connection.release();
    await received;
    expect(connection.recordSizes().slice(-sizes.length)).toEqual(sizes);
  });

  it("the pump's last message of a chunk arrives in a record of its own", async () => {
    await using connection = await connectThroughTap(version);
    const hypervisor = startPump(connection.server);
    const received = connection.receive(3 * PING_BYTES);
    hypervisor.push(Buffer.concat([ping(), ping(), ping()]));
    await received;
    expect(connection.recordSizes()).toEqual([2 * PING_BYTES, PING_BYTES]);
  });

  it("the pump cuts a long chunk only where two messages would share its last record", async () => {
    await using connection = await connectThroughTap(version);
    const hypervisor = startPump(connection.server);
    const byteCount = DRAW_BYTES + PING_BYTES;
    const first = connection.receive(byteCount);
    hypervisor.push(Buffer.concat([ping(), draw()]));
    await first;
    const second = connection.receive(byteCount);
    hypervisor.push(Buffer.concat([draw(), ping()]));
    await second;
    const [full, rest] = [16 * 1024, DRAW_BYTES - 2 * 16 * 1024];
    expect(connection.recordSizes()).toEqual([
      ...[full, full, rest + PING_BYTES],
      ...[full, full, rest, PING_BYTES],
    ]);
  });
});

/** A pump from a hypervisor whose chunks are the test's to push. */
function startPump(to: Duplex): Duplex {
  const hypervisor = new Duplex({ read() {} });
  const headerKind = "mini";
  const firewall = new ChannelFirewall({ channel: "display", mode: "enforce", onFinding() {} });
  const onConnectionId = (): void => {};
  const direction = "server";
  const which = { channel: "display", direction, headerKind } as const;
  new Pump({
    from: hypervisor,
    to,
    headerKind,
    judge: new MessageJudge({ ...which, firewall, onConnectionId }),
    splitsLastMessage: true,
    nowMs: () => 0,
    onForwarded() {},
    onActivity() {},
    onViolation() {},
  }).start();
  return hypervisor;
}

function draw(): Buffer {
  const sizeBytes = DRAW_BYTES - MINI_HEADER_BYTES;
  return Buffer.concat([encodeMiniHeader({ type: 304, sizeBytes }), Buffer.alloc(sizeBytes)]);
}

function ping(): Buffer {
  const sizeBytes = PING_BYTES - MINI_HEADER_BYTES;
  return Buffer.concat([encodeMiniHeader({ type: 4, sizeBytes }), Buffer.alloc(sizeBytes)]);
}

const HEADER_BYTES = 5;
/** RFC 8446, section 5.1: in TLS 1.3 also what ends the handshake looks like it. */
const APPLICATION_DATA = 0x17;
const FILL_BYTES = 256 * 1024;
const PING_BYTES = 18;
const DRAW_BYTES = 40_000;
