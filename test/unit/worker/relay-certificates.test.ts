/** The certificates that relays show: renewed when they ask, named in console files as they are. */
import "reflect-metadata";
import { X509Certificate } from "node:crypto";
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import { generateSecrets } from "../../../worker/dev/secrets.ts";
import { relays } from "../../../worker/repositories/schema/relays.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import { judgeOwnCertificate } from "../../../worker/services/own-certificate.ts";
import {
  noteShownCertificate,
  RENEWAL_WINDOW_MS,
  RENEWALS_MAX,
  renewRelayCertificate,
  warnOfEndingCertificates,
} from "../../../worker/services/relay-certificates.ts";
import { viewRelayKeys } from "../../../worker/services/relay-keys-view.ts";
import { welcomeRelay } from "../../../worker/services/relay-presence.ts";
import { type ControlServices, startControlServices } from "../../harness/control-services.ts";
import { makeOwnCertificate } from "./own-certificate-fixture.ts";
import { makeCsr } from "./relay-keys-fixture.ts";
import { anonymous, holdConsole, issue, tokenOf } from "./tickets-fixture.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";

const HELLO = { build: "test", channelsMax: 1, draining: false, enforces: [] };

async function audits(services: ControlServices, relayId: string, type: string) {
  const page = { relayId, type };
  const records = await recordedEvents(services.context, page);
  return records.map(({ event }) => event.data);
}

async function renew(services: ControlServices, relayId: string) {
  const renewed = await renewRelayCertificate(services.context, relayId, await makeCsr());
  if (!renewed.ok || renewed.value.kind !== "certificate") {
    throw new Error(renewed.ok ? renewed.value.kind : renewed.error.code);
  }
  return renewed.value;
}

async function welcomeOf(...asked: Parameters<typeof welcomeRelay>) {
  const welcome = await welcomeRelay(...asked);
  if (!welcome.ok) {
    throw new Error(welcome.error);
  }
  return welcome.value;
}

describe("a renewed certificate", () => {
  it("is of the same authority and subject, names the present address, and is stored", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    const { database, settings } = services.context;
    await database.update(relays).set({ host: "192.0.2.7" }).where(eq(relays.id, relayId));
    const { certificate, ca, hostSubject } = await renew(services, relayId);
    const read = new X509Certificate(certificate);
    expect(read.verify(new X509Certificate(ca).publicKey)).toBe(true);
    expect(read.checkIP("192.0.2.7")).toBe("192.0.2.7");
    expect([ca, hostSubject]).toEqual([settings.caCertificate, "O=Kerbside,CN=one"]);
    expect(await audits(services, relayId, "relay.certificate-renewed")).toEqual([
      {
        serial: read.serialNumber.toLowerCase(),
        notAfter: read.validToDate.toISOString(),
      },
    ]);
    expect(await viewRelayKeys(services.context, relayId)).toMatchObject({
      value: { certificate: { kind: "issued", endsAtMs: read.validToDate.getTime() } },
    });
  });

  it("is asked for by the welcome when the relay's authority, address or end is not right", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    const wanted = async (
      advertised?: { host: string; tlsPort: number },
      context = services.context,
    ) => (await welcomeOf(context, relayId, { ...HELLO, advertised }))?.renewCertificate;
    // What enrolment stored before ends were known.
    expect(await wanted()).toBe(true);
    await renew(services, relayId);
    expect(await wanted()).toBe(false);
    const moved = { host: "moved.example", tlsPort: 5900 };
    expect(await wanted(moved)).toBe(true);
    await renew(services, relayId);
    expect(await wanted(moved)).toBe(false);
    const { CA_CERTIFICATE } = await generateSecrets(Date.now());
    const { settings } = services.context;
    const replaced = { ...settings, caCertificate: CA_CERTIFICATE + settings.caCertificate };
    expect(await wanted(moved, { ...services.context, settings: replaced })).toBe(true);
    // One that is only trusted beside it changes nothing.
    const added = { ...settings, caCertificate: settings.caCertificate + CA_CERTIFICATE };
    expect(await wanted(moved, { ...services.context, settings: added })).toBe(false);
  });

  it("is signed by the first of several authorities, and all of them are told of", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    const { settings } = services.context;
    const second = await generateSecrets(Date.now());
    const caCertificate = `${second.CA_CERTIFICATE}\n${settings.caCertificate}`;
    const context = {
      ...services.context,
      settings: { ...settings, caCertificate, caKey: second.CA_KEY },
    };
    const renewed = await renewRelayCertificate(context, relayId, await makeCsr());
    const { certificate = "", ca = "" } =
      renewed.ok && renewed.value.kind === "certificate" ? renewed.value : {};
    const signer = new X509Certificate(second.CA_CERTIFICATE);
    expect(new X509Certificate(certificate).verify(signer.publicKey)).toBe(true);
    expect(ca).toBe(caCertificate);
  });

  it("is signed a few times a day at most", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    for (let count = 0; count < RENEWALS_MAX; count += 1) {
      await renew(services, relayId);
    }
    const csr = await makeCsr();
    expect(await renewRelayCertificate(services.context, relayId, csr)).toMatchObject({
      error: { code: "relay.renewal-limited" },
    });
    services.moveClock(RENEWAL_WINDOW_MS);
    await renew(services, relayId);
    expect(await renewRelayCertificate(services.context, relayId, "no request")).toMatchObject({
      error: { code: "relay.csr-invalid" },
    });
  });
});

