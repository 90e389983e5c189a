/**
 * What a running relay does about its keys and certificates by itself: puts the parts together that
 * renew, watch and rotate, and wakes them now and then while the control plane is linked. Nothing in
 * here may reach the data plane but the certificate that clients are shown.
 */
import type { Result } from "#shared/base/result.ts";
import type { Hello, Welcome } from "#shared/control/contract.ts";
import { certificateEndMs, type TlsIdentity } from "../listen/tls-settings.ts";
import { type AskControlPlane, CertificateRenewal } from "./certificate-renewal.ts";
import { CONTROL_LOG, type ControlLog } from "./control-log.ts";
import { IdentityKeys } from "./identity-keys.ts";
import type { Identity } from "./identity-store.ts";
import type { KeyDisk } from "./key-files.ts";
import type { OwnCertificateFiles, OwnIdentity } from "./own-certificate.ts";
import { OwnCertificateWatch } from "./own-certificate-watch.ts";
import { makeTlsRequest } from "./relay-keys.ts";
import { signRelayToken } from "./relay-token.ts";
import { reasonOf } from "./state-folder.ts";

export interface UpkeepOptions {
  readonly identity: Identity;
  /** The operator's own certificate and where it is from; null: what the control plane signs. */
  readonly own: { readonly files: OwnCertificateFiles; readonly shown: OwnIdentity } | null;
  /** Null: the identity key is changed by command alone. */
  readonly keyLifeMs: number | null;
  readonly disk: KeyDisk;
  readonly ask: AskControlPlane;
  readonly isLinked: () => boolean;
  /** Shows another certificate to clients that come from now on. */
  readonly show: (tls: TlsIdentity) => void;
  readonly count: (
    what: "certificate-renewal" | "key-rotation",
    outcome: "done" | "failed",
  ) => void;
  readonly log: ControlLog;
  readonly nowMs: () => number;
  readonly chance: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** A relay's certificate and key, for its operator. */
export interface KeysStatus {
  readonly fingerprint: string;
  readonly certificate: {
    readonly kind: "issued" | "own";
    readonly endsAtMs: number;
    /** Why it is not what it should be; null: all is well. */
    readonly problem: string | null;
  };
}

/** One for a relay's process. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #keys: IdentityKeys;
  readonly #renewal: CertificateRenewal | null;
  readonly #watch: OwnCertificateWatch | null;
  #tls: TlsIdentity;
  #timer: NodeJS.Timeout | null = null;
  #warnedAtMs = -Infinity;
  #isTicking = false;

  constructor(options: UpkeepOptions) {
    const { identity, own, disk, count } = options;
    this.#options = options;
    this.#tls = own?.shown.tls ?? identity.tls;
    const show = (tls: TlsIdentity): void => {
      options.show(tls);
      this.#tls = tls;
    };
    this.#keys = new IdentityKeys({
      ...options,
      ...identity,
      present: identity.identityKey,
      presentSinceMs: identity.identityKeySinceMs,
      next: identity.nextIdentityKey,
      lifeMs: options.keyLifeMs,
      signToken: (identityKey) =>
        signRelayToken({ ...identity, identityKey }, options.nowMs(), options.randomBytes),
      count: (outcome) => count("key-rotation", outcome),
    });
    this.#renewal =
      own === null
        ? new CertificateRenewal({
            ...options,
            tls: identity.tls,
            host: identity.host,
            makeRequest: () => makeTlsRequest(identity.name),
            disk,
            show,
            count: (outcome) => count("certificate-renewal", outcome),
          })
        : null;
    this.#watch = own === null ? null : new OwnCertificateWatch({ ...options, ...own, show });
  }

  /** What clients are shown now. */
  get tls(): TlsIdentity {
    return this.#tls;
  }

  /** What a hello says of it. */
  get certificate(): Hello["certificate"] {
    return this.#watch?.report;
  }

  status(): KeysStatus {
    return {
      fingerprint: this.#keys.fingerprint,
      certificate: {
        kind: this.#watch === null ? "issued" : "own",
        endsAtMs: certificateEndMs(this.#tls),
        problem: this.#watch?.problem ?? null,
      },
    };
  }

  signToken(): Promise<string> {
    return this.#keys.signToken();
  }

  /** The control plane refused the connection. */
  refused(code: string): void {
    if (code === "relay.unauthorized") {
      this.#keys.refused();
    }
  }

  /** The control plane welcomed the relay. */
  async welcomed(welcome: Pick<Welcome, "renewCertificate" | "certificateRefusal">): Promise<void> {
    this.#watch?.judged(welcome.certificateRefusal ?? null);
    if (welcome.renewCertificate === true) {
      this.#renewal?.want();
    }
    await this.#keys.welcomed();
  }

  /** Changes the identity key now; the value is the new fingerprint, the failure a sentence. */
  rotateKey(): Promise<Result<string, string>> {
    return this.#keys.rotate();
  }

  start(): void {
    this.#timer = setInterval(() => void this.tick(), TICK_MS);
    this.#timer.unref();
    this.#warnOfEnd();
  }

  stop(): void {
    clearInterval(this.#timer ?? undefined);
  }

  /** Does what is due, once at a time. Never rejects. */
  async tick(): Promise<void> {
    if (this.#isTicking) {
      return;
    }
    this.#isTicking = true;
    this.#warnOfEnd();
    await this.#do(async () => await this.#watch?.tick());
    if (this.#options.isLinked()) {
      // One after the other: the control plane answers few requests of a relay at once.
      await this.#do(async () => await this.#renewal?.tick());
      await this.#do(async () => await this.#keys.tick());
    }
    this.#isTicking = false;
  }

  /** A part that throws is our bug: it must not stop the others, nor the relay. */
  async #do(part: () => Promise<void>): Promise<void> {
    try {
      await part();
    } catch (error) {
      this.#options.log.error({ detail: reasonOf(error) }, CONTROL_LOG.upkeepFailed);
    }
  }

  /** Once a day at most, for as long as it is so. */
  #warnOfEnd(): void {
    const { log, nowMs } = this.#options;
    const leftMs = certificateEndMs(this.#tls) - nowMs();
    if (leftMs >= WARNING_MS || nowMs() - this.#warnedAtMs < DAY_MS) {
      return;
    }
    this.#warnedAtMs = nowMs();
    const name = leftMs < 0 ? CONTROL_LOG.certificateEnded : CONTROL_LOG.certificateEndsSoon;
    log.warn({ endsAt: new Date(certificateEndMs(this.#tls)).toISOString() }, name);
  }
}

/** How late something may be done; a look at three small files costs nothing. */
const TICK_MS = 60_000;
const DAY_MS = 24 * 3_600_000;
const WARNING_MS = 30 * DAY_MS;
