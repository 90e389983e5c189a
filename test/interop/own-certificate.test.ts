/** A relay that shows its operator's certificate: its console files open in a stock client. */
import { copyFile, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import { askRelay } from "../../relay/operator/operator-client.ts";
import { IDLE_COLOUR } from "../../worker/dev/demo/boot-sector.ts";
import { eventually } from "../harness/deadline.ts";
import { makeCa, type ServerCertificate, type TestCa } from "../harness/certificates.ts";
import { startTestQemu, type TestQemu } from "../harness/qemu.ts";
import { startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import { TestStack } from "../harness/stack.ts";
import { makeTempFolder, type TempFolder } from "../harness/temp-folder.ts";

let folder: TempFolder;
let ca: TestCa;
let certificate: ServerCertificate;
let qemu: TestQemu;

beforeAll(async () => {
  folder = await makeTempFolder();
  ca = await makeCa("Operator's authority");
  certificate = await ca.issue(folder.file("shown"), {
    subject: [
      ["C", "AU"],
      ["O", "Consoles, Ltd & Sons"],
      ["CN", "Ångström relay"],
    ],
    dnsNames: ["relay.example.test"],
    ipAddresses: ["127.0.0.1"],
    keyType: "rsa2048",
  });
  qemu = await startTestQemu({ password: "for the relay alone" });
  await qemu.waitForGuest();
});

afterAll(async () => {
  await qemu?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const flags = (...more: string[]): string[] => [
  ...["--certificate", certificate.certificateFile, "--certificate-key", certificate.keyFile],
  ...more,
];

/** Asks for a console file, opens it, and waits for the guest's picture. */
async function expectOpens(stack: TestStack, environment: Readonly<Record<string, string>> = {}) {
  const target = { port: qemu.port, password: "for the relay alone" };
  const consoleId = await stack.createConsole(`own-${Date.now()}`, target);
  const ticket = await stack.requestTicket(consoleId);
  const vvFile = await stack.downloadVv(ticket);
  const vv = parseVvFile(await readFile(vvFile, "utf8"));
  await using client = await startSpiceGtkClient(environment);
  await client.connect({ vvFile });
  await client.waitForChannel("display:0");
  await client.waitForPixel({ x: 300, y: 200 }, IDLE_COLOUR);
  await client.disconnect();
  return vv.ok ? { ...vv.value, text: await readFile(vvFile, "utf8") } : null;
}

async function certificateOf(stack: TestStack) {
  const status = await askRelay(stack.state.relayFolder, { method: "GET", path: "/status" });
  return status.ok ? status.value.certificate : null;
}

describe("an operator's certificate of his own authority", () => {
  it("opens: the file names the authority and the subject, odd characters and all", async () => {
    const given = flags("--certificate-ca", certificate.caFile);
    await using stack = await TestStack.start({ relayArguments: given });
    const vv = await expectOpens(stack);
    expect(vv?.ca).toBe(await readFile(certificate.caFile, "utf8"));
    expect(vv?.hostSubject).toBe(certificate.hostSubject);
    expect(await certificateOf(stack)).toMatchObject({ kind: "own", problem: null });
    const reported = await stack.auditEvent({
      relayId: stack.relayId,
      type: "relay.certificate-reported",
    });
    expect(reported.data["subject"]).toBe(certificate.hostSubject);
  });

  it("opens after the operator has replaced it, under another subject and authority", async () => {
    const given = flags("--certificate-ca", certificate.caFile);
    await using stack = await TestStack.start({ relayArguments: given });
    const other = await (
      await makeCa("Another")
    ).issue(folder.file("other"), {
      subject: [["CN", "replaced"]],
    });
    for (const [from, to] of [
      [other.caFile, certificate.caFile],
      [other.keyFile, certificate.keyFile],
      [other.certificateFile, certificate.certificateFile],
    ] as const) {
      await copyFile(from, to);
    }
    // A new link is one of the moments at which the files are looked at.
    await stack.control.stop();
    await stack.control.start();
    await eventually(
      "the relay is back",
      async () => ((await stack.relayState()) === "online" ? true : null),
      { timeoutMs: 30_000 },
    );
    await stack.auditEvent(
      { relayId: stack.relayId, type: "relay.certificate-reported" },
      ({ data }) => data["subject"] === "CN=replaced",
    );
    const vv = await expectOpens(stack);
    expect(vv?.hostSubject).toBe("CN=replaced");
  });
});

describe("an operator's certificate of an authority that clients trust", () => {
  it("opens without an authority in the file", async () => {
    const given = flags("--certificate-ca", "public");
    await using stack = await TestStack.start({ relayArguments: given });
    const vv = await expectOpens(stack, { SSL_CERT_FILE: certificate.caFile });
    expect(vv?.text).not.toMatch(/^ca=/m);
    expect(vv?.hostSubject).not.toBe("");
  });
});
