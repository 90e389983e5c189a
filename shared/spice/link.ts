/**
 * The SPICE link: what client and server say before a channel's messages begin. Layouts are those
 * of spice-protocol's protocol.h, all little endian and packed.
 *
 *     client  header 16, SpiceLinkMess           (who, which channel, capabilities)
 *     server  header 16, SpiceLinkReply          (error, RSA public key, capabilities)
 *     client  authentication mechanism 4, encrypted ticket 128
 *     server  result 4
 *
 * Parsing throws a SpiceError whose code says which side broke the protocol. A header is judged
 * before its body arrives, counts before anything is allocated. Nothing here decrypts.
 */
import { assert } from "#shared/base/assert.ts";
import type { Bytes } from "#shared/base/bytes.ts";

import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { CapabilitySet } from "./capabilities.ts";
import { SpiceError, type SpiceErrorCode } from "./errors.ts";

/** protocol.h, SPICE_MAGIC: "REDQ". */
export const LINK_MAGIC = 0x51444552;
/** protocol.h, SPICE_VERSION_MAJOR and _MINOR. */
export const LINK_MAJOR = 2;
export const LINK_MINOR = 2;
/** protocol.h, sizeof(SpiceLinkHeader). */
export const LINK_HEADER_BYTES = 16;
/**
 * The longest link body that is read, either way. It bounds what a stranger can make us hold before
 * we know him. spice-server takes no longer one; it is room for 1,000 capability words where
 * today's clients send two.
 */
export const LINK_MESSAGE_BYTES_MAX = 4096;
/** protocol.h, SPICE_TICKET_PUBKEY_BYTES: a DER SubjectPublicKeyInfo of RSA-1024. */
export const PUBLIC_KEY_BYTES = 162;
/** protocol.h, SPICE_TICKET_KEY_PAIR_LENGTH / 8. */
export const ENCRYPTED_TICKET_BYTES = 128;
/** protocol.h, SPICE_MAX_PASSWORD_LENGTH, without the NUL that ends it. */
export const PASSWORD_BYTES_MAX = 60;
/** protocol.h, sizeof(SpiceLinkAuthMechanism). */
export const AUTH_MECHANISM_BYTES = 4;
/** The server's last word of the link, one u32 of LINK_ERROR. */
export const LINK_RESULT_BYTES = 4;

/** enums.h, SPICE_LINK_ERR_*. */
export const LINK_ERROR = {
  OK: 0,
  ERROR: 1,
  INVALID_MAGIC: 2,
  INVALID_DATA: 3,
  VERSION_MISMATCH: 4,
  NEED_SECURED: 5,
  NEED_UNSECURED: 6,
  PERMISSION_DENIED: 7,
  BAD_CONNECTION_ID: 8,
  CHANNEL_NOT_AVAILABLE: 9,
} as const;

export type LinkErrorName = keyof typeof LINK_ERROR;

/** Authentication mechanisms: the numbers of the common capability bits AUTH_SPICE, AUTH_SASL. */
export const AUTH_MECHANISM = { spice: 1, sasl: 2 } as const;

/** Who sent the bytes; decides the error's code. */
export type LinkSide = "client" | "server";

export interface LinkHeader {
  readonly major: number;
  readonly minor: number;
  /** Bytes of the body that follows. */
  readonly sizeBytes: number;
}

export interface LinkMessage {
  /** 0 opens a session; any other is the session id that MAIN_INIT gave out. */
  readonly connectionId: number;
  /** A number of CHANNEL_TYPE, or one that SPICE does not define: the caller judges. */
  readonly channelType: number;
  readonly channelId: number;
  readonly commonCapabilities: CapabilitySet;
  readonly channelCapabilities: CapabilitySet;
}

export interface LinkReply {
  /** A number of LINK_ERROR, or an unknown one. */
  readonly error: number;
  /** PUBLIC_KEY_BYTES of DER; zeros when `error` is not OK or the server wants SASL. */
  readonly publicKey: Uint8Array;
  readonly commonCapabilities: CapabilitySet;
  readonly channelCapabilities: CapabilitySet;
}

/**
 * The 16 bytes that begin either side's part of the link. Judged in this order: magic, major
 * version, size. The minor version is given back unjudged, as spice-server and spice-gtk do.
 * @throws {SpiceError} link.magic-invalid, link.version-mismatch or link.malformed; for a server
 * always server.malformed.
 */
export function parseLinkHeader(bytes: Uint8Array, sentBy: LinkSide = "client"): LinkHeader {
  const code = (client: SpiceErrorCode): SpiceErrorCode =>
    sentBy === "client" ? client : "server.malformed";
  const reader = new ByteReader(bytes, code("link.malformed"));
  const magic = reader.u32();
  if (magic !== LINK_MAGIC) {
    throw new SpiceError(code("link.magic-invalid"), { offset: 0, value: magic });
  }
  const major = reader.u32();
  if (major !== LINK_MAJOR) {
    throw new SpiceError(code("link.version-mismatch"), { offset: 4, value: major });
  }
  const minor = reader.u32();
  const sizeBytes = reader.u32();
  const needed = sentBy === "client" ? MESSAGE_FIXED_BYTES : REPLY_FIXED_BYTES;
  if (sizeBytes < needed || sizeBytes > LINK_MESSAGE_BYTES_MAX) {
    throw new SpiceError(code("link.malformed"), {
      offset: 12,
      needed,
      available: sizeBytes,
      max: LINK_MESSAGE_BYTES_MAX,
    });
  }
  return { major, minor, sizeBytes };
}

/**
 * A client's link message without its header.
 * @throws {SpiceError} link.malformed
 */
