/**
 * Faults of linked channels: idle or in the middle of a message, of clients and of hypervisors,
 * through each way in. A fault ends exactly its channel, or nothing, if it is only silence; the main
 * channel of its session lives on, and so does another session. Peers that never read hold a bounded
 * number of bytes and are ended at once when that is asked for. Then: the same while the relay is
 * drained, and a client that fails while it comes back in its session's window. After each row
 * nothing is left.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { encodeMiniHeader } from "#shared/spice/header.ts";
import { encodeAuthMechanism } from "#shared/spice/link.ts";
import type { Policy } from "#shared/policy/policy.ts";
import type { WayIn } from "../../../relay/listen/client-connection.ts";
import { HELD_BYTES_MAX } from "../../../relay/pump/pump.ts";
import { eventually } from "../../harness/deadline.ts";
import { openWay, WAYS } from "../../harness/relay/client-ways.ts";
import type { Issued } from "../../harness/relay/fake-control.ts";
import {
  type ClientChannelOptions,
  encrypt,
  type FakeSpiceClient,
  linkBytes,
} from "../../harness/relay/fake-spice-client.ts";
import {
  type FakeSpiceServer,
  MAIN_INIT_MESSAGE_BYTES,
  type ServedChannel,
} from "../../harness/relay/fake-spice-server.ts";
import type { SocketPeer } from "../../harness/relay/socket-peer.ts";
import {
  type Counted,
  expectAlive,
  FaultStage,
  NEVER_MS,
  pourUntilStill,
  UNDER_WAY_BYTES_MAX,
} from "./faults-fixture.ts";

const KIB = 1024;
/** SPICEVMC_DATA, the same in both directions. */
const DATA = 101;
const BODY_BYTES = 64 * KIB;

interface Linked {
  readonly tcp: Socket;
  readonly client: FakeSpiceClient;
  readonly served: ServedChannel;
}

/** A session through one way in; the fault is its usbredir channel's. */
interface Cell {
  readonly way: WayIn;
  readonly issued: Issued;
  readonly server: FakeSpiceServer;
  readonly main: Linked;
  readonly hit: Linked;
}

async function openChannel(
  stage: FaultStage,
  { way, server, issued }: Pick<Cell, "way" | "server" | "issued">,
  options: ClientChannelOptions = {},
): Promise<Linked> {
  const { tcp, client } = await openWay(stage.relay, way, issued);
  stage.own(client.stream);
  stage.own(tcp);
  expect(await client.link(issued.ticket, options)).toBe("OK");
  return { tcp, client, served: await server.nextChannel() };
}

let sessionCount = 0;

async function openCell(
  stage: FaultStage,
  way: WayIn,
  policy: Partial<Policy> = {},
): Promise<Cell> {
  // Two sessions with one connection id would each be asked for what the other one offers.
  sessionCount += 1;
  const connectionId = sessionCount;
  const server = await stage.serve({ sessionId: connectionId });
  const issued = await stage.relay.grant(server, { policy });
  const main = await openChannel(stage, { way, server, issued });
  await main.client.read(MAIN_INIT_MESSAGE_BYTES);
  const usbredir = { channel: "usbredir", connectionId } as const;
  const hit = await openChannel(stage, { way, server, issued }, usbredir);
  return { way, issued, server, main, hit };
}

/** Where the channel stands when the fault comes. */
const STATES: Readonly<Record<string, (hit: Linked) => Promise<void>>> = {
  idle: async () => {},
  "in a client's message": async ({ client, served }) => {
    client.send(halfMessage());
    await served.peer.read(HALF_BYTES);
  },
  "in a hypervisor's message": async ({ client, served }) => {
    served.peer.send(halfMessage());
    await client.read(HALF_BYTES);
  },
  "in a header": async ({ client, served }) => {
    client.send(halfMessage().subarray(0, 3));
    served.peer.send(halfMessage().subarray(0, 5));
    await Promise.all([served.peer.read(3), client.read(5)]);
  },
};

const HALF_BYTES = 1_000;

function halfMessage(): Buffer {
  return Buffer.concat([
    encodeMiniHeader({ type: DATA, sizeBytes: BODY_BYTES }),
    Buffer.alloc(HALF_BYTES - 6, 1),
  ]);
}

