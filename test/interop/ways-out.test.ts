/** How the relay reaches a hypervisor: addresses, names, proxies, and what it must refuse. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCa, type ServerCertificate, type TestCa } from "../harness/certificates.ts";
import { comparePictures } from "../harness/ppm.ts";
import { startTestQemu, type TestQemu } from "../harness/qemu.ts";
import { startFakeProxy } from "../harness/relay/fake-http-proxy.ts";
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
    dnsNames: ["hv1.example.test"],
    ipAddresses: [],
    keyType: "rsa2048",
  });
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("a hypervisor's address", () => {
  it("may be of IPv6", async () => {
    await using qemu = await startTestQemu({ spiceOptions: ["addr=::1"] });
    await expectSamePicture(qemu, { host: "::1", port: qemu.port });
  });

  it("may be a name of which only the IPv4 address serves", async () => {
    await using qemu = await startTestQemu();
    await expectSamePicture(qemu, { host: "localhost", port: qemu.port });
  });
});

describe("a hypervisor behind an HTTP proxy", () => {
  it("is asked for by name, and TLS goes through to it", async () => {
    await using qemu = await startTestQemu({ port: null, x509Dir: certificate.folder });
    await using proxy = await startFakeProxy({ port: qemu.tlsPort });
    await expectSamePicture(qemu, {
      host: "hv1.example.test",
      tlsPort: qemu.tlsPort,
      ca: ca.certificatePem,
      proxy: `http://127.0.0.1:${proxy.port}`,
    });
    expect(proxy.heads.length).toBeGreaterThanOrEqual(2);
    for (const head of proxy.heads) {
      expect(head).toMatch(new RegExp(`^CONNECT hv1\\.example\\.test:${qemu.tlsPort} HTTP/1\\.`));
    }
  });

  it("is out of reach when the proxy says no, and nothing goes around it", async () => {
    await using qemu = await startTestQemu();
    await using proxy = await startFakeProxy({
      answer: "HTTP/1.0 503 Service Unavailable\r\n\r\n",
      port: null,
      closes: true,
    });
    const target = { port: qemu.port, proxy: `http://127.0.0.1:${proxy.port}` };
    expect(await refusalOf(target)).toMatchObject({ code: "server.proxy-refused" });
    expect((await qemu.querySpice()).channels).toEqual([]);
  });
});

describe("a hypervisor that must be refused", () => {
  it("asks for SASL", async () => {
    await using qemu = await startTestQemu({ spiceOptions: ["sasl=on"] });
    const refusal = await refusalOf({ port: qemu.port });
    expect(refusal).toMatchObject({ code: "server.sasl-required" });
  });

  it("fails at TLS: its plain port is never tried", async () => {
    let plainCount = 0;
    const plain = createServer((socket) => {
      plainCount += 1;
      socket.destroy();
    });
    plain.listen(0, "127.0.0.1");
    await once(plain, "listening");
    await using qemu = await startTestQemu({ port: null, x509Dir: certificate.folder });
    const refusal = await refusalOf({
      port: (plain.address() as AddressInfo).port,
      tlsPort: qemu.tlsPort,
      ca: (await makeCa("Strangers")).certificatePem,
      hostSubject: certificate.hostSubject,
    });
    plain.close();
    expect(refusal).toMatchObject({ code: "server.tls-failed" });
    expect(plainCount).toBe(0);
  });
});

let consoles = 0;

async function screenshotOf(target: ConsoleTarget) {
  consoles += 1;
  const consoleId = await stack.createConsole(`way-out-${consoles}`, target);
  const ticket = await stack.requestTicket(consoleId);
  const shot = await takeSpicyScreenshot({
    tlsPort: stack.relayPort,
    password: await stack.ticketText(ticket),
    caFile: stack.caFile,
  });
  return { ticket, shot };
}

async function expectSamePicture(qemu: TestQemu, target: ConsoleTarget): Promise<void> {
  await qemu.waitForGraphics();
  const { shot } = await screenshotOf(target);
  if (!shot.ok) {
    throw new Error(`spicy-screenshot failed: ${JSON.stringify(shot.error)} ${stack.relay.output}`);
  }
  const difference = comparePictures(shot.value.picture, await qemu.screendump());
  expect(difference.description).toBe("equal");
}

/** What the audit trail has of the refusal. */
async function refusalOf(target: ConsoleTarget): Promise<Readonly<Record<string, unknown>>> {
  const { ticket, shot } = await screenshotOf(target);
  expect(shot.ok).toBe(false);
  const session = await stack.sessionIn(ticket.sessionId, "ended");
  expect(session.endReason).toBe("failed");
  const filter = { sessionId: ticket.sessionId, type: "channel.refused" };
  return (await stack.auditEvent(filter)).data;
}
