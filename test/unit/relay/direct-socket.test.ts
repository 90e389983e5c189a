/** Connections that read into one shared buffer: as a stream, at the take-over, and after it. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { connectDirect, READ_BYTES_MAX, takeDirectly } from "../../../relay/pump/direct-socket.ts";
import { withDeadline } from "../../harness/deadline.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";
import { makeIdentity } from "../../harness/relay/test-identity.ts";

/** A server on loopback and what is connected to it. */
class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #ends: Socket[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<Wire> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Wire(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** A new connection: the direct end, and the far one. */
  async connect(): Promise<{ readonly socket: Socket; readonly far: Socket }> {
    const accepted = once(this.#server, "connection") as Promise<[Socket]>;
    const socket = connectDirect({ host: "127.0.0.1", port: this.port, allowHalfOpen: true });
    await once(socket, "connect");
    const [far] = await accepted;
    for (const end of [socket, far]) {
      end.on("error", () => {});
      this.#ends.push(end);
    }
    return { socket, far };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends) {
      end.destroy();
    }
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Keeps copies of what it takes, and says when it has so many bytes. */
class Taker {
  readonly parts: Buffer[] = [];
  calls = 0;
  goesOn = true;
  #bytes = 0;
  #wanted: { readonly byteCount: number; readonly resolve: () => void } | null = null;

  readonly take = (chunk: Buffer): boolean => {
    this.calls += 1;
    this.parts.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
    if (this.#wanted !== null && this.#bytes >= this.#wanted.byteCount) {
      this.#wanted.resolve();
    }
    return this.goesOn;
  };

  async has(byteCount: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#wanted = { byteCount, resolve: done.resolve };
    if (this.#bytes >= byteCount) {
      return;
    }
    await withDeadline(done.promise, 10_000, () => `${byteCount} bytes; had ${this.#bytes}`);
  }

  get text(): string {
    return Buffer.concat(this.parts).toString();
  }
}

describe("before it is taken over", () => {
  it("is a stream whose bytes stay what they were when other connections read", async () => {
    await using wire = await Wire.open();
    const [one, two] = [await wire.connect(), await wire.connect()];
    one.far.write("first");
    await once(one.socket, "readable");
    two.far.write("OTHER");
    await once(two.socket, "readable");
    expect(String(one.socket.read())).toBe("first");
    expect(String(two.socket.read())).toBe("OTHER");
  });

  it("stops reading when nobody reads, and gives everything afterwards", async () => {
    await using wire = await Wire.open();
    const { socket, far } = await wire.connect();
    const sent = Buffer.alloc(4 * 1024 * 1024, "0123456789abcdef");
    far.end(sent);
    await once(socket, "readable");
    expect(socket.readableLength).toBeLessThanOrEqual(64 * 1024 + READ_BYTES_MAX);
    expect((await new SocketPeer(socket).readToEnd()).equals(sent)).toBe(true);
  });

  it("can be put under TLS", async () => {
    const identity = await makeIdentity();
    const server = createTlsServer({ cert: identity.cert, key: identity.key }, (secured) => {
      secured.end("secret");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const socket = connectDirect({ host: "127.0.0.1", port });
    const secured = connectTls({ socket, host: "127.0.0.1", ca: identity.ca });
    const text = await new SocketPeer(secured).readToEnd();
    expect(text.toString()).toBe("secret");
    secured.destroy();
    server.close();
  });
});

describe("the take-over", () => {
  it("returns what was read already, and gives the rest in order", async () => {
    await using wire = await Wire.open();
    const { socket, far } = await wire.connect();
    const taker = new Taker();
    far.write("link|one,");
    await once(socket, "readable");
    expect(String(socket.read(5))).toBe("link|");
    const held = takeDirectly(socket, taker.take);
    expect(Buffer.concat(held ?? []).toString()).toBe("one,");
    far.write("two,");
    socket.resume();
    await taker.has(4);
    far.write("three");
    await taker.has(9);
    expect(taker.text).toBe("two,three");
  });

  it("is refused for any other stream", () => {
    const take = (): boolean => true;
    expect(takeDirectly(new Socket(), take)).toBeNull();
    expect(takeDirectly(new Duplex({ read() {} }), take)).toBeNull();
  });
});

describe("after it", () => {
  it("gives views into one buffer, whichever connection reads", async () => {
    await using wire = await Wire.open();
    const views: Buffer[] = [];
    for (let count = 0; count < 2; count += 1) {
      const { socket, far } = await wire.connect();
      const came = Promise.withResolvers<void>();
      takeDirectly(socket, (view) => {
        views.push(view);
        came.resolve();
        return true;
      });
      socket.resume();
      far.write(String(count));
      await came.promise;
    }
    expect(views[0]?.buffer).toBe(views[1]?.buffer);
    expect(views[0]?.byteOffset).toBe(views[1]?.byteOffset);
  });

  it("reads no more once told so, until it is resumed", async () => {
    await using wire = await Wire.open();
    const { socket, far } = await wire.connect();
    const other = await wire.connect();
    const taker = new Taker();
    taker.goesOn = false;
    takeDirectly(socket, taker.take);
    socket.resume();
    far.write("a");
    await taker.has(1);
    far.write("b");
    // A round trip that began later: what the first connection was to read has come by then.
    other.far.write("ping");
    await once(other.socket, "readable");
    expect(taker.calls).toBe(1);
    taker.goesOn = true;
    socket.resume();
    await taker.has(2);
    expect(taker.text).toBe("ab");
  });

  it("tells of the end when all before it was taken", async () => {
    await using wire = await Wire.open();
    const { socket, far } = await wire.connect();
    const taker = new Taker();
    takeDirectly(socket, taker.take);
    const ended = once(socket, "end");
    socket.resume();
    far.end("the last words");
    await withDeadline(ended, 10_000, "the end");
    expect(taker.text).toBe("the last words");
  });

  it("takes megabytes unchanged, in reads of bounded size", async () => {
    await using wire = await Wire.open();
    const { socket, far } = await wire.connect();
    const taker = new Taker();
    takeDirectly(socket, taker.take);
    socket.resume();
    const sent = Buffer.from(Uint32Array.from({ length: 1024 * 1024 }, (_, index) => index).buffer);
    far.write(sent);
    await taker.has(sent.length);
    expect(Buffer.concat(taker.parts).equals(sent)).toBe(true);
    expect(Math.max(...taker.parts.map((part) => part.length))).toBeLessThanOrEqual(READ_BYTES_MAX);
  });
});
