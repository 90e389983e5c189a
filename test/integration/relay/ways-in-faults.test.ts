/**
 * Each fault at each phase before a connection is handed on, and after: whatever a client does, its
 * socket and its timers are gone afterwards, and it was told of at most once.
 */
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { fail, ok } from "#shared/base/result.ts";
import { eventually } from "../../harness/deadline.ts";
import { linkBytes } from "../../harness/relay/fake-spice-client.ts";
import type { SocketPeer } from "../../harness/relay/socket-peer.ts";
import {
  activeTimers,
  connectRequest,
  ESTABLISHED,
  upgradeRequest,
  WaysIn,
  type WaysInOptions,
} from "./ways-in-fixture.ts";

/** Where a client stands when it fails. */
interface Phase {
  readonly name: string;
  /** The connection, brought there; and the TCP connection under it. */
  readonly reach: (ways: WaysIn) => Promise<{ readonly tcp: SocketPeer; readonly top: SocketPeer }>;
  readonly options?: WaysInOptions;
  /** What a client that stays silent there is refused with; null: it was refused already. */
  readonly late: string | null;
}

/** A TLS record's header that announces more than it brings. */
const HALF_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1]);
const HALF_REQUEST = Buffer.from("CONNECT x HTTP/1.0\r\nHost");

async function tcpPhase(
  ways: WaysIn,
  kind: "tls" | "plain" | "connect",
  bytes: Uint8Array,
): Promise<{ tcp: SocketPeer; top: SocketPeer }> {
  const tcp = await ways.connect(kind);
  if (bytes.length > 0) {
    tcp.send(bytes);
  }
  return { tcp, top: tcp };
}

async function tlsPhase(ways: WaysIn, text: string): Promise<{ tcp: SocketPeer; top: SocketPeer }> {
  const tcp = await ways.connect("tls");
  const top = await ways.secure({}, tcp);
  if (text !== "") {
    top.send(Buffer.from(text));
  }
  return { tcp, top };
}

const NOTHING = Buffer.alloc(0);

const PHASES: readonly Phase[] = [
  { name: "TLS, silent", reach: async (w) => tcpPhase(w, "tls", NOTHING), late: "tls.failed" },
  { name: "TLS hello", reach: async (w) => tcpPhase(w, "tls", HALF_HELLO), late: "tls.failed" },
  { name: "first byte", reach: async (w) => tlsPhase(w, ""), late: "link.deadline" },
  { name: "first bytes", reach: async (w) => tlsPhase(w, "RED"), late: "link.deadline" },
  { name: "HTTP head", reach: async (w) => tlsPhase(w, "GET /con"), late: "link.deadline" },
  {
    name: "token",
    reach: async (w) => tlsPhase(w, upgradeRequest()),
    options: { foresee: async () => new Promise(() => {}) },
    late: "link.deadline",
  },
  {
    name: "withheld refusal",
    reach: async (w) => {
      const peers = await tlsPhase(w, upgradeRequest());
      await w.refusals();
      return peers;
    },
    options: {
      foresee: async () => fail({ code: "ticket.forged", detail: "forged", holdMs: 40 }),
    },
    late: null,
  },
  {
    name: "lingering answer",
    reach: async (w) => {
      const peers = await tlsPhase(w, "GET / HTTP/1.1\r\n\r\n");
      await w.refusals();
      return peers;
    },
    late: null,
  },
  {
    name: "plain, silent",
    reach: async (w) => tcpPhase(w, "plain", NOTHING),
    late: "link.deadline",
  },
  {
    name: "plain link",
    reach: async (w) => tcpPhase(w, "plain", linkBytes().subarray(0, 20)),
    late: "link.deadline",
  },
  {
    name: "CONNECT, silent",
    reach: async (w) => tcpPhase(w, "connect", NOTHING),
    late: "link.deadline",
  },
  {
    name: "CONNECT head",
    reach: async (w) => tcpPhase(w, "connect", HALF_REQUEST),
    late: "link.deadline",
  },
  {
    name: "tunnel, silent",
    reach: async (w) => {
      const peers = await tcpPhase(w, "connect", Buffer.from(connectRequest()));
      await peers.tcp.read(ESTABLISHED.length);
      return peers;
    },
    late: "link.deadline",
  },
  {
    name: "TLS hello in the tunnel",
    reach: async (w) => {
      const peers = await tcpPhase(w, "connect", Buffer.from(connectRequest()));
      await peers.tcp.read(ESTABLISHED.length);
      peers.tcp.send(HALF_HELLO);
      return peers;
    },
    late: "tls.failed",
  },
];

