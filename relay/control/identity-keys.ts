/**
 * The key by which the relay proves itself, and its change to another one:
 *
 *     1  a new key is kept on disk beside the present one
 *     2  it is offered to the control plane, vouched for by both; either is good from then on
 *     3  it signs a token; by that it takes the other's place at the control plane
 *     4  it takes the other's place on disk
 *
 * Whatever step either side dies behind, the relay has a key that is good: before 3 the present one
 * is, behind it the new one, and both are on disk until the relay knows which. A relay that does not
 * know tries one after the other.
 */
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { keyOfferStatement } from "#shared/control/relay-requests.ts";
import type { AskControlPlane } from "./certificate-renewal.ts";
import { CONTROL_LOG, type ControlLog } from "./control-log.ts";
import type { KeyDisk } from "./key-files.ts";
import { fingerprintOf, makeIdentityKey, publicKeyOf } from "./relay-keys.ts";
import { retryDelayMs } from "./renewal-schedule.ts";

export interface IdentityKeysOptions {
  readonly relayId: string;
  /** The audience of the relay's tokens. */
  readonly controlUrl: string;
  readonly present: KeyObject;
  /** Since when, in milliseconds since 1970. */
  readonly presentSinceMs: number;
  /** A key that an earlier process was changing to. */
  readonly next: KeyObject | null;
  /** How old a key becomes; null: as old as it likes. */
  readonly lifeMs: number | null;
  readonly ask: AskControlPlane;
  readonly signToken: (key: KeyObject) => Promise<string>;
  readonly disk: Pick<KeyDisk, "storeNextKey" | "promoteNextKey">;
  /** A change has ended so. */
  readonly count: (outcome: "done" | "failed") => void;
  readonly log: ControlLog;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** A random number in [0, 1). */
  readonly chance: () => number;
}

/** One for a relay's process. */
export class IdentityKeys {
  readonly #options: IdentityKeysOptions;
  #present: KeyObject;
  #presentSinceMs: number;
  #next: KeyObject | null;
  /** Whether tokens are signed with the next key: it was offered, or the present one was refused. */
  #isNextTried = false;
  /** Which key signed the token of the connection that was made last. */
  #shown: KeyObject;
  /** Whether the disk still has the present key under the next one's name. */
  #isMoveOwed = false;
  #rotating: Promise<Result<string, string>> | null = null;
  #failures = 0;
  #retryAtMs = 0;

  constructor(options: IdentityKeysOptions) {
    this.#options = options;
    this.#present = options.present;
    this.#shown = options.present;
    this.#presentSinceMs = options.presentSinceMs;
    this.#next = options.next;
  }

  /** Of the key that counts, as far as this relay knows. */
  get fingerprint(): string {
    return fingerprintOf(publicKeyOf(this.#present));
  }

  /** A credential for one connection. */
  signToken(): Promise<string> {
    const { signToken } = this.#options;
    this.#shown = this.#isNextTried && this.#next !== null ? this.#next : this.#present;
    return signToken(this.#shown);
  }

  /** The control plane does not know the key that was shown: the other one is tried next. */
  refused(): void {
    if (this.#next !== null) {
      this.#isNextTried = !this.#isNextTried;
      this.#options.log.warn({ isNextTried: this.#isNextTried }, CONTROL_LOG.keyTried);
    }
  }

  /** The key that was shown is good; when it is the next one, the other is not any more. */
  async welcomed(): Promise<void> {
    if (this.#shown === this.#next) {
      await this.#promote();
    }
  }

  /** Changes the key when it is old enough, and ends a change that was begun. */
  async tick(): Promise<void> {
    const { lifeMs, nowMs, chance } = this.#options;
    if (this.#isMoveOwed) {
      await this.#move();
    }
    const isOld = lifeMs !== null && nowMs() - this.#presentSinceMs >= lifeMs;
    if ((this.#next === null && !isOld) || nowMs() < this.#retryAtMs) {
      return;
    }
    const rotated = await this.rotate();
    this.#failures = rotated.ok ? 0 : this.#failures + 1;
    this.#retryAtMs = rotated.ok ? 0 : nowMs() + retryDelayMs(this.#failures, chance());
  }

  /** Changes the key now; the value is the new one's fingerprint, the failure a sentence. */
  rotate(): Promise<Result<string, string>> {
    this.#rotating ??= this.#rotate().finally(() => {
      this.#rotating = null;
    });
    return this.#rotating;
  }

  async #rotate(): Promise<Result<string, string>> {
    const { count, log } = this.#options;
    const from = this.fingerprint;
    const rotated = await this.#takeSteps();
    count(rotated.ok ? "done" : "failed");
    if (!rotated.ok) {
      log.warn({ detail: rotated.error }, CONTROL_LOG.keyNotRotated);
      return rotated;
    }
    log.info({ from, to: this.fingerprint }, CONTROL_LOG.keyRotated);
    return ok(this.fingerprint);
  }

  async #takeSteps(): Promise<Result<null, string>> {
    const kept = this.#next === null ? await this.#keepNext() : ok(this.#next);
    if (!kept.ok) {
      return kept;
    }
    const next = kept.value;
    const { ask, signToken } = this.#options;
    const offered = await ask({ kind: "offer-key", ...this.#offer(next) });
    if (!offered.ok) {
      return fail(sayFailure(offered.error));
    }
    // Good from now on, should the link be lost before the answer to its use.
    this.#isNextTried = true;
    const used = await ask({ kind: "use-key", token: await signToken(next) });
    if (!used.ok) {
      return fail(sayFailure(used.error));
    }
    return await this.#promote();
  }

  async #keepNext(): Promise<Result<KeyObject, string>> {
    if (this.#isMoveOwed) {
      // Another key under that name would overwrite the only one that is good.
      const moved = await this.#move();
      if (!moved.ok) {
        return moved;
      }
    }
    const pem = await makeIdentityKey();
    const stored = await this.#options.disk.storeNextKey(pem);
    if (!stored.ok) {
      return stored;
    }
    this.#next = createPrivateKey(pem);
    this.#isNextTried = false;
    return ok(this.#next);
  }

  #offer(next: KeyObject) {
    const { relayId, controlUrl: audience } = this.#options;
    const oldKey = publicKeyOf(this.#present);
    const publicKey = publicKeyOf(next);
    const statement = Buffer.from(
      keyOfferStatement({ audience, relayId, oldKey, newKey: publicKey }),
    );
    const signatureBy = (key: KeyObject): string =>
      sign(null, statement, key).toString("base64url");
    return {
      publicKey,
      oldSignature: signatureBy(this.#present),
      newSignature: signatureBy(next),
    };
  }

  /** The control plane has forgotten the present key, so it is of no more use here either. */
  async #promote(): Promise<Result<null, string>> {
    if (this.#next === null) {
      return ok(null);
    }
    this.#present = this.#next;
    this.#presentSinceMs = this.#options.nowMs();
    this.#next = null;
    this.#isNextTried = false;
    return await this.#move();
  }

  /** When it cannot be moved, the next process finds both keys and tries both. */
  async #move(): Promise<Result<null, string>> {
    this.#isMoveOwed = true;
    const moved = await this.#options.disk.promoteNextKey();
    this.#isMoveOwed = !moved.ok;
    return moved;
  }
}

function sayFailure({ code, detail }: { readonly code: string; readonly detail: string }): string {
  return detail === "" ? code : `${code}: ${detail}`;
}
