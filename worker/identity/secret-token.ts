/**
 * Opaque credentials that the control plane gives out: a prefix that secret scanners can know, then
 * 256 random bits. They are shown once and stored as a hash; a fast hash is enough because nobody
 * can guess 256 bits.
 */
import { assert } from "#shared/base/assert.ts";
import { toBase64Url, utf8 } from "#shared/base/bytes.ts";
import type { RandomBytes } from "#shared/base/ids.ts";

/** The digit is the layout's version. */
const SECRET_TOKEN_PREFIX = {
  /** What a login gives: Authorization header and cookie. */
  bearer: "kbt1_",
  /** A program's, with a part of its user's permissions: Authorization header. */
  apiToken: "kat1_",
  /** The one-time address of a console file. */
  consoleFile: "kvv1_",
  /** A link that opens one console for a guest. */
  shareLink: "ksl1_",
  /** Lets one new relay enrol. */
  joinToken: "kjt1_",
} as const;

type SecretTokenKind = keyof typeof SECRET_TOKEN_PREFIX;

export function newSecretToken(kind: SecretTokenKind, randomBytes: RandomBytes): string {
  const bytes = randomBytes(SECRET_BYTES);
  assert(bytes.length === SECRET_BYTES, "randomBytes returned another length than asked for");
  return SECRET_TOKEN_PREFIX[kind] + toBase64Url(bytes);
}

/** Whether `text` has the form of such a token; others need no look into the database. */
export function isSecretToken(kind: SecretTokenKind, text: string): boolean {
  const prefix = SECRET_TOKEN_PREFIX[kind];
  return text.startsWith(prefix) && SECRET_PATTERN.test(text.slice(prefix.length));
}

/** What is stored in the token's stead: base64url of its SHA-256. */
export async function hashSecretToken(text: string): Promise<string> {
  return toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text))));
}

const SECRET_BYTES = 32;
const SECRET_PATTERN = /^[A-Za-z0-9_-]{43}$/;
