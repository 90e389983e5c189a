/**
 * Garbage on every port and at every layer: bytes that are not TLS, not HTTP, not WebSocket and not
 * SPICE, and each protocol where another one is due. Each ends exactly one connection and is counted
 * once under the right code, and nothing of it is left. What is random comes from a fixed seed.
 */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { WayIn } from "../../../relay/listen/client-connection.ts";
import {
  connectWay,
  openTunnel,
  openWay,
  secureWay,
  WEB_ORIGIN,
} from "../../harness/relay/client-ways.ts";
import { linkBytes } from "../../harness/relay/fake-spice-client.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";
import { type Counted, FaultStage, pourUntilStill, UNDER_WAY_BYTES_MAX } from "./faults-fixture.ts";

type Reach = (stage: FaultStage) => Promise<Duplex>;

/** Where bytes may be said. */
const PLACES: Readonly<Record<string, Reach>> = {
  "the TLS port": async (stage) => stage.own(await connectWay(stage.relay, "tls")),
  "the plain port": async (stage) => stage.own(await connectWay(stage.relay, "plain")),
  "the CONNECT port": async (stage) => stage.own(await connectWay(stage.relay, "connect")),
  "a tunnel": async (stage) => {
    const socket = stage.own(await connectWay(stage.relay, "connect"));
    await openTunnel(socket, await stage.relay.control.issue());
    return socket;
  },
  TLS: async (stage) =>
    stage.own(await secureWay(stage.relay, stage.own(await connectWay(stage.relay, "tls")))),
  "TLS records": async (stage) => {
    const socket = stage.own(await connectWay(stage.relay, "tls"));
    stage.own(await secureWay(stage.relay, socket));
    return socket;
  },
  "a WebSocket's frames": async (stage) => {
    const socket = stage.own(await connectWay(stage.relay, "tls"));
    const secured = stage.own(await secureWay(stage.relay, socket));
    const server = await stage.serve();
    const { ticket } = await stage.relay.grant(server);
    secured.write(upgradeRequest(ticket));
    const peer = new SocketPeer(secured);
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      head += String(await peer.read(1));
    }
    expect(head).toContain(" 101 ");
    return secured;
  },
  "a WebSocket": async (stage) => {
    const server = await stage.serve();
    const issued = await stage.relay.grant(server);
    const { tcp, client } = await openWay(stage.relay, "websocket", issued);
    stage.own(tcp);
    return stage.own(client.stream);
  },
};

