/**
 * What each side of a relayed link learns of the other's capabilities, with real programs on both:
 * the server always the client's own; the client the server's own where the relay knows the session
 * before it answers, and a fixed set on the main channel of the TLS way.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  clientCapabilitiesForServer,
  COMMON_CAPABILITY,
  hasCapability,
  type LinkCapabilities,
  serverOffer,
} from "#shared/spice/capabilities.ts";
import {
  decodeFullHeader,
  decodeMiniHeader,
  encodeFullHeader,
  FULL_HEADER_BYTES,
  MINI_HEADER_BYTES,
} from "#shared/spice/header.ts";
import type { LinkReply } from "#shared/spice/link.ts";
import { parseMainInit } from "#shared/spice/main-init.ts";
import { EVERY_CHANNEL, startTestQemu, type TestQemu } from "../harness/qemu.ts";
import { RecordingHop } from "../harness/recording-hop.ts";
import type { FakeSpiceClient } from "../harness/relay/fake-spice-client.ts";
import { encodeMessage } from "../harness/relay/fake-spice-server.ts";
import { startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import { TestStack } from "../harness/stack.ts";
import { type Entrance, openEntrance, WAYS_IN, type WayIn } from "../harness/ways-in.ts";

let stack: TestStack;
let qemu: TestQemu;

beforeAll(async () => {
  stack = await TestStack.start();
});

beforeEach(async () => {
  qemu = await startTestQemu({ extraArguments: EVERY_CHANNEL });
});

afterEach(async () => {
  await qemu?.[Symbol.asyncDispose]();
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("what QEMU sees of spice-gtk", () => {
  it.each(WAYS_IN)("is spice-gtk's own on every channel through %s", async (way) => {
    await using direct = await new RecordingHop(qemu).listen();
    await using neighbour = await startSpiceGtkClient();
    await neighbour.connect({ host: "127.0.0.1", port: direct.port, audio: true });
    await Promise.all(CHANNELS.map((name) => neighbour.waitForChannel(name)));
    await neighbour.disconnect();

    await using hop = await new RecordingHop(qemu).listen();
    await using entrance = await enter(way, hop);
    await using client = await startSpiceGtkClient();
    await client.connect({ ...entrance.options, audio: true });
    await Promise.all(CHANNELS.map((name) => client.waitForChannel(name)));
    for (const channel of CHANNELS) {
      const own = (await direct.link(channel)).client;
      expect(hasCapability(own.common, COMMON_CAPABILITY.AUTH_SASL)).toBe(true);
      const seen = (await hop.link(channel)).client;
      expect(seen, channel).toEqual(clientCapabilitiesForServer(own));
    }
  });
});

describe("what a client sees of a QEMU that lacks something", () => {
  it("is a fixed set on main through tls", async () => {
    await using hop = await new RecordingHop(qemu, hideSome).listen();
    await using entrance = await enter("tls", hop);
    const { main, reply } = await openMain(entrance);
    expect(offerOf(reply)).toEqual(serverOffer("main"));
    main.destroy();
  });

  it.each(["connect", "websocket"] as const)("is QEMU's own on main through %s", async (way) => {
    await using hop = await new RecordingHop(qemu, hideSome).listen();
    await using entrance = await enter(way, hop);
    const { main, reply } = await openMain(entrance);
    const own = (await hop.link("main:0")).server;
    expect(own).toEqual(serverOffer("main"));
    expect(offerOf(reply)).toEqual(withoutSome(own));
    main.destroy();
  });

  it.each(WAYS_IN)("is QEMU's own on later channels through %s", async (way) => {
    await using hop = await new RecordingHop(qemu, hideSome).listen();
    await using entrance = await enter(way, hop);
    const { main, connectionId } = await openMain(entrance);
    const opened = [main];
    for (const channel of LATER_CHANNELS) {
      const later = await entrance.connect();
      opened.push(later);
      later.sendLink({ channel, connectionId });
      const reply = await later.readReply();
      later.sendTicket(reply, entrance.vv.password);
      expect(await later.readResult(), channel).toBe("OK");
      if (channel === "display") {
        later.send(encodeMessage(DISPLAY_INIT, new Uint8Array(DISPLAY_INIT_BYTES)));
      }
      const own = (await hop.link(`${channel}:0`)).server;
      expect(offerOf(reply), channel).toEqual(withoutSome(own));
    }
    for (const peer of opened) {
      peer.destroy();
    }
  });
});

describe("a client without mini headers", () => {
  it.each(WAYS_IN)("speaks full headers with QEMU through %s", async (way) => {
    await using hop = await new RecordingHop(qemu).listen();
    await using entrance = await enter(way, hop);
    const main = await entrance.connect();
    main.sendLink({ commonCapabilities: WITHOUT_MINI });
    main.sendTicket(await main.readReply(), entrance.vv.password);
    expect(await main.readResult()).toBe("OK");
    await readFullMessage(main, MAIN_INIT);
    const ask = { type: ATTACH_CHANNELS, sizeBytes: 0, serial: 1n, subListOffset: 0 };
    main.send(encodeFullHeader(ask));
    const list = await readFullMessage(main, CHANNELS_LIST);
    expect(list.readUInt32LE(0)).toBeGreaterThanOrEqual(LATER_CHANNELS.length);
    const { common } = (await hop.link("main:0")).client;
    expect(hasCapability(common, COMMON_CAPABILITY.MINI_HEADER)).toBe(false);
    main.destroy();
  });
});

let consoles = 0;

async function enter(way: WayIn, hop: RecordingHop): Promise<Entrance> {
  consoles += 1;
  const consoleId = await stack.createConsole(`capabilities-${consoles}`, { port: hop.port });
  return await openEntrance(stack, consoleId, way);
}

/** Links the main channel and reads the connection id that later channels need. */
async function openMain(entrance: Entrance) {
  const main: FakeSpiceClient = await entrance.connect();
  main.sendLink();
  const reply = await main.readReply();
  main.sendTicket(reply, entrance.vv.password);
  expect(await main.readResult()).toBe("OK");
  for (;;) {
    const header = decodeMiniHeader(await main.read(MINI_HEADER_BYTES));
    const body = await main.read(header.sizeBytes);
    if (header.type === MAIN_INIT) {
      return { main, reply, connectionId: parseMainInit(body).sessionId };
    }
  }
}