describe("an operator's certificate", () => {
  it("is named in console files as soon as the relay shows it, and no longer than that", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId, relayIds } = held;
    const { context } = services;
    const [relayId = ""] = relayIds;
    const trust = async () => {
      const issued = await issue(services, admin, consoleId);
      const file = await fetchConsoleFile(context, anonymous, tokenOf(issued));
      const parsed = parseVvFile(file.ok ? file.value.text : "");
      return parsed.ok ? [parsed.value.ca, parsed.value.hostSubject] : null;
    };
    const issuedTrust = [context.settings.caCertificate, "CN=one"];
    expect(await trust()).toEqual(issuedTrust);
    const own = await makeOwnCertificate({
      host: "one.relay.test",
      nowMs: context.nowMs(),
      subject: [{ C: ["AU"] }, { O: ["Spice, Lab"] }, { E: ["ops@one.test"] }],
    });
    const welcome = await welcomeOf(context, relayId, { ...HELLO, certificate: own });
    expect(welcome?.certificateRefusal).toBeUndefined();
    const subject = "C=AU,O=Spice\\, Lab,emailAddress=ops@one.test";
    expect(await trust()).toEqual([own.ca, subject]);
    const unnamed = await makeOwnCertificate({
      host: "one.relay.test",
      nowMs: context.nowMs(),
      subject: [],
      isPublic: true,
    });
    await noteShownCertificate(context, relayId, { own: unnamed });
    expect(await trust()).toEqual(["", ""]);
    await welcomeRelay(context, relayId, HELLO);
    expect(await trust()).toEqual(issuedTrust);
    expect(await audits(services, relayId, "relay.certificate-reported")).toHaveLength(2);
    expect(await audits(services, relayId, "relay.certificate-reverted")).toHaveLength(1);
  });

  it("is refused in the welcome, with why, when it cannot be named; what was named stays", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    const { context } = services;
    const good = await makeOwnCertificate({ host: "one.relay.test", nowMs: context.nowMs() });
    await welcomeRelay(context, relayId, { ...HELLO, certificate: good });
    const bad = await makeOwnCertificate({ host: "two.relay.test", nowMs: context.nowMs() });
    const welcome = await welcomeOf(context, relayId, { ...HELLO, certificate: bad });
    const detail = "it does not name one.relay.test, where clients reach the relay";
    const refusal = { code: "relay.certificate-unusable", detail };
    expect(welcome?.certificateRefusal).toEqual(refusal);
    expect(await audits(services, relayId, "relay.certificate-refused")).toEqual([refusal]);
    expect(await viewRelayKeys(context, relayId)).toMatchObject({
      value: { certificate: { kind: "own", hostSubject: "O=Operator" } },
    });
  });

  it("is judged by the address that the hello tells, not by the one before", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    const { context } = services;
    const certificate = await makeOwnCertificate({ host: "new.test", nowMs: context.nowMs() });
    const advertised = { host: "new.test", tlsPort: 5900 };
    const welcome = await welcomeOf(context, relayId, { ...HELLO, advertised, certificate });
    expect(welcome?.certificateRefusal).toBeUndefined();
  });

  it("is warned of once before it ends, and anew when it was replaced", async () => {
    await using services = await startControlServices();
    const relayId = await services.makeRelay("one");
    const { context } = services;
    const warnings = async () => {
      await warnOfEndingCertificates(context);
      return (await audits(services, relayId, "relay.certificate-expiring")).length;
    };
    const report = async () => {
      const about = { host: "one.relay.test", nowMs: context.nowMs(), lifeMs: 30 * DAY_MS };
      await noteShownCertificate(context, relayId, { own: await makeOwnCertificate(about) });
    };
    await report();
    expect(await warnings()).toBe(0);
    services.moveClock(10 * DAY_MS);
    expect(await warnings()).toBe(1);
    expect(await warnings()).toBe(1);
    await report();
    expect(await warnings()).toBe(1);
    services.moveClock(10 * DAY_MS);
    expect(await warnings()).toBe(2);
  });
});

