/** The renewal of a relay's certificate: in time, and nothing shown that is wrong. */
import "reflect-metadata";
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { RelayAnswer, RelayRequest, RequestFailure } from "#shared/control/relay-requests.ts";
import { CertificateRenewal } from "../../../relay/control/certificate-renewal.ts";
import { makeTlsRequest } from "../../../relay/control/relay-keys.ts";
import { renewalDueAtMs, retryDelayMs } from "../../../relay/control/renewal-schedule.ts";
import type { TlsIdentity } from "../../../relay/listen/tls-settings.ts";
import { generateSecrets, type Secrets } from "../../../worker/dev/secrets.ts";
import {
  RELAY_CERTIFICATE_DAYS,
  signRelayCertificate,
} from "../../../worker/services/certificate-authority.ts";
import { keepingLog } from "./memory-disk.ts";

const DAY_MS = 24 * 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);
const HOST = "relay.example";
const OFFLINE: RequestFailure = { code: "control.offline", detail: "lost" };

type Certificate = Extract<RelayAnswer, { kind: "certificate" }>;
type Answer = Result<RelayAnswer, RequestFailure>;
interface Authority {
  readonly caCertificate: string;
  readonly caKey: string;
}

/** A control plane that signs, and a relay that shows what it was given. */
class Bench {
  readonly log = keepingLog();
  readonly shown: TlsIdentity[] = [];
  readonly stored: TlsIdentity[] = [];
  readonly counted: string[] = [];
  readonly requests: RelayRequest[] = [];
  readonly renewal: CertificateRenewal;
  nowMs = START_MS;
  /** What is answered in the place of a good certificate. */
  answer: ((good: Certificate) => Promise<Answer> | Answer) | null = null;
  diskFailure: string | null = null;
  readonly authority: Authority;

  private constructor(authority: Authority, tls: TlsIdentity, host: string) {
    this.authority = authority;
    this.renewal = new CertificateRenewal({
      tls,
      host,
      ask: async (request) => {
        this.requests.push(request);
        const csr = request.kind === "renew-certificate" ? request.csr : "";
        const { certificate } = await sign(authority, csr, { host, nowMs: this.nowMs });
        const ca = authority.caCertificate;
        const good = { kind: "certificate" as const, certificate, ca, hostSubject: "CN=relay" };
        return this.answer === null ? ok(good) : this.answer(good);
      },
      makeRequest: () => makeTlsRequest("relay"),
      disk: {
        storeTls: async (stored) => {
          this.stored.push(stored);
          return this.diskFailure === null ? ok(null) : fail(this.diskFailure);
        },
      },
      show: (shown) => this.shown.push(shown),
      count: (outcome) => this.counted.push(outcome),
      log: this.log,
      nowMs: () => this.nowMs,
      chance: () => 0,
    });
  }

  static async start(certified: { readonly host?: string; readonly dialled?: string } = {}) {
    const { CA_CERTIFICATE: caCertificate, CA_KEY: caKey }: Secrets =
      await generateSecrets(START_MS);
    const { tlsKey, csr } = await makeTlsRequest("relay");
    const about = { host: certified.host ?? HOST, nowMs: START_MS };
    const { certificate } = await sign({ caCertificate, caKey }, csr, about);
    const tls = { cert: certificate, key: tlsKey };
    return new Bench({ caCertificate, caKey }, tls, certified.dialled ?? HOST);
  }

  /** Lets days go by, with a look each; the value is on which days something was asked. */
  async pass(days: number, stepMs = DAY_MS): Promise<number[]> {
    const asked: number[] = [];
    const endMs = this.nowMs + days * DAY_MS;
    for (; this.nowMs < endMs; this.nowMs += stepMs) {
      const before = this.requests.length;
      await this.renewal.tick();
      if (this.requests.length > before) {
        asked.push((this.nowMs - START_MS) / DAY_MS);
      }
    }
    return asked;
  }
}

async function sign(
  authority: Authority,
  csr: string,
  of: { readonly host: string; readonly nowMs: number },
) {
  const moment = { nowMs: of.nowMs, randomBytes: (count: number) => randomBytes(count) };
  const signed = await signRelayCertificate(
    authority,
    { csr, name: "relay", host: of.host },
    moment,
  );
  if (!signed.ok) {
    throw new Error(signed.error.detail);
  }
  return signed.value;
}