export function parseLinkMessage(body: Uint8Array): LinkMessage {
  const reader = new ByteReader(body, "link.malformed");
  const connectionId = reader.u32();
  const channelType = reader.u8();
  const channelId = reader.u8();
  return { connectionId, channelType, channelId, ...readCapabilities(reader, "link.malformed") };
}

/** A client's link message with its header. */
export function encodeLinkMessage(message: LinkMessage): Bytes {
  const writer = beginLink(MESSAGE_FIXED_BYTES, message)
    .u32(message.connectionId)
    .u8(message.channelType)
    .u8(message.channelId);
  return finishLink(writer, MESSAGE_FIXED_BYTES, message);
}

/**
 * A server's link reply without its header. One with an error holds nothing else worth judging, so
 * its capabilities are not read.
 * @throws {SpiceError} server.malformed
 */
export function parseLinkReply(body: Uint8Array): LinkReply {
  const reader = new ByteReader(body, "server.malformed");
  const error = reader.u32();
  const publicKey = reader.bytes(PUBLIC_KEY_BYTES);
  if (error !== LINK_ERROR.OK) {
    reader.bytes(CAPABILITY_COUNTS_BYTES);
    return { error, publicKey, commonCapabilities: [], channelCapabilities: [] };
  }
  return { error, publicKey, ...readCapabilities(reader, "server.malformed") };
}

/** A server's link reply with its header. */
export function encodeLinkReply(reply: LinkReply): Bytes {
  assert(reply.publicKey.length === PUBLIC_KEY_BYTES, "public key has a wrong length");
  const writer = beginLink(REPLY_FIXED_BYTES, reply).u32(reply.error).bytes(reply.publicKey);
  return finishLink(writer, REPLY_FIXED_BYTES, reply);
}

/** A link reply, with its header, that refuses: no key, no capabilities. */
export function encodeLinkError(error: number): Bytes {
  return encodeLinkReply({
    error,
    publicKey: new Uint8Array(PUBLIC_KEY_BYTES),
    commonCapabilities: [],
    channelCapabilities: [],
  });
}

/**
 * The client's choice of authentication, a number of AUTH_MECHANISM or an unknown one.
 * @throws {SpiceError} link.malformed
 */
export function parseAuthMechanism(bytes: Uint8Array): number {
  return new ByteReader(bytes, "link.malformed").u32();
}

export function encodeAuthMechanism(mechanism: number): Bytes {
  return new ByteWriter(AUTH_MECHANISM_BYTES).u32(mechanism).finish();
}

/**
 * The server's verdict on the ticket, a number of LINK_ERROR or an unknown one.
 * @throws {SpiceError} server.malformed
 */
export function parseLinkResult(bytes: Uint8Array): number {
  return new ByteReader(bytes, "server.malformed").u32();
}

export function encodeLinkResult(result: number): Bytes {
  return new ByteWriter(LINK_RESULT_BYTES).u32(result).finish();
}

/** The name of a link error for logs, or null for a number that SPICE does not define. */
export function linkErrorName(error: number): LinkErrorName | null {
  return LINK_ERROR_NAMES.find((name) => LINK_ERROR[name] === error) ?? null;
}

interface BothCapabilities {
  readonly commonCapabilities: CapabilitySet;
  readonly channelCapabilities: CapabilitySet;
}

/** Reads the two counts, the offset of the words and the words; the offset is from the body. */
function readCapabilities(reader: ByteReader, code: SpiceErrorCode): BothCapabilities {
  const commonCount = reader.u32();
  const channelCount = reader.u32();
  const offset = reader.u32();
  const fixedBytes = reader.offset;
  const bodyBytes = fixedBytes + reader.remaining;
  // Counts are below 2^32 each, so their sum times four is exact: no overflow can hide here. An
  // offset past the end leaves less than nothing.
  const needed = (commonCount + channelCount) * 4;
  if (needed > bodyBytes - offset || (needed > 0 && offset < fixedBytes)) {
    throw new SpiceError(code, { offset, needed, available: bodyBytes });
  }
  reader.seek(offset);
  return {
    commonCapabilities: readWords(reader, commonCount),
    channelCapabilities: readWords(reader, channelCount),
  };
}

function readWords(reader: ByteReader, count: number): CapabilitySet {
  return Array.from({ length: count }, () => reader.u32());
}

function beginLink(fixedBytes: number, capabilities: BothCapabilities): ByteWriter {
  const sizeBytes =
    fixedBytes +
    4 * (capabilities.commonCapabilities.length + capabilities.channelCapabilities.length);
  assert(sizeBytes <= LINK_MESSAGE_BYTES_MAX, "link message longer than peers may read");
  return new ByteWriter(LINK_HEADER_BYTES + sizeBytes)
    .u32(LINK_MAGIC)
    .u32(LINK_MAJOR)
    .u32(LINK_MINOR)
    .u32(sizeBytes);
}

function finishLink(writer: ByteWriter, fixedBytes: number, both: BothCapabilities): Bytes {
  writer.u32(both.commonCapabilities.length).u32(both.channelCapabilities.length).u32(fixedBytes);
  for (const word of [...both.commonCapabilities, ...both.channelCapabilities]) {
    writer.u32(word);
  }
  return writer.finish();
}

const LINK_ERROR_NAMES = Object.keys(LINK_ERROR) as LinkErrorName[];
/** Two counts and the offset of the words. */
const CAPABILITY_COUNTS_BYTES = 12;
/** protocol.h, sizeof(SpiceLinkMess). */
const MESSAGE_FIXED_BYTES = 6 + CAPABILITY_COUNTS_BYTES;
/** protocol.h, sizeof(SpiceLinkReply). */
const REPLY_FIXED_BYTES = 4 + PUBLIC_KEY_BYTES + CAPABILITY_COUNTS_BYTES;
