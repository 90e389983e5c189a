/**
 * The signing keys that an isolate has read last, for a bounded time, so that a ticket costs no
 * query for them. It holds values alone: a promise of one request must not be awaited in another.
 */
import type { CryptoKey } from "jose";
import type { SigningKeyRow } from "../repositories/signing-keys.ts";
import { SIGNING_KEY_CACHE_MS } from "./signing-key-rules.ts";

/** What a grant is signed with. */
export interface SigningKey {
  readonly kid: string;
  readonly key: CryptoKey;
}

/** What was read at one moment. */
export interface ReadSigningKeys {
  readonly rows: readonly SigningKeyRow[];
  readonly active: SigningKey;
}

export class SigningKeyCache {
  #kept: (ReadSigningKeys & { readonly untilMs: number }) | null = null;

  /** Null when nothing is kept, or it is too old. */
  read(nowMs: number): ReadSigningKeys | null {
    return this.#kept !== null && nowMs < this.#kept.untilMs ? this.#kept : null;
  }

  /** @param nowMs when the reading began. */
  keep(keys: ReadSigningKeys, nowMs: number): void {
    this.#kept = { ...keys, untilMs: nowMs + SIGNING_KEY_CACHE_MS };
  }

  /** After a change that this isolate has made or heard of. */
  forget(): void {
    this.#kept = null;
  }
}
