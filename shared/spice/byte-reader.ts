/**
 * Reads hostile bytes in order, little endian, within bounds. A read that fails throws a
 * SpiceError with its numbers and moves nothing. It never copies and never holds more than the
 * array it was given.
 */
import { SpiceError, type SpiceErrorCode } from "./errors.ts";
import { readU16, readU32 } from "./little-endian.ts";

/** A position in a byte array that only moves forward over bytes that exist. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #code: SpiceErrorCode;
  #offset = 0;

  /** `code` is thrown by a read past the end: it says whose bytes these are. */
  constructor(bytes: Uint8Array, code: SpiceErrorCode = "link.malformed") {
    this.#bytes = bytes;
    this.#code = code;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes left to read. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#bytes[this.#take(1)] ?? 0;
  }

  u16(): number {
    return readU16(this.#bytes, this.#take(2));
  }

  u32(): number {
    return readU32(this.#bytes, this.#take(4));
  }

  u64(): bigint {
    const at = this.#take(8);
    return BigInt(readU32(this.#bytes, at)) | (BigInt(readU32(this.#bytes, at + 4)) << 32n);
  }

  /** A view, not a copy, of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** Moves to `offset` from the start, which may be the end but not beyond it. */
  seek(offset: number): void {
    if (offset < 0 || offset > this.#bytes.length) {
      throw new SpiceError(this.#code, { offset, needed: 0, available: this.#bytes.length });
    }
    this.#offset = offset;
  }

  /** Passes `count` bytes and returns where they began. */
  #take(count: number): number {
    const at = this.#offset;
    if (count < 0 || count > this.#bytes.length - at) {
      throw new SpiceError(this.#code, {
        offset: at,
        needed: count,
        available: this.#bytes.length - at,
      });
    }
    this.#offset = at + count;
    return at;
  }
}
