/**
 * Messages that are none, through the whole data plane: unknown numbers, unlawful sizes and floods,
 * on each type of channel, in both directions. Enforced, one ends exactly its channel, nothing of it
 * is forwarded, and it is told once in events and metrics; observed, everything flows on, and one
 * event tells of all in the end.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { FirewallMode } from "#shared/policy/policy.ts";
import { CHANNEL_NAMES, type ChannelName } from "#shared/spice/channel-names.ts";
import { type Direction, messageRows } from "#shared/spice/channel-table.ts";
import { encodeMiniHeader } from "#shared/spice/header.ts";
import { eventually } from "../../harness/deadline.ts";
import {
  encodeMessage,
  type FakeSpiceServer,
  type ServedChannel,
} from "../../harness/relay/fake-spice-server.ts";
import type { Issued } from "../../harness/relay/fake-control.ts";
import type { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import type { SocketPeer } from "../../harness/relay/socket-peer.ts";
import { expectAlive, FaultStage, labelledCounts } from "./faults-fixture.ts";

const DIRECTIONS: readonly Direction[] = ["client", "server"];
/** The main channel's breaches end its session: hostile.test.ts. */
const CHANNELS: readonly ChannelName[] = CHANNEL_NAMES.filter((name) => name !== "main");

interface Bad {
  readonly what: string;
  readonly rule: "type" | "size";
  readonly type: number;
  readonly sizeBytes: number;
}

/** PONG of the client, PING of the server: lawful on every channel. */
function lawful(direction: Direction): Buffer {
  return encodeMessage(direction === "client" ? 3 : 4, Buffer.alloc(12, 7));
}

function badMessages(channel: ChannelName, direction: Direction): Bad[] {
  const rows = messageRows(channel, direction);
  const next = Math.max(...rows.map(({ type }) => type)) + 1;
  const short = rows.find(({ sizeMin }) => sizeMin > 0);
  const long = rows.findLast(({ type, sizeMax }) => type !== short?.type && sizeMax < LENGTH_MAX);
  const sized = (what: string, row: typeof short, sizeBytes: number): Bad[] =>
    row === undefined ? [] : [{ what, rule: "size", type: row.type, sizeBytes }];
  return [
    { what: "the next number", rule: "type", type: next, sizeBytes: 4 },
    { what: "the last number", rule: "type", type: 0xffff, sizeBytes: 0 },
    ...sized("a byte too few", short, (short?.sizeMin ?? 1) - 1),
    ...sized("a byte too many", long, (long?.sizeMax ?? 0) + 1),
  ];
}

interface Opened {
  readonly client: FakeSpiceClient;
  readonly served: ServedChannel;
  readonly sender: SocketPeer;
  readonly receiver: SocketPeer;
}

interface Scene {
  readonly server: FakeSpiceServer;
  readonly issued: Issued;
  readonly main: { readonly client: FakeSpiceClient; readonly served: ServedChannel };
}

let sessionCount = 0;

async function openScene(stage: FaultStage, firewall: FirewallMode): Promise<Scene> {
  sessionCount += 1;
  const server = await stage.serve({ sessionId: sessionCount });
  const issued = await stage.relay.grant(server, { policy: { firewall } });
  return { server, issued, main: await stage.relay.open(server, issued.ticket) };
}

async function join(
  stage: FaultStage,
  { server, issued }: Scene,
  which: {
    readonly channel: ChannelName;
    readonly channelId: number;
    readonly direction: Direction;
  },
): Promise<Opened> {
  const { channel, channelId, direction } = which;
  const options = { channel, channelId, connectionId: sessionCount };
  const { client, served } = await stage.relay.open(server, issued.ticket, options);
  const [sender, receiver] = direction === "client" ? [client, served.peer] : [served.peer, client];
  return { client, served, sender, receiver };
}

async function endScene(stage: FaultStage, { issued, main }: Scene): Promise<void> {
  main.client.destroy();
  await eventually("the session's end", () =>
    stage.relay.events.of("session.ended").some((event) => event.sessionId === issued.sessionId)
      ? true
      : null,
  );
}

let stage: FaultStage;

beforeAll(async () => {
  const limits = { connectionsMax: 64, connectionsPerSourceMax: 64, handshakesPerSourceMax: 64 };
  const nowMs = Date.now();
  // A clock that stands still: nothing of a rate is refilled.
  stage = await FaultStage.start({ limits, nowMs: () => nowMs });
});

afterEach(async () => {
  await stage.clear();
});

afterAll(async () => {
  await stage[Symbol.asyncDispose]();
});

/** Counts of `name` that differ from those before. */
async function counted(name: string, labels: readonly string[]): Promise<Map<string, number>> {
  return labelledCounts(stage.relay, name, labels);
}

function difference(
  after: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
): Record<string, number> {
  const changed = [...after].map(
    ([name, count]) => [name, count - (before.get(name) ?? 0)] as const,
  );
  return Object.fromEntries(changed.filter(([, count]) => count !== 0));
}

const FINDING_LABELS = ["channel", "direction", "rule", "action"];