describe("a certificate's renewal", () => {
  it("comes before half of its life, and again before half of the next one's", async () => {
    const bench = await Bench.start();
    const days = await bench.pass(2 * RELAY_CERTIFICATE_DAYS);
    expect(days[0]).toBeGreaterThan(RELAY_CERTIFICATE_DAYS * 0.35);
    expect(days[0]).toBeLessThan(RELAY_CERTIFICATE_DAYS / 2);
    expect(days.length).toBeGreaterThanOrEqual(4);
    expect(new Set(bench.counted)).toEqual(new Set(["done"]));
  });

  it("shows and keeps a pair that matches, with a key of its own each time", async () => {
    const bench = await Bench.start();
    await bench.pass(400);
    expect(bench.shown).toEqual(bench.stored);
    expect(new Set(bench.shown.map(({ key }) => key)).size).toBe(bench.shown.length);
    for (const { cert, key } of bench.shown) {
      expect(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))).toBe(true);
    }
    expect(bench.log.lines.map(({ name }) => name)).toContain("certificate.renewed");
  });

  it("comes at once for a certificate that does not name what clients dial", async () => {
    const bench = await Bench.start({ dialled: "moved.example" });
    await bench.renewal.tick();
    await bench.renewal.tick();
    expect(bench.requests).toHaveLength(1);
    const [{ cert } = { cert: "" }] = bench.shown;
    expect(new X509Certificate(cert).checkHost("moved.example")).toBe("moved.example");
  });

  it("comes at once when the control plane wants it, and for one that has ended", async () => {
    const wanted = await Bench.start();
    wanted.renewal.want();
    await wanted.renewal.tick();
    const ended = await Bench.start();
    ended.nowMs += 2 * RELAY_CERTIFICATE_DAYS * DAY_MS;
    await ended.renewal.tick();
    expect([wanted.counted, ended.counted]).toEqual([["done"], ["done"]]);
  });

  it("is tried again with pauses that grow, and not more often when it is wanted the more", async () => {
    const bench = await Bench.start();
    bench.answer = () => fail(OFFLINE);
    bench.renewal.want();
    const days = await bench.pass(1, 10_000);
    expect(days.map((day) => Math.round(day * 24 * 60))).toEqual([
      0, 1, 2, 4, 8, 15, 31, 64, 128, 256, 436, 616, 796, 976, 1156, 1336,
    ]);
    expect(bench.shown).toEqual([]);
    bench.renewal.want();
    await bench.renewal.tick();
    expect(bench.requests).toHaveLength(days.length);
  });

  it("is shown also when the disk has no room for it, and is tried again for that", async () => {
    const bench = await Bench.start();
    bench.diskFailure = "the disk is full";
    bench.renewal.want();
    await bench.renewal.tick();
    expect([bench.shown.length, bench.counted]).toEqual([1, ["failed"]]);
  });

  it.each<[string, (bench: Bench, good: Certificate) => Promise<RelayAnswer> | RelayAnswer]>([
    [
      "is for another key",
      async (bench, good) => {
        const { csr } = await makeTlsRequest("relay");
        const { certificate } = await sign(bench.authority, csr, { host: HOST, nowMs: START_MS });
        return { ...good, certificate };
      },
    ],
    [
      "is another authority's",
      async (_bench, good) => ({ ...good, ca: (await generateSecrets(START_MS)).CA_CERTIFICATE }),
    ],
    ["is none", (_bench, good) => ({ ...good, certificate: "none" })],
    ["is not there", () => ({ kind: "done" })],
  ])("shows and keeps nothing when what is answered %s", async (_name, spoil) => {
    const bench = await Bench.start();
    bench.answer = async (good) => ok(await spoil(bench, good));
    bench.renewal.want();
    await bench.renewal.tick();
    expect([bench.shown, bench.stored, bench.counted]).toEqual([[], [], ["failed"]]);
    expect(bench.log.lines.map(({ name }) => name)).toContain("certificate.not-renewed");
  });
});

describe("when things are due", () => {
  it("lies in the second fifth of a certificate's life, by chance", () => {
    const life = { beginsAtMs: 1_000, endsAtMs: 2_000 };
    expect(renewalDueAtMs(life, 0)).toBe(1_400);
    expect(renewalDueAtMs(life, 0.999_999)).toBeLessThan(1_500);
  });

  it("is at most six hours after a failure, and at least half a minute", () => {
    for (const failures of [1, 2, 10, 1_000]) {
      expect(retryDelayMs(failures, 0)).toBeGreaterThanOrEqual(30_000);
      expect(retryDelayMs(failures, 0.999)).toBeLessThanOrEqual(6 * 3_600_000);
    }
  });
});
