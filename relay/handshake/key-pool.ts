/**
 * RSA-1024 keys for the link reply (spice-protocol fixes the size), made ahead in the background: a
 * key costs 7 ms of CPU, so a flood of handshakes must not be able to order one each. A key serves
 * a bounded number of handshakes for a bounded time; TLS around it is what keeps the ticket secret.
 */
import { constants, generateKeyPair, type KeyObject, privateDecrypt } from "node:crypto";
import { assert } from "#shared/base/assert.ts";
import { PUBLIC_KEY_BYTES } from "#shared/spice/link.ts";
import type { DataPlaneLimits } from "../limits.ts";

/** One handshake's use of a key. */
export interface LinkKey {
  /** SubjectPublicKeyInfo, DER: 162 bytes, as the link reply carries it. */
  readonly publicKey: Buffer;
  /** OAEP with SHA-1; null when it was not encrypted with this key. */
  decrypt(ciphertext: Uint8Array): Buffer | null;
}

export interface KeyPoolOptions {
  readonly limits: Pick<
    DataPlaneLimits,
    "keyPoolSize" | "keyUsesMax" | "keyLifeMs" | "keyWaitersMax" | "keyWaitMsMax"
  >;
  readonly nowMs: () => number;
  /** Makes one key; tests count and delay it. */
  readonly generate?: () => Promise<LinkKey>;
}

interface PooledKey {
  readonly key: LinkKey;
  readonly madeAtMs: number;
  uses: number;
}

/** Keeps keys ready until it is stopped. */
export class KeyPool {
  readonly #options: KeyPoolOptions;
  readonly #generate: () => Promise<LinkKey>;
  readonly #keys: PooledKey[] = [];
  readonly #waiters = new Set<(key: LinkKey | null) => void>();
  readonly #rotation: NodeJS.Timeout;
  #isGenerating = false;
  #isStopped = false;

  constructor(options: KeyPoolOptions) {
    this.#options = options;
    this.#generate = options.generate ?? generateLinkKey;
    // Why half: no key is then older than one and a half lives, however idle the relay is.
    this.#rotation = setInterval(() => {
      this.#refill();
    }, options.limits.keyLifeMs / 2);
    this.#rotation.unref();
    this.#refill();
  }

  /**
   * A key, at once unless the pool is empty; null when too many wait already, when none was made in
   * time (a dead resolver can hold up the threads that make them), or it stopped.
   */
  async take(): Promise<LinkKey | null> {
    const ready = this.#takeReady();
    if (ready !== null) {
      return ready;
    }
    if (this.#isStopped || this.#waiters.size >= this.#options.limits.keyWaitersMax) {
      return null;
    }
    return new Promise((resolve) => {
      const settle = (key: LinkKey | null): void => {
        clearTimeout(timer);
        this.#waiters.delete(settle);
        resolve(key);
      };
      const timer = setTimeout(() => settle(null), this.#options.limits.keyWaitMsMax);
      this.#waiters.add(settle);
      this.#refill();
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#rotation);
    this.#keys.length = 0;
    this.#dismissWaiters();
  }

  #takeReady(): LinkKey | null {
    this.#dropOld();
    const pooled = this.#keys.shift();
    if (pooled === undefined) {
      return null;
    }
    pooled.uses += 1;
    if (pooled.uses < this.#options.limits.keyUsesMax) {
      this.#keys.push(pooled);
    }
    this.#refill();
    return pooled.key;
  }

  #dropOld(): void {
    const oldestMs = this.#options.nowMs() - this.#options.limits.keyLifeMs;
    for (let index = this.#keys.length - 1; index >= 0; index -= 1) {
      if ((this.#keys[index]?.madeAtMs ?? 0) <= oldestMs) {
        this.#keys.splice(index, 1);
      }
    }
  }

  #refill(): void {
    this.#dropOld();
    const isFull = this.#keys.length >= this.#options.limits.keyPoolSize;
    // One at a time: making keys must leave the CPU's other core to the consoles.
    if (this.#isStopped || this.#isGenerating || isFull) {
      return;
    }
    this.#isGenerating = true;
    this.#generate().then(
      (key) => {
        this.#isGenerating = false;
        this.#add(key);
      },
      () => {
        this.#isGenerating = false;
        this.#dismissWaiters();
      },
    );
  }

  #add(key: LinkKey): void {
    if (this.#isStopped) {
      return;
    }
    this.#keys.push({ key, madeAtMs: this.#options.nowMs(), uses: 0 });
    for (const settle of this.#waiters) {
      const ready = this.#takeReady();
      if (ready === null) {
        break;
      }
      settle(ready);
    }
    this.#refill();
  }

  #dismissWaiters(): void {
    for (const settle of this.#waiters) {
      settle(null);
    }
  }
}

/** Makes one RSA-1024 key off the main thread. */
export async function generateLinkKey(): Promise<LinkKey> {
  const pair = await generateRsaPair();
  const publicKey = pair.publicKey.export({ type: "spki", format: "der" });
  assert(publicKey.length === PUBLIC_KEY_BYTES, "a link key's DER has a wrong length");
  return { publicKey, decrypt: (ciphertext) => decryptWith(pair.privateKey, ciphertext) };
}

async function generateRsaPair(): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  return new Promise((resolve, reject) => {
    generateKeyPair("rsa", { modulusLength: MODULUS_BITS }, (error, publicKey, privateKey) => {
      if (error === null) {
        resolve({ publicKey, privateKey });
      } else {
        reject(error);
      }
    });
  });
}

function decryptWith(key: KeyObject, ciphertext: Uint8Array): Buffer | null {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  try {
    return privateDecrypt({ key, padding, oaepHash: "sha1" }, ciphertext);
  } catch {
    return null;
  }
}

const MODULUS_BITS = 1024;
