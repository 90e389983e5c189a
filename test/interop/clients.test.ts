/** Windows of stock clients through the relay's ways in: what is seen, and that keys arrive. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IDLE_COLOUR, keyColour } from "../../worker/dev/demo/boot-sector.ts";
import { comparePictures } from "../harness/ppm.ts";
import { startTestQemu } from "../harness/qemu.ts";
import { RecordingHop } from "../harness/recording-hop.ts";
import { startRemoteViewer } from "../harness/remote-viewer.ts";
import { startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import { startSpicy, takeSpicyScreenshot } from "../harness/spicy.ts";
import { TestStack } from "../harness/stack.ts";
import { openEntrance } from "../harness/ways-in.ts";

let stack: TestStack;

beforeAll(async () => {
  stack = await TestStack.start();
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("spicy", () => {
  it("shows the guest through TLS, and its keys arrive", async () => {
    await using qemu = await startTestQemu();
    await qemu.waitForGuest();
    await using entrance = await enter(qemu.port);
    await using spicy = await startSpicy({
      tlsPort: entrance.vv.tlsPort,
      password: entrance.vv.password,
      caFile: stack.caFile,
      subject: entrance.vv.hostSubject,
    });
    await spicy.display.waitForPixel(SPICY_PLACE, IDLE_COLOUR);
    await stack.auditEvent(
      { sessionId: entrance.ticket.sessionId, type: "channel.opened" },
      (event) => event.data["channel"] === "inputs",
    );
    await spicy.display.click(SPICY_PLACE);
    await spicy.display.typeKey("c");
    await spicy.display.waitForPixel(SPICY_PLACE, keyColour(SCANCODE_C, 1));
    await spicy.close();
    const session = await stack.sessionIn(entrance.ticket.sessionId, "ended");
    expect(session.endReason).toBe("client-closed");
  });
});

describe("remote-viewer", () => {
  it("opens a console file that goes through the CONNECT port, and its keys arrive", async () => {
    await using qemu = await startTestQemu();
    await using entrance = await enter(qemu.port, "connect");
    const vvFile = entrance.options.vvFile ?? "";
    expect(entrance.vv.proxy).toContain("http://127.0.0.1:");
    await using viewer = await startRemoteViewer(vvFile);
    await viewer.waitForGuestPixel(PLACE, IDLE_COLOUR);
    await stack.auditEvent(
      { sessionId: entrance.ticket.sessionId, type: "channel.opened" },
      (event) => event.data["channel"] === "inputs",
    );
    await viewer.typeKey("c");
    await viewer.waitForGuestPixel(PLACE, keyColour(SCANCODE_C, 1));
    await viewer.close();
    const session = await stack.sessionIn(entrance.ticket.sessionId, "ended");
    expect(session.endReason).toBe("client-closed");
  });
});

describe("a client that was given the plain port too", () => {
  it("is sent to TLS with every channel", async () => {
    await using qemu = await startTestQemu();
    await using entrance = await enter(qemu.port);
    await using hop = await new RecordingHop({ host: "127.0.0.1", port: stack.plainPort }).listen();
    await using client = await startSpiceGtkClient();
    // Not by the console file: that one says that every channel must be secured from the start.
    const { tlsPort, password, hostSubject } = entrance.vv;
    await client.connect({
      ...{ host: "127.0.0.1", port: hop.port, tlsPort, password },
      ...{ caFile: stack.caFile, subject: hostSubject },
    });
    const channels = ["main:0", "display:0", "inputs:0", "cursor:0"];
    await Promise.all(channels.map((name) => client.waitForChannel(name)));
    for (const channel of await client.list()) {
      expect(channel.remotePort, channel.channel).toBe(stack.relayPort);
    }
    const answers = hop.links().map((link) => [link.channel, link.answer]);
    expect(answers).toContainEqual(["main:0", "NEED_SECURED"]);
    expect(answers.every(([, answer]) => answer === "NEED_SECURED")).toBe(true);
  });

  it("gets its picture by TLS", async () => {
    await using qemu = await startTestQemu();
    await qemu.waitForGuest();
    await using entrance = await enter(qemu.port);
    const shot = await takeSpicyScreenshot({
      port: stack.plainPort,
      tlsPort: entrance.vv.tlsPort,
      password: entrance.vv.password,
      caFile: stack.caFile,
    });
    if (!shot.ok) {
      throw new Error(JSON.stringify(shot.error));
    }
    const difference = comparePictures(shot.value.picture, await qemu.screendump());
    expect(difference.description).toBe("equal");
  });

  it("gets nothing when it knows the plain port alone, and its ticket is not used up", async () => {
    await using qemu = await startTestQemu();
    await using entrance = await enter(qemu.port);
    const { password } = entrance.vv;
    const plain = await takeSpicyScreenshot({ port: stack.plainPort, password });
    expect(plain).toMatchObject({ ok: false, error: { event: "error-connect" } });
    const { tlsPort } = entrance.vv;
    const shot = await takeSpicyScreenshot({ tlsPort, password, caFile: stack.caFile });
    expect(shot).toMatchObject({ ok: true });
  });
});

let consoles = 0;

async function enter(port: number, way: "tls" | "connect" = "tls") {
  consoles += 1;
  return await openEntrance(stack, await stack.createConsole(`client-${consoles}`, { port }), way);
}

const SCANCODE_C = 0x2e;
const PLACE = { x: 300, y: 200 };
/** In the middle of the guest's picture, wherever spicy's menus end. */
const SPICY_PLACE = { x: 300, y: 300 };