/** No deadline ends anything within a test: what ends is ended by the fault. */
const LONG = {
  tlsHandshakeDeadlineMs: 60_000,
  clientPhaseDeadlineMs: 60_000,
  refusalLingerMs: 60_000,
};
/** For a client that does nothing, only deadlines do. */
const SHORT = { tlsHandshakeDeadlineMs: 150, clientPhaseDeadlineMs: 150, refusalLingerMs: 60 };

const FAULTS = {
  "resets the connection": ({ tcp }) => {
    (tcp.stream as Socket).resetAndDestroy();
  },
  "leaves without a word": ({ tcp }) => {
    tcp.destroy();
  },
  "ends its half": ({ top }) => {
    top.stream.end();
  },
  "stays silent": () => {},
} satisfies Record<string, (peers: { tcp: SocketPeer; top: SocketPeer }) => void>;

describe.each(PHASES)("in the phase: $name, a client that", ({ reach, options, late }) => {
  it.each(Object.entries(FAULTS))("%s leaves nothing", async (name, fault) => {
    await using ways = await WaysIn.start({
      ...options,
      limits: name === "stays silent" ? SHORT : LONG,
    });
    const timersBefore = activeTimers();
    const peers = await reach(ways);
    await new Promise(setImmediate);
    fault(peers);
    await ways.empty();
    expect(ways.refused).toHaveLength(1);
    if (name === "stays silent" && late !== null) {
      expect(ways.refused[0]?.code).toBe(late);
    }
    peers.tcp.destroy();
    await noTimersMore(timersBefore);
  });
});

/** The test runner has timers too, which come and go; ours would stay for a minute. */
async function noTimersMore(before: number): Promise<void> {
  await eventually("the timers are gone", () => (activeTimers() > before ? null : true), {
    timeoutMs: 2_000,
    intervalMs: 5,
  });
}

describe("after a connection was handed on", () => {
  const ways = {
    tls: async (w: WaysIn) => tlsPhase(w, "REDQ"),
    websocket: async (w: WaysIn) => tlsPhase(w, upgradeRequest()),
  };

  it.each(
    (["tls", "websocket"] as const).flatMap((way) =>
      (["resets the connection", "leaves without a word"] as const).map(
        (fault) => [way, fault] as const,
      ),
    ),
  )("over %s, a client that %s leaves nothing", async (way, fault) => {
    await using fixture = await WaysIn.start({ foresee: async () => ok(null), limits: LONG });
    const timersBefore = activeTimers();
    const peers = await ways[way](fixture);
    const { stream } = await fixture.handedOn();
    expect(stream.destroyed).toBe(false);
    await noTimersMore(timersBefore);
    stream.resume();
    const closed = new Promise((resolve) => {
      stream.once("close", resolve);
      stream.once("end", () => {
        stream.destroy();
      });
    });
    FAULTS[fault](peers);
    await closed;
    await fixture.empty();
    expect(fixture.refused).toEqual([]);
    await noTimersMore(timersBefore);
  });

  it("its stream may be left without an error listener", async () => {
    await using fixture = await WaysIn.start();
    const { tcp } = await tlsPhase(fixture, "REDQ");
    const { stream } = await fixture.handedOn();
    stream.resume();
    stream.destroy(new Error("for nobody"));
    await fixture.empty();
    tcp.destroy();
  });
});
