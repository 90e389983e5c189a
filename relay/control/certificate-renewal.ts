/**
 * Keeps the certificate that the control plane signed from ending: asks for another one in time,
 * over the link, with a key of its own. Promises that the pair on disk always matches, that living
 * connections are not touched, and that an expired certificate is renewed as well.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { RelayAnswer, RelayRequest, RequestFailure } from "#shared/control/relay-requests.ts";
import type { TlsIdentity } from "../listen/tls-settings.ts";
import { CONTROL_LOG, type ControlLog } from "./control-log.ts";
import type { KeyDisk } from "./key-files.ts";
import { renewalDueAtMs, retryDelayMs } from "./renewal-schedule.ts";

/** Asks the control plane (see ControlLink.request). */
export type AskControlPlane = (
  request: RelayRequest,
) => Promise<Result<RelayAnswer, RequestFailure>>;

export interface CertificateRenewalOptions {
  /** What is shown now. */
  readonly tls: TlsIdentity;
  /** What clients dial; a certificate must name it. */
  readonly host: string;
  readonly ask: AskControlPlane;
  readonly makeRequest: () => Promise<{ readonly tlsKey: string; readonly csr: string }>;
  readonly disk: Pick<KeyDisk, "storeTls">;
  /** Shows another one to clients that come from now on. */
  readonly show: (tls: TlsIdentity) => void;
  /** A try has ended so. */
  readonly count: (outcome: "done" | "failed") => void;
  readonly log: ControlLog;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** A random number in [0, 1). */
  readonly chance: () => number;
}

/** One for a relay's process. */
export class CertificateRenewal {
  readonly #options: CertificateRenewalOptions;
  #dueAtMs: number;
  #retryAtMs = 0;
  #failures = 0;

  constructor(options: CertificateRenewalOptions) {
    this.#options = options;
    this.#dueAtMs = this.#dueOf(options.tls);
  }

  /** The control plane says that there should be another one, whatever the clock says. */
  want(): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, this.#options.nowMs());
  }

  /** Renews when it is time. Not to be called again before it has settled. */
  async tick(): Promise<void> {
    const { nowMs, chance, count, log } = this.#options;
    if (nowMs() < Math.max(this.#dueAtMs, this.#retryAtMs)) {
      return;
    }
    const renewed = await this.#renew();
    count(renewed.ok ? "done" : "failed");
    if (renewed.ok) {
      this.#failures = 0;
      log.info({ endsAt: sayEnd(renewed.value) }, CONTROL_LOG.certificateRenewed);
    } else {
      this.#failures += 1;
      const waitMs = Math.round(retryDelayMs(this.#failures, chance()));
      this.#retryAtMs = nowMs() + waitMs;
      log.warn({ ...renewed.error, waitMs }, CONTROL_LOG.certificateNotRenewed);
    }
  }

  async #renew(): Promise<Result<TlsIdentity, { readonly code: string; readonly detail: string }>> {
    const { ask, makeRequest, disk, host, nowMs, show } = this.#options;
    const { tlsKey, csr } = await makeRequest();
    const answer = await ask({ kind: "renew-certificate", csr });
    if (!answer.ok) {
      return answer;
    }
    if (answer.value.kind !== "certificate") {
      return fail({ code: "control.malformed", detail: "the answer holds no certificate" });
    }
    const { certificate, ca } = answer.value;
    const tls = { cert: certificate, key: tlsKey };
    const problem = findProblem(tls, { ca, host, nowMs: nowMs() });
    if (problem !== null) {
      return fail({ code: "control.malformed", detail: problem });
    }
    const stored = await disk.storeTls(tls, ca);
    // Shown also when it could not be kept: it is good, and the one before may not be.
    show(tls);
    this.#dueAtMs = this.#dueOf(tls);
    return stored.ok ? ok(tls) : fail({ code: "internal.error", detail: stored.error });
  }

  /** At once when it does not name the host; a file that was checked before is read here. */
  #dueOf(tls: TlsIdentity): number {
    const certificate = new X509Certificate(tls.cert);
    if (!namesHost(certificate, this.#options.host)) {
      return 0;
    }
    const life = {
      beginsAtMs: certificate.validFromDate.getTime(),
      endsAtMs: certificate.validToDate.getTime(),
    };
    return renewalDueAtMs(life, this.#options.chance());
  }
}

/** Whether a client that dials the host finds it in the certificate. */
export function namesHost(certificate: X509Certificate, host: string): boolean {
  return isIP(host) === 0
    ? certificate.checkHost(host, { subject: "never" }) !== undefined
    : certificate.checkIP(host) !== undefined;
}

/** What is wrong with a pair that was answered, or null. */
function findProblem(
  { cert, key }: TlsIdentity,
  expected: { readonly ca: string; readonly host: string; readonly nowMs: number },
): string | null {
  try {
    const certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) {
      return "the certificate is not for this relay's key";
    }
    if (!certificate.verify(new X509Certificate(expected.ca).publicKey)) {
      return "the certificate is not the authority's";
    }
    if (expected.nowMs >= certificate.validToDate.getTime()) {
      return "the certificate has ended: check the clocks";
    }
    return namesHost(certificate, expected.host)
      ? null
      : `the certificate does not name ${expected.host}`;
  } catch {
    return "the certificate cannot be read";
  }
}

function sayEnd({ cert }: TlsIdentity): string {
  return new X509Certificate(cert).validToDate.toISOString();
}