/** The body of the next message of that type. */
async function readFullMessage(peer: FakeSpiceClient, type: number): Promise<Buffer> {
  for (;;) {
    const header = decodeFullHeader(await peer.read(FULL_HEADER_BYTES));
    const body = await peer.read(header.sizeBytes);
    if (header.type === type) {
      return body;
    }
  }
}

/** A real server that offers less than it usually does. */
function hideSome(reply: LinkReply): LinkReply {
  const { channel } = withoutSome(offerOf(reply));
  return { ...reply, channelCapabilities: channel };
}

function withoutSome(own: LinkCapabilities): LinkCapabilities {
  return { ...own, channel: own.channel.map((word) => (word & ~HIDDEN_BITS) >>> 0) };
}

function offerOf(reply: LinkReply): LinkCapabilities {
  return { common: reply.commonCapabilities, channel: reply.channelCapabilities };
}

const CHANNELS = [
  ...["main:0", "display:0", "inputs:0", "cursor:0", "playback:0", "record:0"],
  ...["port:0", "webdav:0", "usbredir:0", "usbredir:1"],
];
const LATER_CHANNELS = [
  ...(["display", "inputs", "cursor", "playback", "record", "port", "webdav", "usbredir"] as const),
];
/** PROTOCOL_AUTH_SELECTION and AUTH_SPICE. */
const WITHOUT_MINI = [0b11];
/** Of main, display, inputs, playback and record one or both are among them. */
const HIDDEN_BITS = 0b11;
/** spice.proto, DisplayChannel.init: without it a change of mode crashes libspice-server 0.15.1. */
const DISPLAY_INIT = 101;
const DISPLAY_INIT_BYTES = 14;
/** spice.proto, MainChannel: attach_channels of the client, channels_list and init of the server. */
const ATTACH_CHANNELS = 104;
const CHANNELS_LIST = 104;
const MAIN_INIT = 103;
