/**
 * Little-endian numbers straight from a byte array, for callers that have checked the bounds
 * already: no view is made and nothing is allocated, because the pump does this for each message.
 */

/** The unsigned 16-bit number at `offset`; the caller has checked that two bytes are there. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
}

/** The unsigned 32-bit number at `offset`; the caller has checked that four bytes are there. */
export function readU32(bytes: Uint8Array, offset: number): number {
  // Why `>>> 0`: a JavaScript bit operation yields a signed number, and sizes go up to 2^32-1.
  return (readU16(bytes, offset) | (readU16(bytes, offset + 2) << 16)) >>> 0;
}

/** Puts an unsigned 16-bit number at `offset`; the caller has checked room and range. */
export function putU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value & 0xff;
  bytes[offset + 1] = value >>> 8;
}

/** Puts an unsigned 32-bit number at `offset`; the caller has checked room and range. */
export function putU32(bytes: Uint8Array, offset: number, value: number): void {
  putU16(bytes, offset, value & 0xffff);
  putU16(bytes, offset + 2, value >>> 16);
}
