/**
 * Every channel of SPICE through every way in: a QEMU with every device, spice-gtk as the client, and
 * bytes in both directions on each channel, seen at both ends.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keyColour } from "../../worker/dev/demo/boot-sector.ts";
import { bootCd } from "../harness/boot-cd.ts";
import { eventually } from "../harness/deadline.ts";
import {
  EVERY_CHANNEL_NAME,
  type EveryDevice,
  MONITOR_PORT_NAME,
  SECOND_SCREEN,
  SERIAL_PORT_NAME,
  startEveryDevice,
} from "../harness/every-device.ts";
import { comparePictures, pixelAt } from "../harness/ppm.ts";
import { makeSoftwareCard } from "../harness/smartcard.ts";
import { type SpiceGtkClient, startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import { TestStack } from "../harness/stack.ts";
import { type Entrance, openEntrance, WAYS_IN } from "../harness/ways-in.ts";

let stack: TestStack;

beforeAll(async () => {
  stack = await TestStack.start({ relayArguments: ["--workers", "2"] });
  await mkdir(stack.file("shared"), { recursive: true });
  await writeFile(stack.file("shared/greeting.txt"), "hello");
  await writeFile(stack.file("boot.iso"), bootCd(CD_COLOUR));
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe.each(WAYS_IN)("through %s", (way) => {
  let machine: EveryDevice;
  let entrance: Entrance;
  let client: SpiceGtkClient;

  beforeAll(async () => {
    machine = await startEveryDevice({ password: "for the relay alone" });
    const consoleId = await stack.createConsole(`every-channel-${way}`, {
      port: machine.qemu.port,
      password: "for the relay alone",
    });
    entrance = await openEntrance(stack, consoleId, way);
    client = await startSpiceGtkClient();
    await client.connect({
      ...entrance.options,
      audio: true,
      sharedFolder: stack.file("shared"),
      smartcard: await makeSoftwareCard(stack.file(`card-${way}`)),
    });
  });

  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await entrance?.[Symbol.asyncDispose]();
    await machine?.[Symbol.asyncDispose]();
  });

  it("every channel opens, and the audit trail has each once", async () => {
    await Promise.all(EVERY_CHANNEL_NAME.map((name) => client.waitForChannel(name)));
    const names = await eventually("every channel is in the audit trail", async () => {
      const opened = await channelEvents(entrance, "channel.opened");
      return opened.length < EVERY_CHANNEL_NAME.length ? null : opened.map(nameOf);
    });
    expect(names.toSorted()).toEqual([...EVERY_CHANNEL_NAME].toSorted());
  });

  it("inputs and display:0: a key changes the picture, and it is QEMU's own", async () => {
    await client.waitForChannel("inputs:0");
    await client.waitForChannel("display:0");
    const pressCount = await keyPressCount(machine);
    await client.sendKey(SCANCODE_A);
    await client.waitForPixel(PLACE, keyColour(SCANCODE_A, pressCount + 1));
    // The change comes in pieces, of which the pixel's is one.
    await eventually("the client's picture is QEMU's own", async () => {
      const shown = await client.picture(0, stack.file("display-0.ppm"));
      return comparePictures(shown, await machine.qemu.screendump()).count === 0 ? true : null;
    });
  });

  it("display:2: the second screen's picture is QEMU's own", async () => {
    const shown = await client.picture(2, stack.file("display-2.ppm"));
    const own = await machine.qemu.screendumpOf(SECOND_SCREEN);
    expect(comparePictures(shown, own).description).toBe("equal");
  });

  it("playback: what the guest plays is heard", async () => {
    await machine.sound.play();
    await client.waitForA("playback-sound");
  });

  it("record: what the client says is in the guest's memory", async () => {
    await machine.sound.record();
    await client.waitForA("record-start");
    await eventually("the sound is in the guest's memory", async () => {
      await client.speak(SOUND);
      return (await machine.sound.hasRecorded()) ? true : null;
    });
  });

  it("port: a monitor behind it answers", async () => {
    const channel = await client.waitForPort(MONITOR_PORT_NAME);
    await client.waitForPortText(channel, '"QMP"');
    await client.writeToPort(channel, Buffer.from('{"execute":"qmp_capabilities","id":1}'));
    await client.waitForPortText(channel, '"id": 1');
  });

  it("port: a serial line behind it reads and writes", async () => {
    const channel = await client.waitForPort(SERIAL_PORT_NAME);
    await client.writeToPort(channel, Buffer.from("to the guest"));
    expect(String(await machine.portLine.read(12))).toBe("to the guest");
    await machine.portLine.write(Buffer.from("to the client"));
    await client.waitForPortText(channel, "to the client");
  });

  it("main: the agent's messages pass both ways", async () => {
    const announced = await machine.agentLine.read(AGENT_CHUNK_HEADER_BYTES);
    expect(announced.readUInt32LE(0), "the client's port").toBe(1);
    await machine.agentLine.write(agentCapabilities(AGENT_CAPABILITIES));
    const agent = await client.waitForA("agent", (event) => event.capabilities !== 0);
    expect(agent).toMatchObject({ connected: true, capabilities: AGENT_CAPABILITIES });
  });

  it("webdav: the guest lists the folder that the client shares", async () => {
    await client.waitForChannel("webdav:0");
    await machine.webdavLine.write(webdavRequest("PROPFIND / HTTP/1.1\r\nHost: h\r\nDepth: 1"));
    const isWhole = (bytes: Buffer): boolean => bytes.includes("greeting.txt");
    const answer = await machine.webdavLine.readUntil(isWhole, "the listing");
    expect(String(answer)).toContain("HTTP/1.1 207 Multi-Status");
  });

  it("usbredir: the guest boots from a CD that the client shares", async () => {
    await Promise.all(["usbredir:0", "usbredir:1"].map((name) => client.waitForChannel(name)));
    await client.shareCd(stack.file("boot.iso"));
    await machine.qemu.execute("system_reset");
    await machine.qemu.waitForPixel(CD_COLOUR);
    await client.waitForPixel(PLACE, CD_COLOUR);
  });

  it("afterwards every channel has carried bytes in both directions", async () => {
    await client.disconnect();
    const session = await stack.sessionIn(entrance.ticket.sessionId, "ended");
    expect(session.endReason).toBe("client-closed");
    const closed = await channelEvents(entrance, "channel.closed");
    expect(closed.map(nameOf).toSorted()).toEqual([...EVERY_CHANNEL_NAME].toSorted());
    for (const event of closed) {
      expect(Number(event.data["clientBytes"]), nameOf(event)).toBeGreaterThan(0);
      expect(Number(event.data["serverBytes"]), nameOf(event)).toBeGreaterThan(0);
    }
    const card = closed.find((event) => nameOf(event) === "smartcard:0");
    expect(Number(card?.data["serverBytes"])).toBeGreaterThan(CARD_ANSWERS_BYTES);
  });
});

interface ChannelEvent {
  readonly data: Readonly<Record<string, unknown>>;
}

async function channelEvents(entrance: Entrance, type: string): Promise<ChannelEvent[]> {
  return await stack.audit({ sessionId: entrance.ticket.sessionId, type });
}

function nameOf(event: ChannelEvent): string {
  return `${String(event.data["channel"])}:${String(event.data["channelId"])}`;
}

/** How many keys the guest has counted, as its screen says. */
async function keyPressCount(machine: EveryDevice): Promise<number> {
  const colour = pixelAt(await machine.qemu.screendump(), PLACE.x, PLACE.y);
  const count = (colour >> 8) & 0xff;
  return colour === keyColour(colour >> 16, count) ? count : 0;
}

