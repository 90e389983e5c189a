/** The picture that a stock client gets through the relay is QEMU's own, pixel for pixel. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCa, type ServerCertificate, type TestCa } from "../harness/certificates.ts";
import { comparePictures } from "../harness/ppm.ts";
import { startTestQemu, type TestQemu } from "../harness/qemu.ts";
import { takeSpicyScreenshot } from "../harness/spicy.ts";
import type { ConsoleTarget } from "../harness/control-client.ts";
import { TestStack } from "../harness/stack.ts";

let stack: TestStack;
let ca: TestCa;
let certificate: ServerCertificate;

beforeAll(async () => {
  stack = await TestStack.start();
  ca = await makeCa("Hypervisors");
  certificate = await ca.issue(stack.file("hypervisor"), {
    subject: [
      ["C", "AU"],
      ["O", "Spice, Lab"],
      ["CN", "hv1.example.test"],
    ],
    dnsNames: ["hv1.example.test"],
    ipAddresses: [],
    keyType: "rsa2048",
  });
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("spicy-screenshot through the relay", () => {
  it("equals QEMU's screendump, from a plain server without a password", async () => {
    await using qemu = await startTestQemu();
    await expectSamePicture(qemu, { port: qemu.port });
  });

  it("equals QEMU's screendump, from a plain server with a password", async () => {
    await using qemu = await startTestQemu({ password: "secret one" });
    await expectSamePicture(qemu, { port: qemu.port, password: "secret one" });
  });

  it("equals QEMU's screendump, from a server that accepts only TLS", async () => {
    await using qemu = await startTlsQemu();
    await expectSamePicture(qemu, {
      tlsPort: qemu.tlsPort,
      password: "secret two",
      ca: ca.certificatePem,
      hostSubject: certificate.hostSubject,
    });
  });

  it("shows the guest after a key", async () => {
    await using qemu = await startTestQemu();
    await qemu.waitForGuest();
    await qemu.sendKey("a");
    await qemu.waitForPixel(0x1e01fe);
    await expectSamePicture(qemu, { port: qemu.port });
  });
});

describe("a hypervisor that is not who it should be", () => {
  it("is refused when its certificate has another subject", async () => {
    await using qemu = await startTlsQemu();
    const failure = await expectRefused({
      tlsPort: qemu.tlsPort,
      password: "secret two",
      ca: ca.certificatePem,
      hostSubject: "C=AU,O=Spice\\, Lab,CN=hv2.example.test",
    });
    expect(failure).toBe("server.subject-mismatch");
  });

  it("is refused when another authority signed its certificate", async () => {
    await using qemu = await startTlsQemu();
    const failure = await expectRefused({
      tlsPort: qemu.tlsPort,
      password: "secret two",
      ca: (await makeCa("Strangers")).certificatePem,
      hostSubject: certificate.hostSubject,
    });
    expect(failure).toBe("server.tls-failed");
  });

  it("is refused when no subject is given and its name is another", async () => {
    await using qemu = await startTlsQemu();
    const failure = await expectRefused({
      tlsPort: qemu.tlsPort,
      password: "secret two",
      ca: ca.certificatePem,
    });
    expect(failure).toBe("server.tls-failed");
  });

  it("is reported when it refuses the console's password", async () => {
    await using qemu = await startTestQemu({ password: "right" });
    expect(await expectRefused({ port: qemu.port, password: "wrong" })).toBe(
      "server.ticket-refused",
    );
  });
});

function startTlsQemu(): Promise<TestQemu> {
  return startTestQemu({ port: null, x509Dir: certificate.folder, password: "secret two" });
}

let consoles = 0;

async function screenshotOf(target: ConsoleTarget) {
  consoles += 1;
  const consoleId = await stack.createConsole(`picture-${consoles}`, target);
  const ticket = await stack.requestTicket(consoleId);
  const result = await takeSpicyScreenshot({
    host: "127.0.0.1",
    tlsPort: stack.relayPort,
    password: await stack.ticketText(ticket),
    caFile: stack.caFile,
  });
  return { ticket, result };
}

async function expectSamePicture(qemu: TestQemu, target: ConsoleTarget): Promise<void> {
  await qemu.waitForGraphics();
  const { ticket, result } = await screenshotOf(target);
  if (!result.ok) {
    throw new Error(
      `spicy-screenshot failed: ${JSON.stringify(result.error)} ${stack.relay.output}`,
    );
  }
  const difference = comparePictures(result.value.picture, await qemu.screendump());
  expect(difference.description).toBe("equal");
  const session = await stack.sessionIn(ticket.sessionId, "ended");
  expect(session.serverBytes).toBeGreaterThan(10_000);
}

/** The code that the session gives for the refusal. */
async function expectRefused(target: ConsoleTarget): Promise<unknown> {
  const { ticket, result } = await screenshotOf(target);
  expect(result.ok).toBe(false);
  const session = await stack.sessionIn(ticket.sessionId, "ended");
  expect(session.endReason).toBe("failed");
  const refused = await stack.auditEvent({
    sessionId: ticket.sessionId,
    type: "channel.refused",
  });
  return refused.data["code"];
}