function upgradeRequest(ticket: string): string {
  const head = [
    `GET /console?token=${ticket} HTTP/1.1`,
    "Host: relay.example.test",
    `Origin: ${WEB_ORIGIN}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: binary",
  ];
  return `${head.join("\r\n")}\r\n\r\n`;
}

/** The same bytes in each run. */
function noise(length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(`noise ${length}`).digest();
}

const HELLO = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0, 0]), Buffer.alloc(64)]);
const RECORD = Buffer.from([0x17, 3, 3, 0, 32, ...noise(32)]);
const GET = Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n");

/** A masked frame, as clients send it. */
function frame(first: number, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([first, 0x80 + payload.length, 0, 0, 0, 0]), payload]);
}

interface Garbage {
  readonly place: string;
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly code: string;
  readonly way: WayIn | "none";
}

function at(
  place: string,
  way: Garbage["way"],
  ...items: [string, Uint8Array, string][]
): Garbage[] {
  return items.map(([what, bytes, code]) => ({ place, way, what, bytes, code }));
}

const FOREIGN_LINK = Buffer.concat([Buffer.from("RFB 003.008\n"), Buffer.alloc(64)]);
const LONG_HEAD = Buffer.from(`GET /${"a".repeat(20_000)} HTTP/1.1\r\n`);

const ALL: readonly Garbage[] = [
  ...at(
    "the TLS port",
    "none",
    ["noise", noise(1_000), "tls.failed"],
    ["zeros", Buffer.alloc(100_000), "tls.failed"],
    ["HTTP in clear", GET, "tls.failed"],
    ["SPICE in clear", linkBytes(), "tls.failed"],
    ["half a hello that is none", HELLO, "tls.failed"],
  ),
  ...at(
    "the plain port",
    "none",
    ["noise", noise(1_000), "link.magic-invalid"],
    ["HTTP", GET, "link.magic-invalid"],
    ["a TLS hello", HELLO, "link.magic-invalid"],
    ["another protocol", FOREIGN_LINK, "link.magic-invalid"],
    ["SPICE", linkBytes(), "link.needs-secured"],
  ),
  ...at(
    "the CONNECT port",
    "none",
    ["noise", noise(1_000), "link.http-invalid"],
    ["a TLS hello", HELLO, "link.http-invalid"],
    ["SPICE", linkBytes(), "link.http-invalid"],
    ["another method", GET, "link.http-invalid"],
    ["a head without end", LONG_HEAD, "link.http-invalid"],
    [
      "another host",
      Buffer.from("CONNECT a.test:22 HTTP/1.1\r\nHost: a\r\n\r\n"),
      "link.http-invalid",
    ],
  ),
  ...at(
    "a tunnel",
    "none",
    ["noise", noise(1_000), "tls.failed"],
    ["HTTP", GET, "tls.failed"],
    ["SPICE in clear", linkBytes(), "link.needs-secured"],
  ),
  ...at(
    "TLS",
    "tls",
    ["noise", noise(1_000), "link.magic-invalid"],
    ["another protocol", FOREIGN_LINK, "link.magic-invalid"],
  ),
  ...at(
    "TLS",
    "none",
    ["HTTP for nothing that is here", GET, "link.http-invalid"],
    ["a head without end", LONG_HEAD, "link.http-invalid"],
    ["HTTP and then noise", Buffer.concat([Buffer.from("GET "), noise(500)]), "link.http-invalid"],
  ),
  ...at(
    "TLS records",
    "none",
    ["a record that nobody encrypted", RECORD, "tls.failed"],
    ["noise", noise(1_000), "tls.failed"],
  ),
  ...at(
    "a WebSocket's frames",
    "websocket",
    ["a text message", frame(0x81, Buffer.from("REDQ")), "link.closed"],
    ["a frame without a mask", Buffer.from([0x82, 4, 1, 2, 3, 4]), "link.closed"],
    ["a reserved opcode", frame(0x83, Buffer.alloc(4)), "link.closed"],
    ["a reserved bit", frame(0xc2, Buffer.alloc(4)), "link.closed"],
    ["a continuation of nothing", frame(0x80, Buffer.alloc(4)), "link.closed"],
    ["a ping in parts", frame(0x09, Buffer.alloc(4)), "link.closed"],
    ["a ping too long", Buffer.from([0x89, 0xfe, 1, 0, 0, 0, 0, 0]), "link.closed"],
    [
      "a length of 2^63",
      Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
      "link.closed",
    ],
    ["a close code that is none", frame(0x88, Buffer.from([0, 1])), "link.closed"],
    ["noise", noise(1_000), "link.closed"],
  ),
  ...at(
    "a WebSocket",
    "websocket",
    ["noise", noise(1_000), "link.magic-invalid"],
    ["another protocol", FOREIGN_LINK, "link.magic-invalid"],
  ),
];

describe("garbage", () => {
  let stage: FaultStage;

  beforeAll(async () => {
    stage = await FaultStage.start();
  });

  afterEach(async () => {
    await stage.clear();
  });

  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });

  it.each(ALL)("in $place: $what is $code", async ({ place, bytes, code, way }) => {
    const before = await stage.before();
    const stream = await PLACES[place]?.(stage);
    expect(stream).toBeDefined();
    stream?.resume();
    stream?.write(bytes);
    await stage.isAsBefore(before, [{ code, way } satisfies Counted]);
    expect(stage.relay.events.all).toHaveLength(2);
  });

  it("of all kinds at once ends as many connections", async () => {
    const limits = {
      connectionsMax: 200,
      connectionsPerSourceMax: 200,
      handshakesPerSourceMax: 200,
    };
    await using crowded = await FaultStage.start({ limits });
    const before = await crowded.before();
    await Promise.all(
      ALL.map(async ({ place, bytes }) => {
        const stream = await PLACES[place]?.(crowded);
        stream?.resume();
        stream?.write(bytes);
      }),
    );
    await crowded.isAsBefore(
      before,
      ALL.map(({ code, way }) => ({ code, way })),
    );
  });

  it("of WebSocket pings whose answers nobody reads is held up", async () => {
    const before = await stage.before();
    const stream = await PLACES["a WebSocket's frames"]?.(stage);
    stream?.pause();
    const pings = Buffer.concat(Array.from({ length: 1_000 }, () => frame(0x89, noise(125))));
    const written = stream === undefined ? 0 : await pourUntilStill(stream, pings);
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(UNDER_WAY_BYTES_MAX);
    stream?.destroy();
    await stage.isAsBefore(before, [{ code: "link.closed", way: "websocket" }]);
  });
});
