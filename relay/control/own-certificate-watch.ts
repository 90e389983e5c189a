/**
 * Shows an operator's certificate as his files have it: looks at them now and then, so that whatever
 * renews them needs no way to call the relay. A new one is reported before it is shown, so that
 * console files name what clients will find; one that is of no use is told of, and the one before
 * goes on.
 */
import type { AskControlPlane } from "./certificate-renewal.ts";
import { CONTROL_LOG, type ControlLog } from "./control-log.ts";
import {
  type OwnCertificateFiles,
  type OwnIdentity,
  readOwnCertificate,
} from "./own-certificate.ts";
import type { TlsIdentity } from "../listen/tls-settings.ts";

export interface OwnCertificateWatchOptions {
  readonly files: OwnCertificateFiles;
  /** What is shown now. */
  readonly shown: OwnIdentity;
  readonly ask: AskControlPlane;
  /** Shows another one to clients that come from now on. */
  readonly show: (tls: TlsIdentity) => void;
  readonly log: ControlLog;
}

/** One for a relay's process. */
export class OwnCertificateWatch {
  readonly #options: OwnCertificateWatchOptions;
  #shown: OwnIdentity;
  /** What the files held last, so that each content is judged once. */
  #seen: string;
  #problem: string | null = null;

  constructor(options: OwnCertificateWatchOptions) {
    this.#options = options;
    this.#shown = options.shown;
    this.#seen = textOf(options.shown);
  }

  /** What the control plane is told at each hello. */
  get report(): OwnIdentity["report"] {
    return this.#shown.report;
  }

  /** Why what the files hold is not shown, or not named in console files; null: all is well. */
  get problem(): string | null {
    return this.#problem;
  }

  /** What the control plane says to the certificate that a hello has told of. */
  judged(refusal: { readonly detail: string } | null): void {
    this.#problem = refusal?.detail ?? null;
    if (refusal !== null) {
      this.#options.log.error({ detail: refusal.detail }, CONTROL_LOG.certificateRefused);
    }
  }

  /** Looks at the files. Not to be called again before it has settled. */
  async tick(): Promise<void> {
    const read = await readOwnCertificate(this.#options.files);
    const text = read.ok ? textOf(read.value) : read.error;
    if (text === this.#seen) {
      return;
    }
    this.#seen = text;
    if (read.ok) {
      await this.#replace(read.value);
    } else {
      this.#problem = read.error;
      this.#options.log.error({ detail: read.error }, CONTROL_LOG.certificateUnusable);
    }
  }

  async #replace(own: OwnIdentity): Promise<void> {
    const { ask, log, show } = this.#options;
    const answer = await ask({ kind: "report-certificate", certificate: own.report });
    if (!answer.ok && answer.error.code === "relay.certificate-unusable") {
      this.judged(answer.error);
      return;
    }
    // Without a link the next hello tells of it; the certificate before may end meanwhile.
    this.#shown = own;
    this.#problem = null;
    show(own.tls);
    log.info({ isTold: answer.ok }, CONTROL_LOG.certificateReplaced);
  }
}

function textOf({ tls, report }: OwnIdentity): string {
  return [tls.cert, tls.key, report.ca ?? ""].join("\n");
}