interface Fault {
  readonly who: "client" | "server";
  readonly fault: string;
  readonly commit: (hit: Linked) => void;
}

function raw(peer: SocketPeer): Socket {
  return peer.stream as Socket;
}

const ENDING_FAULTS: readonly Fault[] = [
  { who: "client", fault: "resets", commit: ({ tcp }) => void tcp.resetAndDestroy() },
  { who: "client", fault: "closes", commit: ({ tcp }) => void tcp.destroy() },
  { who: "client", fault: "half-closes", commit: ({ client }) => void client.stream.end() },
  {
    who: "server",
    fault: "resets",
    commit: ({ served }) => void raw(served.peer).resetAndDestroy(),
  },
  { who: "server", fault: "closes", commit: ({ served }) => served.peer.destroy() },
  { who: "server", fault: "half-closes", commit: ({ served }) => void served.peer.stream.end() },
];

/** Main and the other channel, of each way. */
function linkedTwice(): Counted[] {
  return WAYS.flatMap((way) => [
    { code: "linked", way },
    { code: "linked", way },
  ]);
}

let stage: FaultStage;

beforeAll(async () => {
  stage = await FaultStage.start();
});

afterAll(async () => {
  await stage[Symbol.asyncDispose]();
});

afterEach(async () => {
  await stage.clear();
});

describe.each(Object.entries(STATES))("a linked channel, %s,", (_state, stand) => {
  it.each(ENDING_FAULTS)("whose $who $fault ends alone", async ({ who, commit }) => {
    const { events } = stage.relay;
    const [closedBefore, endedBefore] = [
      events.of("channel.closed").length,
      events.of("session.ended").length,
    ];
    const before = await stage.before();
    const cells = await Promise.all(WAYS.map(async (way) => openCell(stage, way)));
    await Promise.all(cells.map(async ({ hit }) => stand(hit)));
    cells.forEach(({ hit }) => {
      commit(hit);
    });
    await events.next("channel.closed", closedBefore + cells.length);
    const closed = events.of("channel.closed").slice(closedBefore);
    expect(closed.map(({ channel, reason }) => `${channel} ${reason}`)).toEqual(
      cells.map(() => `usbredir ${who}-closed`),
    );
    await Promise.all(cells.map(async ({ main }) => expectAlive({ main })));
    expect(events.of("session.ended")).toHaveLength(endedBefore);
    for (const { main } of cells) {
      main.tcp.destroy();
    }
    await events.next("session.ended", endedBefore + cells.length);
    await stage.isAsBefore(before, linkedTwice());
  });
});

describe("a linked channel whose peers both end", () => {
  it("needs no linger, and leaves no timer for one", async () => {
    await using patient = await FaultStage.start({ limits: { endLingerMs: NEVER_MS } });
    const before = await patient.before();
    const cells = await Promise.all(WAYS.map(async (way) => openCell(patient, way)));
    await Promise.all(
      cells.flatMap(({ main, hit }) =>
        [hit, main].map(async ({ client, served }) => {
          client.stream.end();
          await served.peer.untilClosed();
        }),
      ),
    );
    await patient.isAsBefore(before, linkedTwice());
  });
});

describe("linked channels whose peers stall", () => {
  it("live until their policy's idle time is over, wherever they stand", async () => {
    const limits = { connectionsMax: 64, connectionsPerSourceMax: 64, handshakesPerSourceMax: 64 };
    await using silent = await FaultStage.start({ limits });
    const { events } = silent.relay;
    const before = await silent.before();
    const stands = Object.values(STATES);
    const cells = await Promise.all(
      stands.flatMap((stand) =>
        WAYS.map(async (way) => {
          const cell = await openCell(silent, way, { idleS: 1 });
          await stand(cell.hit);
          return cell;
        }),
      ),
    );
    await events.next("session.ended", cells.length);
    expect(events.of("session.ended").map(({ reason }) => reason)).toEqual(cells.map(() => "idle"));
    await silent.isAsBefore(before, stands.flatMap(linkedTwice));
  });
});

const MESSAGE = Buffer.concat([
  encodeMiniHeader({ type: DATA, sizeBytes: BODY_BYTES }),
  Buffer.alloc(BODY_BYTES, 0x5a),
]);

