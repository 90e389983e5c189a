/**
 * Faults of clients, through the whole data plane: each phase of a connection's way in and link,
 * each fault, each way in. A row is a phase and a fault; its ways in fail at the same time. After
 * each row no socket, no timer, no session, no channel and no place at the gate is left, every
 * connection was counted once and under the right code, and another session was not disturbed.
 *
 * Not in the matrix, because they are the same thing: before it is linked the relay writes a few
 * hundred bytes, which the kernel takes also for a client that never reads ("stalls").
 */
import type { Duplex } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { encodeAuthMechanism } from "#shared/spice/link.ts";
import type { WayIn } from "../../../relay/listen/client-connection.ts";
import { connectWay, openTunnel, openWay, secureWay } from "../../harness/relay/client-ways.ts";
import type { Issued } from "../../harness/relay/fake-control.ts";
import { encrypt, type FakeSpiceClient, linkBytes } from "../../harness/relay/fake-spice-client.ts";
import { type Counted, FaultStage, NEVER_MS, SHORT_MS } from "./faults-fixture.ts";
import type { Socket } from "node:net";

/** A client that stands somewhere on its way. */
interface Standing {
  readonly tcp: Socket;
  /** The topmost stream so far, on which it would go on. */
  readonly top: Duplex;
}

/** One phase through one way in. */
interface Stand {
  readonly reach: (stage: FaultStage, way: WayIn, issued: Issued) => Promise<Standing>;
  /** What a client that left is counted as. */
  readonly lost: string;
  /** What one that was too slow is counted as. */
  readonly late: string;
  /** Whether the way in was understood by then. */
  readonly isKnown: boolean;
  /** What may go on for ever without the phase coming to its end; null: nothing can. */
  readonly trickle: number | null;
}

interface Phase {
  readonly phase: string;
  readonly stands: Readonly<Partial<Record<WayIn, Stand>>>;
}

/** A TLS record's header that announces more than it brings. */
const HALF_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1]);

async function reachTcp(stage: FaultStage, way: WayIn, bytes: Uint8Array): Promise<Standing> {
  const tcp = stage.own(await connectWay(stage.relay, way));
  tcp.write(bytes);
  return { tcp, top: tcp };
}

async function reachTls(stage: FaultStage, way: WayIn, issued: Issued): Promise<Standing> {
  const tcp = stage.own(await connectWay(stage.relay, way));
  if (way === "connect") {
    await openTunnel(tcp, issued);
  }
  return { tcp, top: stage.own(await secureWay(stage.relay, tcp)) };
}

/** Says `say` in the place of SPICE, over TLS, the tunnel or a WebSocket. */
async function reachSpice(
  stage: FaultStage,
  { way, issued }: { readonly way: WayIn; readonly issued: Issued },
  say: (client: FakeSpiceClient) => Promise<void> | void,
): Promise<Standing> {
  const { tcp, client } = await openWay(stage.relay, way, issued);
  stage.own(client.stream);
  stage.own(tcp);
  await say(client);
  return { tcp, top: client.stream };
}

const inTls = { lost: "tls.failed", late: "tls.failed", isKnown: false } as const;
const inWay = { lost: "link.closed", late: "link.deadline", isKnown: false } as const;
const inLink = { ...inWay, isKnown: true } as const;

const accepted: Stand["reach"] = (stage, way) => reachTcp(stage, way, Buffer.alloc(0));

const firstByte = (say: (client: FakeSpiceClient) => Promise<void> | void): Stand["reach"] => {
  return (stage, way, issued) => reachSpice(stage, { way, issued }, say);
};

const inEachWay = (stand: Stand): Phase["stands"] => ({
  tls: stand,
  connect: stand,
  websocket: stand,
});

const link = linkBytes();