describe("whether an operator's certificate can be named", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const judge = async (
    options: Partial<Parameters<typeof makeOwnCertificate>[0]>,
    host = "relay.test",
    atMs = nowMs,
  ) => await judgeOwnCertificate(await makeOwnCertificate({ host, nowMs, ...options }), host, atMs);

  it.each([
    ["a name", {}, "relay.test"],
    ["a star", { host: "*.relay.test" }, "a.relay.test"],
    ["another case", { host: "Relay.Test" }, "relay.test"],
    ["an IPv4 address", {}, "192.0.2.1"],
    ["an IPv6 address, written otherwise", { host: "2001:db8::1" }, "2001:DB8:0:0:0:0:0:1"],
    ["an authority between", { hasIntermediate: true }, "relay.test"],
    ["a public authority", { isPublic: true }, "relay.test"],
  ])("is so with %s", async (_name, options, host) => {
    expect(await judge(options, host)).toMatchObject({ ok: true });
  });

  it.each<[string, Given, { host?: string; atMs?: number; sentence: string }]>([
    ["it has ended", {}, { atMs: nowMs + 366 * DAY_MS, sentence: "it ended at" }],
    ["it has not begun", {}, { atMs: nowMs - 3 * DAY_MS, sentence: "it begins at" }],
    ["it names another host", { host: "x.test" }, { sentence: "does not name relay.test" }],
    ["its star is one label", { host: "*.test" }, { host: "a.b.test", sentence: "not name" }],
    ["its star is the whole", { host: "*.test" }, { host: "test", sentence: "does not name" }],
    ["it has no names", { isNameless: true }, { sentence: "does not name" }],
    [
      "its subject has a set of two",
      { subject: [{ CN: ["a"], OU: ["b"] }] },
      { sentence: "several attributes" },
    ],
  ])("is not when %s", async (_name, options, { host, atMs, sentence }) => {
    const judged = await judge(options, host, atMs);
    expect(judged).toMatchObject({ ok: false, error: expect.stringContaining(sentence) });
  });

  it("is not when the authority did not sign it, or the files hold something else", async () => {
    const [own, other] = await Promise.all([
      makeOwnCertificate({ host: "relay.test", nowMs }),
      makeOwnCertificate({ host: "relay.test", nowMs }),
    ]);
    const judged = async (certificate: { chain: string; ca: string | null }) =>
      await judgeOwnCertificate(certificate, "relay.test", nowMs);
    expect(await judged({ ...own, ca: other.ca })).toMatchObject({
      error: expect.stringContaining("no authority"),
    });
    expect(await judged({ ...own, chain: "PEM" })).toMatchObject({
      error: expect.stringContaining("certificate's file"),
    });
    expect(await judged({ ...own, ca: "PEM" })).toMatchObject({
      error: expect.stringContaining("authorities' file"),
    });
  });
});

const DAY_MS = 24 * 3_600_000;
type Given = Partial<Parameters<typeof makeOwnCertificate>[0]>;