describe("a linked channel, in full flow,", () => {
  const towards = [
    {
      who: "client",
      pour: ({ hit }: Cell) => hit.served.peer.stream,
      reader: ({ hit }: Cell) => hit.client.stream,
    },
    {
      who: "server",
      pour: ({ hit }: Cell) => hit.client.stream,
      reader: ({ hit }: Cell) => hit.served.peer.stream,
    },
  ];

  it.each(towards)(
    "whose $who never reads holds its flow up, and is ended at once",
    async ({ pour }) => {
      const { events, plane } = stage.relay;
      const endedBefore = events.of("session.ended").length;
      const before = await stage.before();
      const cells = await Promise.all(WAYS.map(async (way) => openCell(stage, way)));
      const taken = await Promise.all(
        cells.map(async (cell) => pourUntilStill(pour(cell), MESSAGE)),
      );
      expect(Math.max(...taken)).toBeLessThan(UNDER_WAY_BYTES_MAX);
      const held = stage.watch.heldBytes(before.resources);
      const heldBytes = held.reduce((sum, bytes) => sum + bytes, 0);
      expect(heldBytes).toBeGreaterThan(0);
      expect(heldBytes).toBeLessThanOrEqual(cells.length * HELD_BYTES_MAX);
      await Promise.all(cells.map(async ({ main }) => expectAlive({ main })));
      await expectAlive(stage.living);
      const beganMs = performance.now();
      for (const { issued } of cells) {
        plane.terminate(issued.sessionId, "enough");
      }
      await events.next("session.ended", endedBefore + cells.length);
      await stage.isAsBefore(before, linkedTwice());
      expect(performance.now() - beganMs).toBeLessThan(1_000);
    },
  );

  it.each(towards)(
    "whose $who takes nothing for too long ends, and nothing else does",
    async ({ pour }) => {
      await using hasty = await FaultStage.start({ limits: { stallMsMax: 200 } });
      const { events } = hasty.relay;
      const before = await hasty.before();
      const cells = await Promise.all(WAYS.map(async (way) => openCell(hasty, way)));
      for (const cell of cells) {
        const stream = pour(cell);
        stream.on("error", () => {});
        for (let sent = 0; sent < UNDER_WAY_BYTES_MAX; sent += MESSAGE.length) {
          stream.write(MESSAGE);
        }
      }
      await events.next("channel.closed", cells.length);
      expect(events.of("channel.closed")).toEqual(
        cells.map(() =>
          expect.objectContaining({ channel: "usbredir", reason: "channel.stalled" }),
        ),
      );
      await Promise.all(cells.map(async ({ main }) => expectAlive({ main })));
      await expectAlive(hasty.living);
      cells.forEach(({ main }) => {
        main.tcp.destroy();
      });
      await hasty.isAsBefore(before, linkedTwice());
    },
  );

  it.each(towards)(
    "whose $who reads a byte at a time gets the right ones, and the end when it reads on",
    async ({ who, pour, reader }) => {
      const { events } = stage.relay;
      const closedBefore = events.of("channel.closed").length;
      const before = await stage.before();
      const cells = await Promise.all(WAYS.map(async (way) => openCell(stage, way)));
      await Promise.all(cells.map(async (cell) => pourUntilStill(pour(cell), MESSAGE)));
      await Promise.all(cells.map(async (cell) => expectByteByByte(reader(cell))));
      await Promise.all(cells.map(async ({ main }) => expectAlive({ main })));
      for (const cell of cells) {
        // Of whom nothing is read: it is noticed when the flow goes on.
        (who === "client" ? raw(cell.hit.served.peer) : cell.hit.tcp).resetAndDestroy();
        reader(cell).resume();
      }
      await events.next("channel.closed", closedBefore + cells.length);
      await Promise.all(cells.map(async ({ main }) => expectAlive({ main })));
      cells.forEach(({ main }) => {
        main.tcp.destroy();
      });
      await stage.isAsBefore(before, linkedTwice());
    },
  );
});