const PHASES: readonly Phase[] = [
  {
    phase: "accepted",
    stands: {
      tls: { ...inTls, reach: accepted, trickle: null },
      connect: { ...inWay, reach: accepted, trickle: null },
    },
  },
  {
    phase: "in its TLS handshake",
    stands: {
      tls: { ...inTls, trickle: 0, reach: (stage, way) => reachTcp(stage, way, HALF_HELLO) },
      connect: {
        ...inTls,
        trickle: 0,
        reach: async (stage, way, issued) => {
          const tcp = stage.own(await connectWay(stage.relay, way));
          await openTunnel(tcp, issued);
          tcp.write(HALF_HELLO);
          return { tcp, top: tcp };
        },
      },
    },
  },
  {
    phase: "in its HTTP request",
    stands: {
      connect: {
        ...inWay,
        trickle: 0x61,
        reach: (stage, way) => reachTcp(stage, way, Buffer.from("CONNECT x HTTP/1.0\r\nHost: x")),
      },
      websocket: {
        ...inWay,
        trickle: 0x61,
        reach: async (stage, way, issued) => {
          const standing = await reachTls(stage, way, issued);
          standing.top.write("GET /console?token=");
          return standing;
        },
      },
    },
  },
  {
    phase: "before its first byte",
    stands: {
      tls: { ...inWay, reach: reachTls, trickle: null },
      connect: { ...inWay, reach: reachTls, trickle: null },
      websocket: { ...inLink, reach: firstByte(() => {}), trickle: null },
    },
  },
  {
    phase: "in its link message",
    stands: inEachWay({
      ...inLink,
      trickle: 0,
      reach: firstByte((client) => {
        client.send(link.subarray(0, 17));
      }),
    }),
  },
  {
    phase: "before its ticket",
    stands: inEachWay({
      ...inLink,
      trickle: null,
      reach: firstByte(async (client) => {
        client.sendLink();
        await client.readReply();
      }),
    }),
  },
  {
    phase: "in its ticket",
    stands: inEachWay({
      ...inLink,
      trickle: 0,
      reach: firstByte(async (client) => {
        client.sendLink();
        const reply = await client.readReply();
        const answer = Buffer.concat([encodeAuthMechanism(1), encrypt(reply, "kst1_")]);
        client.send(answer.subarray(0, 100));
      }),
    }),
  },
];

/** Those that are handed on before the fault. */
function waysAtLink<Cell extends { readonly stand: Stand }>(cells: readonly Cell[]): Cell[] {
  return cells.filter(({ stand }) => stand.isKnown);
}

interface Fault {
  readonly fault: string;
  readonly isLate: boolean;
  readonly commit: (standing: Standing, stand: Stand) => void;
}

const FAULTS: readonly Fault[] = [
  { fault: "resets", isLate: false, commit: ({ tcp }) => void tcp.resetAndDestroy() },
  { fault: "closes", isLate: false, commit: ({ tcp }) => void tcp.destroy() },
  { fault: "half-closes", isLate: false, commit: ({ top }) => void top.end() },
  { fault: "stalls", isLate: true, commit: () => {} },
  {
    fault: "trickles",
    isLate: true,
    commit: ({ top }, { trickle }) => {
      const drip = setInterval(() => top.write(Uint8Array.of(trickle ?? 0)), SHORT_MS / 10);
      top.once("close", () => {
        clearInterval(drip);
      });
    },
  },
];

const ROWS = PHASES.flatMap(({ phase, stands }) =>
  FAULTS.map(({ fault, isLate, commit }) => {
    const cells = Object.entries(stands)
      .map(([way, stand]) => ({ way: way as WayIn, stand }))
      .filter(({ stand }) => fault !== "trickles" || stand.trickle !== null);
    return { phase, fault, isLate, commit, cells };
  }),
)
  .filter(({ cells }) => cells.length > 0)
  .map((row) => ({ ...row, ways: row.cells.map(({ way }) => way).join(", ") }));

describe.each([
  ["waits", ROWS.filter(({ isLate }) => !isLate), NEVER_MS],
  ["has deadlines", ROWS.filter(({ isLate }) => isLate), SHORT_MS],
] as const)("a relay that %s, and a client", (_name, rows, deadlineMs) => {
  let stage: FaultStage;

  beforeAll(async () => {
    const limits = { tlsHandshakeDeadlineMs: deadlineMs, clientPhaseDeadlineMs: deadlineMs };
    stage = await FaultStage.start({ limits });
  });

  afterEach(async () => {
    await stage.clear();
  });

  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });

  it.each(rows)("that $fault, $phase ($ways)", async ({ isLate, commit, cells }) => {
    const server = await stage.serve();
    const tickets = await Promise.all(cells.map(async () => stage.relay.grant(server)));
    const before = await stage.before();
    const standings = await Promise.all(
      cells.map(async ({ way, stand }, index) => ({
        stand,
        standing: await stand.reach(stage, way, tickets[index] as Issued),
      })),
    );
    await stage.haveCome(before, waysAtLink(cells).length);
    // What was said last has left, and the relay has had its turn.
    await new Promise(setImmediate);
    for (const { standing, stand } of standings) {
      commit(standing, stand);
    }
    const counted = cells.map(({ way, stand }): Counted => {
      const code = isLate ? stand.late : stand.lost;
      return { code, way: stand.isKnown ? way : "none" };
    });
    await stage.isAsBefore(before, counted);
    expect(server.ticketCount).toBe(0);
    expect(stage.relay.events.of("session.opened")).toHaveLength(1);
  });
});
