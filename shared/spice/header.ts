/**
 * The header of every channel message, in its two forms (protocol.h, SpiceMiniDataHeader and
 * SpiceDataHeader). The splitter reads headers itself on the hot path; these are for whoever makes
 * or inspects single messages.
 */
import type { Bytes } from "#shared/base/bytes.ts";

import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** Mini headers are used when both sides state MINI_HEADER. */
export type HeaderKind = "mini" | "full";

/** type u16, size u32. */
export const MINI_HEADER_BYTES = 6;
/** serial u64, type u16, size u32, sub_list u32. */
export const FULL_HEADER_BYTES = 18;

export interface MiniHeader {
  readonly type: number;
  /** Bytes of the body that follows. */
  readonly sizeBytes: number;
}

export interface FullHeader extends MiniHeader {
  readonly serial: bigint;
  /** Where in the body a list of sub-messages begins, or 0 for none. */
  readonly subListOffset: number;
}

/** @throws {SpiceError} message.size-unlawful when fewer than six bytes are there. */
export function decodeMiniHeader(bytes: Uint8Array): MiniHeader {
  const reader = new ByteReader(bytes, "message.size-unlawful");
  return { type: reader.u16(), sizeBytes: reader.u32() };
}

export function encodeMiniHeader(header: MiniHeader): Bytes {
  return new ByteWriter(MINI_HEADER_BYTES).u16(header.type).u32(header.sizeBytes).finish();
}

/** @throws {SpiceError} message.size-unlawful when fewer than eighteen bytes are there. */
export function decodeFullHeader(bytes: Uint8Array): FullHeader {
  const reader = new ByteReader(bytes, "message.size-unlawful");
  return {
    serial: reader.u64(),
    type: reader.u16(),
    sizeBytes: reader.u32(),
    subListOffset: reader.u32(),
  };
}

export function encodeFullHeader(header: FullHeader): Bytes {
  return new ByteWriter(FULL_HEADER_BYTES)
    .u64(header.serial)
    .u16(header.type)
    .u32(header.sizeBytes)
    .u32(header.subListOffset)
    .finish();
}
