/**
 * Passwords of local users: scrypt with N=2^14, r=8, p=5 (one of OWASP's equivalents for 16 MiB).
 * The parameters stand in the stored string, so that they can grow without a migration. Judging
 * takes the same time whether or not there is such a user.
 *
 *     scrypt$ln=14,r=8,p=5$ base64url(salt 16) $ base64url(hash 32)
 */
// oxlint-disable-next-line typescript/triple-slash-reference -- an ambient module has no import
/// <reference path="./node-crypto.d.ts" />
import { scrypt, timingSafeEqual } from "node:crypto";
import { assert } from "#shared/base/assert.ts";
import { type Bytes, fromBase64Url, toBase64Url } from "#shared/base/bytes.ts";
import type { RandomBytes } from "#shared/base/ids.ts";

/** The string to store. Takes about 130 ms of processor time, as it must. */
export async function hashPassword(password: string, randomBytes: RandomBytes): Promise<string> {
  const salt = Uint8Array.from(randomBytes(SALT_BYTES));
  assert(salt.length === SALT_BYTES, "randomBytes returned another length than asked for");
  return formatHash(COST, salt, await derive(password, salt, COST));
}

/** Whether the password is the stored one. Null stands for an unknown user: as slow, and false. */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const parsed = parseHash(stored ?? NOBODYS_HASH);
  assert(parsed !== null, "a stored password hash has the form that hashPassword wrote");
  const key = await derive(password, parsed.salt, parsed.cost);
  return timingSafeEqual(key, parsed.hash) && stored !== null;
}

interface Cost {
  /** Logarithm of N. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

interface ParsedHash {
  readonly cost: Cost;
  readonly salt: Bytes;
  readonly hash: Bytes;
}

function derive(password: string, salt: Bytes, cost: Cost): Promise<Uint8Array> {
  const options = { N: 2 ** cost.ln, r: cost.r, p: cost.p, maxmem: MEMORY_BYTES_MAX };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFC"), salt, HASH_BYTES, options, (error, key) => {
      if (error === null) {
        resolve(key);
      } else {
        reject(error);
      }
    });
  });
}

function formatHash(cost: Cost, salt: Bytes, hash: Uint8Array): string {
  const parameters = `ln=${cost.ln},r=${cost.r},p=${cost.p}`;
  return ["scrypt", parameters, toBase64Url(salt), toBase64Url(hash)].join("$");
}

function parseHash(stored: string): ParsedHash | null {
  const parts = HASH_PATTERN.exec(stored);
  const salt = fromBase64Url(parts?.[4] ?? "");
  const hash = fromBase64Url(parts?.[5] ?? "");
  if (parts === null || salt?.length !== SALT_BYTES || hash?.length !== HASH_BYTES) {
    return null;
  }
  return { cost: { ln: Number(parts[1]), r: Number(parts[2]), p: Number(parts[3]) }, salt, hash };
}

const HASH_PATTERN = /^scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]+)\$([\w-]+)$/;
const COST: Cost = { ln: 14, r: 8, p: 5 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** scrypt needs 128 * N * r bytes (16 MiB) and a little for p; Node's own bound is 32 MiB. */
const MEMORY_BYTES_MAX = 32 * 1024 * 1024;
/** Compared against for unknown users; its outcome is never used. */
const NOBODYS_HASH = formatHash(COST, new Uint8Array(SALT_BYTES), new Uint8Array(HASH_BYTES));
