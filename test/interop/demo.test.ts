/**
 * The demo consoles and the test harness against real parts, without a relay: QEMU with the boot
 * sector, the test card, spicy-screenshot, spice-gtk and remote-viewer.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { IDLE_COLOUR, keyColour } from "../../worker/dev/demo/boot-sector.ts";
import { type Picture as CardPicture, WHOLE } from "../../worker/dev/demo/test-card/picture.ts";
import { startTestCard, type TestCard } from "../../worker/dev/demo/test-card/test-card.ts";
import { makeServerCertificate } from "../harness/certificates.ts";
import { eventually } from "../harness/deadline.ts";
import { comparePictures, type Picture } from "../harness/ppm.ts";
import { EVERY_CHANNEL, startTestQemu } from "../harness/qemu.ts";
import { type RemoteViewer, startRemoteViewer } from "../harness/remote-viewer.ts";
import { startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import { takeSpicyScreenshot } from "../harness/spicy.ts";
import { makeTempFolder } from "../harness/temp-folder.ts";

describe("QEMU with the boot sector", { timeout: 60_000 }, () => {
  it("shows spicy-screenshot what it shows itself, pixel for pixel, before and after a key", async () => {
    await using qemu = await startTestQemu({ password: PASSWORD });
    await qemu.waitForGuest();
    const { port } = qemu;
    const before = await takeSpicyScreenshot({ port, password: PASSWORD });
    expectEqual(before.ok ? before.value.picture : null, await qemu.screendump());
    await qemu.sendKey("a");
    await qemu.waitForPixel(keyColour(KEY_A, 1));
    const after = await takeSpicyScreenshot({ port, password: PASSWORD });
    expectEqual(after.ok ? after.value.picture : null, await qemu.screendump());
  });

  it("paints each key of a client in its colour and counts them", async () => {
    await using qemu = await startTestQemu();
    await qemu.waitForGuest();
    await using client = await startSpiceGtkClient();
    await client.connect({ host: qemu.host, port: qemu.port });
    await client.waitForChannel("inputs:0");
    await client.waitForPixel(PLACE, IDLE_COLOUR);
    for (const [index, scancode] of [KEY_A, KEY_B, KEY_A].entries()) {
      await client.sendKey(scancode);
      await client.waitForPixel(PLACE, keyColour(scancode, index + 1));
    }
  });

  it("refuses a wrong, a missing and an expired password as the protocol says", async () => {
    await using qemu = await startTestQemu({ password: PASSWORD });
    const { port } = qemu;
    const wrong = await takeSpicyScreenshot({ port, password: "wrong" });
    expect(wrong).toMatchObject({ ok: false, error: { event: "error-auth" } });
    const missing = await takeSpicyScreenshot({ port });
    expect(missing).toMatchObject({ ok: false, error: { event: "error-auth" } });
    await qemu.setPassword("another");
    expect(await takeSpicyScreenshot({ port, password: "another" })).toMatchObject({ ok: true });
    await qemu.expirePassword("now");
    const expired = await takeSpicyScreenshot({ port, password: "another" });
    expect(expired).toMatchObject({ ok: false, error: { event: "error-auth" } });
  });

  it("keeps its password off the command line and off the disk, and listens on loopback alone", async () => {
    await using qemu = await startTestQemu({ password: PASSWORD });
    const commandLine = await readFile(`/proc/${qemu.pid}/cmdline`, "utf8");
    expect(commandLine).not.toContain(PASSWORD);
    const passwordFile = /secret,id=ticket,file=([^\0]+)/.exec(commandLine)?.[1] ?? "";
    expect(passwordFile).toContain("spice-password");
    expect(existsSync(passwordFile)).toBe(false);
    expect(existsSync(dirname(passwordFile))).toBe(true);
    expect(commandLine).toContain("addr=127.0.0.1");
  });

  it("says why when it cannot start", async () => {
    await using first = await startTestQemu();
    await expect(startTestQemu({ port: first.port })).rejects.toThrow(
      /QEMU did not start: .*spice/is,
    );
    await using folder = await makeTempFolder();
    const noCertificate = startTestQemu({ x509Dir: folder.path });
    await expect(noCertificate).rejects.toThrow("QEMU did not start");
  });

  it("tells a client of a host where nothing listens that it cannot connect", async () => {
    const refused = await takeSpicyScreenshot({ port: 1, password: PASSWORD });
    expect(refused).toMatchObject({ ok: false, error: { event: "error-connect" } });
  });

  it.each(["p256", "rsa2048"] as const)(
    "serves TLS alone to who trusts its CA (%s)",
    async (keyType) => {
      await using folder = await makeTempFolder();
      const { caFile } = await makeServerCertificate(folder.path, { keyType });
      await using qemu = await startTestQemu({ x509Dir: folder.path, port: null });
      await qemu.waitForGuest();
      const { tlsPort } = qemu;
      const trusted = await takeSpicyScreenshot({ tlsPort, caFile });
      expectEqual(trusted.ok ? trusted.value.picture : null, await qemu.screendump());
      const untrusted = await takeSpicyScreenshot({ tlsPort });
      expect(untrusted).toMatchObject({ ok: false, error: { event: "error-tls" } });
      expect(() => qemu.port).toThrow("no plain port");
    },
  );

  it("is checked by its certificate's subject when the client is told one", async () => {
    await using folder = await makeTempFolder();
    const subject = [
      ["C", "AU"],
      ["O", "Example"],
      ["CN", "hv1.example.test"],
    ] as const;
    const certificate = await makeServerCertificate(folder.path, { subject, dnsNames: [] });
    await using qemu = await startTestQemu({ x509Dir: folder.path, port: null });
    const { tlsPort } = qemu;
    const { caFile, hostSubject } = certificate;
    await using right = await startSpiceGtkClient();
    await right.connect({ host: "127.0.0.1", tlsPort, caFile, subject: hostSubject });
    await right.waitForChannel("main:0");
    await using wrong = await startSpiceGtkClient();
    await wrong.connect({ host: "127.0.0.1", tlsPort, caFile, subject: "CN=another" });
    await wrong.waitForChannel("main:0", ["error-tls"]);
  });

  it("lets a client open a further channel of a living session, and close one", async () => {
    await using qemu = await startTestQemu({ extraArguments: EVERY_CHANNEL });
    await using client = await startSpiceGtkClient();
    await client.connect({
      host: qemu.host,
      port: qemu.port,
      deferredChannels: ["cursor:0"],
      audio: true,
    });
    const prompt = ["main:0", "display:0", "inputs:0", "playback:0", "record:0", "port:0"];
    const vmc = ["webdav:0", "usbredir:0", "usbredir:1"];
    await Promise.all([...prompt, ...vmc].map((name) => client.waitForChannel(name)));
    expect(channelState(await client.list(), "cursor:0")).toBe("none");
    expect((await qemu.querySpice()).channels).toHaveLength(9);
    await client.open("cursor:0");
    await client.waitForChannel("cursor:0");
    expect((await qemu.querySpice()).channels).toHaveLength(10);
    await client.close("cursor:0");
    await client.waitForChannel("cursor:0", ["closed"]);
    expect(channelState(await client.list(), "main:0")).toBe("opened");
  });

  it("throws its client out when told so", async () => {
    await using qemu = await startTestQemu({ password: PASSWORD });
    await using client = await startSpiceGtkClient();
    await client.connect({ host: qemu.host, port: qemu.port, password: PASSWORD });
    await client.waitForChannel("main:0");
    await qemu.setPassword("another", "disconnect");
    await client.waitForChannel("main:0", ["closed"]);
  });

  it("shows in remote-viewer, takes its keys, and sees it leave", async () => {
    await using qemu = await startTestQemu({ password: PASSWORD });
    await qemu.waitForGuest();
    await using folder = await makeTempFolder();
    const vvFile = folder.file("console.vv");
    await writeVv(vvFile, qemu.port);
    await using viewer = await startRemoteViewer(vvFile);
    await expectKeyShown(viewer);
    expect(await viewer.close()).toEqual({ code: 0, signal: null });
    await eventually("QEMU has no client", async () =>
      (await qemu.querySpice()).channels.length === 0 ? true : null,
    );
  });

  it("runs several times at once", async () => {
    await using first = await startTestQemu();
    await using second = await startTestQemu();
    await Promise.all([first.waitForGuest(), second.waitForGuest()]);
    await first.sendKey("b");
    await first.waitForPixel(keyColour(KEY_B, 1));
    await second.waitForPixel(IDLE_COLOUR);
  });
});

describe("test card", { timeout: 60_000 }, () => {
  it("shows spicy-screenshot its picture, pixel for pixel, before and after a key", async () => {
    await using card = await testCard();
    const { port } = card.console;
    const before = await takeSpicyScreenshot({ port, password: PASSWORD });
    expectEqual(before.ok ? before.value.picture : null, asPicture(card.console.picture));
    card.console.picture.press(KEY_A);
    const after = await takeSpicyScreenshot({ port, password: PASSWORD });
    expectEqual(after.ok ? after.value.picture : null, asPicture(card.console.picture));
  });

  it("paints each key of a client as the boot sector does", async () => {
    await using card = await testCard();
    await using client = await startSpiceGtkClient();
    await client.connect({ host: "127.0.0.1", port: card.console.port, password: PASSWORD });
    await client.waitForChannel("inputs:0");
    await client.waitForPixel(PLACE, IDLE_COLOUR);
    for (const [index, scancode] of [KEY_A, KEY_B, KEY_A].entries()) {
      await client.sendKey(scancode);
      await client.waitForPixel(PLACE, keyColour(scancode, index + 1));
    }
    expect(client.warnings).toBe("");
  });

  it("refuses a wrong password as the protocol says", async () => {
    await using card = await testCard();
    const refused = await takeSpicyScreenshot({ port: card.console.port, password: "wrong" });
    expect(refused).toMatchObject({ ok: false, error: { event: "error-auth" } });
  });

  it("shows in remote-viewer and takes its keys", async () => {
    await using card = await testCard();
    await using folder = await makeTempFolder();
    const vvFile = folder.file("console.vv");
    await writeVv(vvFile, card.console.port);
    await using viewer = await startRemoteViewer(vvFile);
    await expectKeyShown(viewer);
    expect(await viewer.close()).toEqual({ code: 0, signal: null });
  });
});

async function testCard(): Promise<AsyncDisposable & { readonly console: TestCard }> {
  const started = await startTestCard(PASSWORD);
  if (!started.ok) {
    throw new Error(started.error);
  }
  return { console: started.value, [Symbol.asyncDispose]: () => started.value.stop() };
}

async function expectKeyShown(viewer: RemoteViewer): Promise<void> {
  await viewer.waitForGuestPixel(PLACE, IDLE_COLOUR);
  await viewer.typeKey("c");
  await viewer.waitForGuestPixel(PLACE, keyColour(KEY_C, 1));
}

function expectEqual(shown: Picture | null, expected: Picture): void {
  expect(shown).not.toBe(null);
  if (shown !== null) {
    expect(comparePictures(shown, expected)).toEqual({ count: 0, description: "equal" });
  }
}

function asPicture(card: CardPicture): Picture {
  const pixels = card.copy(WHOLE);
  const bytes = new Uint8Array((pixels.length / 4) * 3);
  for (let index = 0; index < pixels.length / 4; index += 1) {
    const [blue = 0, green = 0, red = 0] = pixels.subarray(index * 4, index * 4 + 3);
    bytes.set([red, green, blue], index * 3);
  }
  return { width: card.width, height: card.height, bytes };
}

function channelState(
  channels: readonly { readonly channel: string; readonly state: string }[],
  name: string,
): string | undefined {
  return channels.find(({ channel }) => channel === name)?.state;
}

async function writeVv(file: string, port: number): Promise<void> {
  const lines = ["[virt-viewer]", "type=spice", "host=127.0.0.1", `port=${port}`];
  await writeFile(file, [...lines, `password=${PASSWORD}`, "title=A console", ""].join("\n"));
}

const PASSWORD = "correct horse";
/** A pixel that shows the last key on the boot sector's screen and on the test card. */
const PLACE = { x: 300, y: 200 };
/** Set-1 make codes. */
const KEY_A = 0x1e;
const KEY_B = 0x30;
const KEY_C = 0x2e;