describe.each(DIRECTIONS)("what is no message of the %s's, enforced,", (direction) => {
  it.each(CHANNELS)("ends a %s channel and nothing else", async (channel) => {
    const { events } = stage.relay;
    const before = await stage.before();
    const findingsBefore = await counted("firewall_findings_total", FINDING_LABELS);
    const closedBefore = await counted("channels_closed_total", ["channel", "code"]);
    const scene = await openScene(stage, "enforce");
    const bads = badMessages(channel, direction);
    for (const [channelId, { rule, type, sizeBytes }] of bads.entries()) {
      const eventsBefore = events.of("channel.firewall").length;
      const hit = await join(stage, scene, { channel, channelId, direction });
      const header = encodeMiniHeader({ type, sizeBytes });
      hit.sender.send(Buffer.concat([lawful(direction), header]));
      // What came before it arrives whole; of itself not a byte, however it is cut.
      expect(await hit.receiver.readToEnd()).toEqual(lawful(direction));
      await Promise.all([hit.receiver.untilClosed(), hit.sender.untilClosed()]);
      const event = await events.next("channel.firewall", eventsBefore + 1);
      expect(event).toMatchObject({ channel, channelId, mode: "enforce" });
      expect(event.findings).toEqual([{ direction, rule, messageType: type, count: 1 }]);
      await expectAlive(scene);
    }
    const sizes = bads.filter(({ rule }) => rule === "size").length;
    const expected = Object.fromEntries(
      Object.entries({ type: bads.length - sizes, size: sizes })
        .filter(([, count]) => count > 0)
        .map(([rule, count]) => [`${channel} ${direction} ${rule} ended`, count]),
    );
    expect(
      difference(await counted("firewall_findings_total", FINDING_LABELS), findingsBefore),
    ).toEqual(expected);
    const closed = difference(
      await counted("channels_closed_total", ["channel", "code"]),
      closedBefore,
    );
    expect(closed).toEqual({
      [`${channel} message.type-unknown`]: bads.length - sizes,
      ...(sizes > 0 ? { [`${channel} message.size-unlawful`]: sizes } : {}),
    });
    await endScene(stage, scene);
    await stage.isAsBefore(
      before,
      [scene, ...bads].map(() => ({ code: "linked", way: "tls" as const })),
    );
  });
});

describe.each(DIRECTIONS)("what is no message of the %s's, observed,", (direction) => {
  it.each(CHANNELS)("flows on through a %s channel and is told at its end", async (channel) => {
    const { events } = stage.relay;
    const before = await stage.before();
    const scene = await openScene(stage, "observe");
    const hit = await join(stage, scene, { channel, channelId: 0, direction });
    const bads = badMessages(channel, direction).filter(({ sizeBytes }) => sizeBytes <= 65_536);
    const eventsBefore = events.of("channel.firewall").length;
    for (const { type, sizeBytes } of [...bads, ...bads]) {
      const message = encodeMessage(type, Buffer.alloc(sizeBytes, 3));
      const sent = Buffer.concat([lawful(direction), message, lawful(direction)]);
      hit.sender.send(sent);
      expect(await hit.receiver.read(sent.length)).toEqual(sent);
    }
    expect(events.of("channel.firewall")).toHaveLength(eventsBefore);
    hit.client.destroy();
    const event = await events.next("channel.firewall", eventsBefore + 1);
    expect(event).toMatchObject({ channel, mode: "observe" });
    expect(event.findings).toEqual(
      bads.map(({ rule, type }) => ({ direction, rule, messageType: type, count: 2 })),
    );
    await expectAlive(scene);
    await endScene(stage, scene);
    expect(events.of("channel.firewall")).toHaveLength(eventsBefore + 1);
    await stage.isAsBefore(
      before,
      [scene, hit].map(() => ({ code: "linked", way: "tls" as const })),
    );
  });
});

describe("a flood of lawful messages", () => {
  // More than a hand's burst of 30,000.
  const COUNT = 40_000;
  const flood = Buffer.concat(Array.from({ length: COUNT }, () => lawful("client")));

  it("ends its channel when that is enforced, and no other", async () => {
    const { events } = stage.relay;
    const before = await stage.before();
    const eventsBefore = events.of("channel.firewall").length;
    const scene = await openScene(stage, "enforce");
    const hit = await join(stage, scene, { channel: "inputs", channelId: 0, direction: "client" });
    hit.sender.send(flood);
    const received = await hit.receiver.readToEnd();
    expect(received.length).toBeLessThan(flood.length);
    // A header that a read cut in two may have gone ahead in part.
    expect(received.length % lawful("client").length).toBeLessThan(HEADER_BYTES);
    expect(received.length / lawful("client").length).toBeLessThan(30_001);
    await Promise.all([hit.receiver.untilClosed(), hit.sender.untilClosed()]);
    const event = await events.next("channel.firewall", eventsBefore + 1);
    expect(event.findings).toEqual([
      { direction: "client", rule: "rate", messageType: null, count: 1 },
    ]);
    await expectAlive(scene);
    await endScene(stage, scene);
    await stage.isAsBefore(
      before,
      [scene, hit].map(() => ({ code: "linked", way: "tls" as const })),
    );
  });

  it("flows when it is only observed", async () => {
    const { events } = stage.relay;
    const before = await stage.before();
    const eventsBefore = events.of("channel.firewall").length;
    const scene = await openScene(stage, "observe");
    const hit = await join(stage, scene, { channel: "inputs", channelId: 0, direction: "client" });
    hit.sender.send(flood);
    expect((await hit.receiver.read(flood.length)).equals(flood)).toBe(true);
    hit.client.destroy();
    const event = await events.next("channel.firewall", eventsBefore + 1);
    expect(event.findings).toMatchObject([{ direction: "client", rule: "rate" }]);
    await endScene(stage, scene);
    await stage.isAsBefore(
      before,
      [scene, hit].map(() => ({ code: "linked", way: "tls" as const })),
    );
  });
});

const HEADER_BYTES = 6;
/** The largest size that a header can name. */
const LENGTH_MAX = 2 ** 32 - 1;
