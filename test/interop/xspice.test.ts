/** Xspice behind the relay: a server that is no hypervisor, plain and TLS, picture and keys. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCa } from "../harness/certificates.ts";
import { startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import { takeSpicyScreenshot } from "../harness/spicy.ts";
import { pixelAt } from "../harness/ppm.ts";
import type { ConsoleTarget } from "../harness/control-client.ts";
import { TestStack } from "../harness/stack.ts";
import { openEntrance, WAYS_IN } from "../harness/ways-in.ts";
import { startXspice, XSPICE_IDLE_COLOUR, xspiceKeyColour } from "../harness/xspice.ts";

let stack: TestStack;

beforeAll(async () => {
  stack = await TestStack.start();
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("Xspice behind the relay", () => {
  it.each(WAYS_IN)("shows its screen and takes keys through %s", async (way) => {
    await using server = await startXspice({ password: PASSWORD });
    const target = { port: server.port, password: PASSWORD };
    const consoleId = await stack.createConsole(`xspice-${way}`, target);
    await using entrance = await openEntrance(stack, consoleId, way);
    await using client = await startSpiceGtkClient();
    await client.connect(entrance.options);
    await client.waitForChannel("inputs:0");
    await client.waitForPixel(PLACE, XSPICE_IDLE_COLOUR);
    for (const [index, scancode] of KEYS.entries()) {
      await client.sendKey(scancode);
      await client.waitForPixel(PLACE, xspiceKeyColour(scancode, index + 1));
    }
    await client.disconnect();
    const session = await stack.sessionIn(entrance.ticket.sessionId, "ended");
    expect(session.endReason).toBe("client-closed");
    const closed = await stack.audit({ sessionId: session.id, type: "channel.closed" });
    const names = closed.map((event) => String(event.data["channel"]));
    expect(names.toSorted()).toEqual(["cursor", "display", "inputs", "main"]);
  });

  it("is reached by TLS with its subject checked", async () => {
    const ca = await makeCa("Displays");
    const certificate = await ca.issue(stack.file("xspice"), { keyType: "rsa2048" });
    await using server = await startXspice({ password: PASSWORD, x509Dir: certificate.folder });
    await expectScreen({
      tlsPort: server.port,
      password: PASSWORD,
      ca: ca.certificatePem,
      hostSubject: certificate.hostSubject,
    });
  });
});

async function expectScreen(target: ConsoleTarget): Promise<void> {
  const ticket = await stack.requestTicket(await stack.createConsole("xspice-tls", target));
  const shot = await takeSpicyScreenshot({
    tlsPort: stack.relayPort,
    password: await stack.ticketText(ticket),
    caFile: stack.caFile,
  });
  expect(shot).toMatchObject({ ok: true });
  const { picture } = shot.ok ? shot.value : { picture: null };
  expect(picture === null ? null : pixelAt(picture, PLACE.x, PLACE.y)).toBe(XSPICE_IDLE_COLOUR);
}

const PASSWORD = "for the relay alone";
const PLACE = { x: 300, y: 200 };
/** A, B and A again. */
const KEYS = [0x1e, 0x30, 0x1e];