/** The first bytes of {@link MESSAGE}. */
async function expectByteByByte(stream: Duplex): Promise<void> {
  const header = encodeMiniHeader({ type: DATA, sizeBytes: BODY_BYTES });
  for (const byte of [...header, ...Buffer.alloc(200, 0x5a)]) {
    const read = (): Buffer | null => stream.read(1) as Buffer | null;
    expect(read() ?? (await eventually("a byte", read, { intervalMs: 2 }))).toEqual(
      Buffer.of(byte),
    );
  }
}

describe("while the relay is drained, a linked channel", () => {
  it.each(ENDING_FAULTS)("whose $who $fault ends, and its session with it", async ({ commit }) => {
    await using draining = await FaultStage.start();
    const { events, plane } = draining.relay;
    const before = await draining.before();
    const cells = await Promise.all(WAYS.map(async (way) => openCell(draining, way)));
    const drained = plane.drain(600_000);
    cells.forEach(({ hit, main }) => {
      commit(hit);
      commit(main);
    });
    await events.next("session.ended", cells.length);
    plane.resume();
    await drained;
    await draining.isAsBefore(before, linkedTwice());
  });

  it("whose peers stall, or never read, is ended by the deadline like every other", async () => {
    await using draining = await FaultStage.start();
    const { events, plane } = draining.relay;
    const before = await draining.before();
    const cells = await Promise.all(WAYS.map(async (way) => openCell(draining, way)));
    await Promise.all(
      cells.map(async ({ hit, way }) =>
        way === "tls" ? 0 : pourUntilStill(hit.served.peer.stream, MESSAGE),
      ),
    );
    await plane.drain(50);
    expect(events.of("session.ended").map(({ reason }) => reason)).toEqual(
      [...cells, draining.living].map(() => "relay-drained"),
    );
    expect(plane.counts()).toMatchObject({ sessions: 0, channels: 0 });
    await eventually("no connection", () => (plane.counts().connections === 0 ? true : null));
    await draining.watch.relayIsAsAt(before.resources);
  });
});

/** How far a client that comes back gets, before it fails again. */
const RETURNS: Readonly<
  Record<string, (client: FakeSpiceClient, ticket: string) => Promise<void>>
> = {
  "in its link message": async (client) => {
    client.send(linkBytes().subarray(0, 17));
  },
  "before its ticket": async (client) => {
    client.sendLink();
    await client.readReply();
  },
  "in its ticket": async (client, ticket) => {
    client.sendLink();
    const answer = encrypt(await client.readReply(), ticket);
    client.send(Buffer.concat([encodeAuthMechanism(1), answer]).subarray(0, 100));
  },
  "when it is linked": async (client, ticket) => {
    expect(await client.link(ticket)).toBe("OK");
    await client.read(MAIN_INIT_MESSAGE_BYTES);
  },
};

describe("in its session's reconnect window, a client", () => {
  it.each(Object.entries(RETURNS))(
    "that comes back and fails again %s loses its session when the window is over",
    async (_where, come) => {
      const { events } = stage.relay;
      const endedBefore = events.of("session.ended").length;
      const before = await stage.before();
      const policy = { reconnectWindowS: 1 };
      const cells = await Promise.all(WAYS.map(async (way) => openCell(stage, way, policy)));
      const returned = await Promise.all(
        cells.map(async ({ way, issued, main }) => {
          main.tcp.resetAndDestroy();
          await main.served.peer.untilClosed();
          await eventually("the loss is noticed", () =>
            events.of("channel.closed").some((event) => event.sessionId === issued.sessionId)
              ? true
              : null,
          );
          const { tcp, client } = await openWay(stage.relay, way, issued);
          stage.own(client.stream);
          await come(client, issued.ticket);
          return tcp;
        }),
      );
      await stage.haveCome(before, 3 * cells.length);
      returned.forEach((tcp) => {
        tcp.resetAndDestroy();
      });
      await events.next("session.ended", endedBefore + cells.length);
      const ended = events.of("session.ended").slice(endedBefore);
      expect(ended.map(({ reason }) => reason)).toEqual(cells.map(() => "client-closed"));
      const code = _where === "when it is linked" ? "linked" : "link.closed";
      await stage.isAsBefore(before, [...linkedTwice(), ...WAYS.map((way) => ({ code, way }))]);
    },
  );
});
