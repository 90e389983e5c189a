/**
 * Seals small secrets (a hypervisor's SPICE password) with AES-256-GCM, so that what is stored or
 * queued is useless without the key. Text form: `v1.` base64url( iv 12 | ciphertext and tag ).
 * What a text is associated with is not in it, but it opens with the same association only.
 */
import { assert } from "#shared/base/assert.ts";
import { type Bytes, concatBytes, fromBase64Url, toBase64Url, utf8 } from "#shared/base/bytes.ts";
import type { RandomBytes } from "#shared/base/ids.ts";

/** @param key 32 bytes. */
export async function seal(
  key: Bytes,
  plain: string,
  randomBytes: RandomBytes,
  additionalData: Bytes = NOTHING,
): Promise<string> {
  assert(key.length === 32, "a sealing key holds 256 bits");
  const iv = Uint8Array.from(randomBytes(IV_BYTES));
  const imported = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
  const algorithm = { name: "AES-GCM", iv, additionalData } as const;
  const cipher = await crypto.subtle.encrypt(algorithm, imported, utf8(plain));
  return VERSION + toBase64Url(concatBytes([iv, new Uint8Array(cipher)]));
}

/** The sealed text, or null when it was altered, cut, or sealed with another key or association. */
export async function unseal(
  key: Bytes,
  sealed: string,
  additionalData: Bytes = NOTHING,
): Promise<string | null> {
  const bytes = sealed.startsWith(VERSION) ? fromBase64Url(sealed.slice(VERSION.length)) : null;
  if (bytes === null || bytes.length < IV_BYTES + TAG_BYTES) {
    return null;
  }
  const imported = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const iv = bytes.slice(0, IV_BYTES);
  try {
    const algorithm = { name: "AES-GCM", iv, additionalData } as const;
    const plain = await crypto.subtle.decrypt(algorithm, imported, bytes.slice(IV_BYTES));
    return new TextDecoder().decode(new Uint8Array(plain));
  } catch {
    return null;
  }
}

const NOTHING: Bytes = new Uint8Array(0);
const VERSION = "v1.";
const IV_BYTES = 12;
const TAG_BYTES = 16;
