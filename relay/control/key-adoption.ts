/**
 * Puts the keys that the control plane tells into use: those of a welcome, and those that replace
 * them later. Promises that what was told last holds in the end, however long reading it takes, and
 * that a key whose time is over is dropped when it is.
 */
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { LinkKeys, Welcome } from "#shared/control/contract.ts";
import { type KeyRing, keysFromWelcome } from "../sessions/key-ring.ts";

export interface KeyAdoptionOptions {
  readonly relayId: string;
  readonly keyRing: KeyRing;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** One for a relay's process. */
export class KeyAdoption {
  readonly #options: KeyAdoptionOptions;
  #last: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: KeyAdoptionOptions) {
    this.#options = options;
  }

  /** The failure names what is wrong and holds no key; the keys before stay in use then. */
  adopt(keys: LinkKeys & Partial<Pick<Welcome, "grantIssuer">>): Promise<Result<null, string>> {
    // Why not side by side: a set that is read faster than the one before must not be overtaken.
    const adopted = this.#last.then(() => this.#adopt(keys));
    this.#last = adopted;
    return adopted;
  }

  async #adopt(
    keys: LinkKeys & Partial<Pick<Welcome, "grantIssuer">>,
  ): Promise<Result<null, string>> {
    const { keyRing, relayId } = this.#options;
    const grantIssuer = keys.grantIssuer ?? keyRing.current()?.grantIssuer;
    if (grantIssuer === undefined) {
      return fail("keys came before a welcome");
    }
    const nowMs = this.#options.nowMs();
    const lasting: LinkKeys = {
      ticketKeys: keys.ticketKeys.filter((key) => isAccepted(key, nowMs)),
      grantKeys: keys.grantKeys.filter((key) => isAccepted(key, nowMs)),
    };
    const read = await keysFromWelcome({ ...lasting, grantIssuer }, relayId);
    if (!read.ok) {
      return read;
    }
    keyRing.replace(read.value);
    this.#dropInTime({ ...lasting, grantIssuer }, nowMs);
    return ok(null);
  }

  #dropInTime(keys: LinkKeys & Pick<Welcome, "grantIssuer">, nowMs: number): void {
    clearTimeout(this.#timer ?? undefined);
    const ends = [...keys.ticketKeys, ...keys.grantKeys].flatMap(({ untilMs }) => untilMs ?? []);
    if (ends.length > 0) {
      const waitMs = Math.min(Math.min(...ends) - nowMs, WAIT_MS_MAX);
      this.#timer = setTimeout(() => void this.adopt(keys), waitMs);
      this.#timer.unref();
    }
  }
}

function isAccepted(key: { readonly untilMs?: number | undefined }, nowMs: number): boolean {
  return key.untilMs === undefined || nowMs < key.untilMs;
}

/** A timer counts 31 bits of milliseconds; keys end within minutes. */
const WAIT_MS_MAX = 24 * 3_600_000;
