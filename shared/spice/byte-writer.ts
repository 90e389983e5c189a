/**
 * Writes little-endian fields into an array whose size is known beforehand. A wrong size or a
 * number out of range is a bug of ours and asserts: nothing here judges a peer's bytes.
 */
import { assert } from "#shared/base/assert.ts";
import type { Bytes } from "#shared/base/bytes.ts";

import { putU16, putU32 } from "./little-endian.ts";

/** Fills exactly `sizeBytes` bytes, in order. */
export class ByteWriter {
  readonly #bytes: Bytes;
  #offset = 0;

  constructor(sizeBytes: number) {
    this.#bytes = new Uint8Array(sizeBytes);
  }

  u8(value: number): this {
    this.#bytes[this.#take(1, value, 0xff)] = value;
    return this;
  }

  u16(value: number): this {
    putU16(this.#bytes, this.#take(2, value, 0xffff), value);
    return this;
  }

  u32(value: number): this {
    putU32(this.#bytes, this.#take(4, value, 0xffff_ffff), value);
    return this;
  }

  u64(value: bigint): this {
    assert(value >= 0n && value < 1n << 64n, "number does not fit its field");
    return this.u32(Number(value & 0xffff_ffffn)).u32(Number(value >> 32n));
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#take(value.length));
    return this;
  }

  /** The array, once it is full. */
  finish(): Bytes {
    assert(this.#offset === this.#bytes.length, "fewer bytes written than announced");
    return this.#bytes;
  }

  #take(count: number, value = 0, valueMax = 0): number {
    assert(Number.isInteger(value) && value >= 0 && value <= valueMax, "number out of range");
    assert(count <= this.#bytes.length - this.#offset, "more bytes written than announced");
    const at = this.#offset;
    this.#offset += count;
    return at;
  }
}
