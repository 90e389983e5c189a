/**
 * Opaque ids: a short prefix that says what kind of thing it is, then 128 random bits. The prefix
 * is for people who read logs; nothing may be derived from the rest.
 */
import { assert } from "./assert.ts";
import { toBase64Url } from "./bytes.ts";

export const ID_PREFIX = {
  user: "usr",
  group: "grp",
  login: "lgn",
  apiToken: "tok",
  source: "src",
  console: "con",
  accessRule: "acr",
  share: "shr",
  site: "sit",
  relay: "rly",
  joinToken: "jtk",
  session: "ses",
  grant: "grt",
  policy: "pol",
  attachment: "att",
  audit: "aud",
  channel: "chn",
  stream: "str",
  request: "req",
  webhook: "whk",
  message: "msg",
} as const;

export type IdKind = keyof typeof ID_PREFIX;

/** Fills and returns an array of `count` random bytes; the runtime's edge provides it. */
export type RandomBytes = (count: number) => Uint8Array;

/** A new id such as `ses_k3X…`: prefix, underscore, 22 base64url characters. */
export function newId(kind: IdKind, randomBytes: RandomBytes): string {
  const bytes = randomBytes(ID_RANDOM_BYTES);
  assert(bytes.length === ID_RANDOM_BYTES, "randomBytes returned another length than asked for");
  return `${ID_PREFIX[kind]}_${toBase64Url(bytes)}`;
}

/** Whether `text` has the form of an id of that kind. */
export function isId(kind: IdKind, text: string): boolean {
  return new RegExp(`^${ID_PREFIX[kind]}_[A-Za-z0-9_-]{22}$`).test(text);
}

const ID_RANDOM_BYTES = 16;
