/**
 * The ticket: what a client presents as its SPICE password.
 *
 * A SPICE password holds at most 60 bytes (spice-protocol, SPICE_MAX_PASSWORD_LENGTH), too few for
 * a public-key signature, so a ticket carries a truncated HMAC whose key belongs to one relay and
 * one epoch. The relay can refuse forgeries and expired tickets alone; the full, publicly signed
 * decision is the grant. Layout, 53 characters in all:
 *
 *     kst1_  base64url( keyId 4 | ticketId 12 | expiresAt 4 | mac 16 )
 *
 * `expiresAt` is in whole seconds since 1970, big endian; the MAC covers the prefix and everything
 * before it. Nothing here reads a clock or makes randomness.
 */
import { assert } from "#shared/base/assert.ts";
import {
  type Bytes,
  concatBytes,
  equalBytes,
  fromBase64Url,
  toBase64Url,
  utf8,
} from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";

/** The MAC key of one relay in one epoch, and the 4-byte id that tickets name it by. */
export interface TicketKey {
  readonly keyId: Bytes;
  readonly key: Bytes;
}

export interface TicketFields {
  readonly ticketId: Bytes;
  /** Whole seconds since 1970 (unsigned 32 bits: until 2106). */
  readonly expiresAtS: number;
}

export interface ParsedTicket extends TicketFields {
  readonly keyId: Bytes;
  readonly mac: Bytes;
}

/** Why a ticket is refused by its text alone. */
export type TicketRefusal = "malformed" | "foreign" | "forged" | "expired";

/** Makes the ticket's text; the same inputs give the same ticket, so only they need be kept. */
export async function mintTicket(ticketKey: TicketKey, fields: TicketFields): Promise<string> {
  assert(ticketKey.keyId.length === KEY_ID_BYTES, "key id has a wrong length");
  assert(fields.ticketId.length === TICKET_ID_BYTES, "ticket id has a wrong length");
  assert(
    Number.isInteger(fields.expiresAtS) && fields.expiresAtS >= 0 && fields.expiresAtS < 2 ** 32,
    "expiry is not an unsigned 32-bit number of seconds",
  );
  const body = new Uint8Array(BODY_BYTES);
  body.set(ticketKey.keyId, 0);
  body.set(fields.ticketId, KEY_ID_BYTES);
  new DataView(body.buffer).setUint32(KEY_ID_BYTES + TICKET_ID_BYTES, fields.expiresAtS);
  const mac = await macOf(ticketKey.key, body);
  return TICKET_PREFIX + toBase64Url(concatBytes([body, mac]));
}

/** Splits a ticket into its fields without judging them; null when it is not a ticket at all. */
export function parseTicket(text: string): ParsedTicket | null {
  if (text.length !== TICKET_CHARACTERS || !text.startsWith(TICKET_PREFIX)) {
    return null;
  }
  const bytes = fromBase64Url(text.slice(TICKET_PREFIX.length));
  if (bytes === null || bytes.length !== BODY_BYTES + MAC_BYTES) {
    return null;
  }
  return {
    keyId: bytes.slice(0, KEY_ID_BYTES),
    ticketId: bytes.slice(KEY_ID_BYTES, KEY_ID_BYTES + TICKET_ID_BYTES),
    expiresAtS: new DataView(bytes.buffer).getUint32(KEY_ID_BYTES + TICKET_ID_BYTES),
    mac: bytes.slice(BODY_BYTES),
  };
}

/**
 * Judges a ticket by its MAC and nothing else: any of `keys` may have made it. Its expiry (the second
 * of `expiresAtS` is already too late) is judged apart, because a channel of a living session may
 * come long after it.
 */
export async function authenticateTicket(
  text: string,
  keys: readonly TicketKey[],
): Promise<Result<ParsedTicket, TicketRefusal>> {
  const ticket = parseTicket(text);
  if (ticket === null) {
    return fail("malformed");
  }
  const named = keys.find((candidate) => equalBytes(candidate.keyId, ticket.keyId));
  if (named === undefined) {
    return fail("foreign");
  }
  const body = fromBase64Url(text.slice(TICKET_PREFIX.length))?.slice(0, BODY_BYTES);
  assert(body !== undefined, "a parsed ticket decodes");
  return equalBytes(await macOf(named.key, body), ticket.mac) ? ok(ticket) : fail("forged");
}

/** What is stored and compared in a ticket's stead: base64url of its SHA-256. */
export async function hashTicket(text: string): Promise<string> {
  return toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text))));
}

/** Derives a relay's ticket key for an epoch from the control plane's root (HKDF-SHA-256). */
export async function deriveTicketKey(
  root: Bytes,
  relayId: string,
  epoch: number,
): Promise<TicketKey> {
  const bits = await deriveRelayBytes({ root, relayId, epoch, purpose: "ticket-mac" }, 36);
  return { key: bits.slice(0, 32), keyId: bits.slice(32) };
}

/** Derives the key that hypervisors' passwords are sealed with for a relay in an epoch (see seal.ts). */
export async function deriveSealKey(root: Bytes, relayId: string, epoch: number): Promise<Bytes> {
  return await deriveRelayBytes({ root, relayId, epoch, purpose: "target-seal" }, 32);
}

/** Secret bytes that belong to one relay, one epoch and one purpose (HKDF-SHA-256). */
async function deriveRelayBytes(
  of: {
    readonly root: Bytes;
    readonly relayId: string;
    readonly epoch: number;
    readonly purpose: "ticket-mac" | "target-seal";
  },
  bytes: number,
): Promise<Bytes> {
  assert(of.root.length >= ROOT_BYTES_MIN, "the ticket root holds at least 256 bits");
  const key = await crypto.subtle.importKey("raw", of.root, "HKDF", false, ["deriveBits"]);
  const info = utf8(`kerbside ${of.purpose} v1|${of.relayId}|${of.epoch}`);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info } as const;
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, bytes * 8));
}

async function macOf(key: Bytes, body: Bytes): Promise<Bytes> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  const whole = await crypto.subtle.sign("HMAC", imported, concatBytes([PREFIX_BYTES, body]));
  return new Uint8Array(whole).slice(0, MAC_BYTES);
}

/** Known to secret scanners; the digit is the layout's version. */
export const TICKET_PREFIX = "kst1_";
export const TICKET_ID_BYTES = 12;
/** A SPICE password's bound is 60 bytes; a ticket stays below it. */
export const TICKET_CHARACTERS = 53;
const PREFIX_BYTES = utf8(TICKET_PREFIX);
const KEY_ID_BYTES = 4;
const BODY_BYTES = KEY_ID_BYTES + TICKET_ID_BYTES + 4;
/** 128 bits: forging needs 2^127 tries on average against a key that lives for one epoch. */
const MAC_BYTES = 16;
const ROOT_BYTES_MIN = 32;