/** An agent's ANNOUNCE_CAPABILITIES in a chunk of its port (spice/vd_agent.h). */
function agentCapabilities(capabilities: number): Buffer {
  const message = Buffer.alloc(AGENT_CHUNK_HEADER_BYTES + 20 + 8);
  message.writeUInt32LE(1, 0);
  message.writeUInt32LE(message.length - AGENT_CHUNK_HEADER_BYTES, 4);
  message.writeUInt32LE(1, 8);
  message.writeUInt32LE(6, 12);
  message.writeUInt32LE(8, 24);
  message.writeUInt32LE(0, 28);
  message.writeUInt32LE(capabilities, 32);
  return message;
}

/** A request of the guest's web client, in the frame of spice-webdavd: client, size, bytes. */
function webdavRequest(head: string): Buffer {
  const text = Buffer.from(`${head}\r\nContent-Length: 0\r\n\r\n`);
  const frame = Buffer.alloc(10);
  frame.writeBigInt64LE(1n, 0);
  frame.writeUInt16LE(text.length, 8);
  return Buffer.concat([frame, text]);
}

const CD_COLOUR = 0x123456;
const SCANCODE_A = 0x1e;
const PLACE = { x: 300, y: 200 };
const AGENT_CHUNK_HEADER_BYTES = 8;
/** VD_AGENT_CAP_MOUSE_STATE, MONITORS_CONFIG and REPLY: a guest with a plain agent. */
const AGENT_CAPABILITIES = 0b111;
/**
 * What the server answers when a reader and its card are announced: two of VSC_Error, with headers
 * (libcacard, vscard_common.h). Without a card it sends less than that in all.
 */
const CARD_ANSWERS_BYTES = 2 * (6 + 12 + 4);
/** A tenth of a second of 48 kHz stereo, 400 Hz, loud. */
const SOUND = Buffer.from(
  Int16Array.from({ length: 9_600 }, (_, sample) => ((sample >> 1) % 120 < 60 ? 8_000 : -8_000))
    .buffer,
);
