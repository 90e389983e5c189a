import { describe, expect, it } from "vitest";

import { AssertionError } from "#shared/base/assert.ts";
import { ByteReader } from "#shared/spice/byte-reader.ts";
import { ByteWriter } from "#shared/spice/byte-writer.ts";
import { SpiceError } from "#shared/spice/errors.ts";

import { hex, thrownBy } from "./hex.ts";

describe("ByteReader", () => {
  it("reads little endian, in order, up to the largest numbers", () => {
    const reader = new ByteReader(hex("fe 0180 ffffffff 0100000000000080 aabb"));
    expect(reader.u8()).toBe(0xfe);
    expect(reader.u16()).toBe(0x8001);
    expect(reader.u32()).toBe(0xffff_ffff);
    expect(reader.u64()).toBe(0x8000_0000_0000_0001n);
    expect([...reader.bytes(2)]).toEqual([0xaa, 0xbb]);
    expect(reader.remaining).toBe(0);
  });

  it("hands out views, not copies", () => {
    const bytes = hex("00 11 22");
    expect(new ByteReader(bytes).bytes(2).buffer).toBe(bytes.buffer);
  });

  it("reads within a view that does not begin its buffer", () => {
    const whole = hex("ff 01020304 ff");
    expect(new ByteReader(whole.subarray(1, 5)).u32()).toBe(0x0403_0201);
  });

  it.each([
    ["u8", 0, 1, (reader: ByteReader) => reader.u8()],
    ["u16", 1, 2, (reader: ByteReader) => reader.u16()],
    ["u32", 3, 4, (reader: ByteReader) => reader.u32()],
    ["u64", 7, 8, (reader: ByteReader) => reader.u64()],
    ["bytes", 2, 2 ** 32 - 1, (reader: ByteReader) => reader.bytes(2 ** 32 - 1)],
    ["negative", 2, -1, (reader: ByteReader) => reader.bytes(-1)],
  ])("moves nothing when %s does not fit", (_name, available, needed, read) => {
    const reader = new ByteReader(new Uint8Array(available + 1), "server.malformed");
    reader.u8();
    const error = thrownBy(() => read(reader));
    expect(error).toBeInstanceOf(SpiceError);
    expect(error).toMatchObject({
      code: "server.malformed",
      numbers: { offset: 1, needed, available },
    });
    expect(reader.offset).toBe(1);
    expect(reader.remaining).toBe(available);
  });

  it("seeks up to the end and no further", () => {
    const reader = new ByteReader(hex("01 02"));
    reader.seek(2);
    expect(reader.remaining).toBe(0);
    expect(() => reader.seek(3)).toThrow(SpiceError);
    expect(() => reader.seek(-1)).toThrow(SpiceError);
    expect(reader.offset).toBe(2);
  });
});

describe("ByteWriter", () => {
  it("lays numbers out little endian", () => {
    const bytes = new ByteWriter(17)
      .u8(0xfe)
      .u16(0x8001)
      .u32(0xffff_fffe)
      .u64(0x8000_0000_0000_0001n)
      .bytes(hex("aabb"))
      .finish();
    expect(bytes).toEqual(hex("fe 0180 feffffff 0100000000000080 aabb"));
  });

  it.each([
    ["too large", () => new ByteWriter(1).u8(256)],
    ["negative", () => new ByteWriter(4).u32(-1)],
    ["fractional", () => new ByteWriter(2).u16(0.5)],
    ["beyond 64 bits", () => new ByteWriter(8).u64(1n << 64n)],
    ["past the end", () => new ByteWriter(1).u16(1)],
    ["unfinished", () => new ByteWriter(1).finish()],
  ])("treats a number %s as a bug", (_name, write) => {
    expect(write).toThrow(AssertionError);
  });
});
