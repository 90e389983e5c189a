import { describe, expect, it } from "vitest";

import { AssertionError } from "#shared/base/assert.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import { type BodyChoice, Splitter, type SplitterVisitor } from "#shared/spice/splitter.ts";

import { hex } from "./hex.ts";

/** Writes down all that it is told, in order. */
class Recorder implements SplitterVisitor {
  readonly seen: string[] = [];
  readonly #choose: (type: number) => BodyChoice;

  constructor(choose: (type: number) => BodyChoice = () => "observe") {
    this.#choose = choose;
  }

  onHeader(type: number, sizeBytes: number): BodyChoice {
    this.seen.push(`${type}:${sizeBytes}`);
    return this.#choose(type);
  }

  onBody(part: Uint8Array, offsetInBody: number): void {
    this.seen.push(`@${offsetInBody} ${[...part].map((byte) => byte.toString(16)).join(" ")}`);
  }
}

const STREAM = hex(`
  03 00  08 00 00 00   01 00 00 00 14 00 00 00   # SET_ACK
  66 00  00 00 00 00                             # an empty body
  04 00  0c 00 00 00   07 00 00 00 11 22 33 44 55 66 77 88
`);

describe("Splitter with mini headers", () => {
  it("tells each header once, then its body, in one chunk", () => {
    const recorder = new Recorder();
    const splitter = new Splitter("mini");
    splitter.push(STREAM, recorder);
    expect(recorder.seen).toEqual([
      "3:8",
      "@0 1 0 0 0 14 0 0 0",
      "102:0",
      "4:12",
      "@0 7 0 0 0 11 22 33 44 55 66 77 88",
    ]);
    expect(splitter.atBoundary).toBe(true);
    expect(splitter.messages).toBe(3);
    expect(splitter.serial).toBe(3n);
    expect(splitter.subListOffset).toBe(0);
  });

  it("tells the same headers one byte at a time, each before its body", () => {
    const recorder = new Recorder();
    const splitter = new Splitter("mini");
    for (const byte of STREAM) {
      splitter.push(Uint8Array.of(byte), recorder);
    }
    expect(recorder.seen.filter((line) => !line.startsWith("@"))).toEqual(["3:8", "102:0", "4:12"]);
    expect(recorder.seen.slice(0, 4)).toEqual(["3:8", "@0 1", "@1 0", "@2 0"]);
    expect(recorder.seen).toHaveLength(3 + 20);
  });

  it("tells the same over two chunks, wherever they are cut", () => {
    for (let cut = 0; cut <= STREAM.length; cut += 1) {
      const recorder = new Recorder(() => "pass");
      const splitter = new Splitter("mini");
      splitter.push(STREAM.subarray(0, cut), recorder);
      splitter.push(STREAM.subarray(cut), recorder);
      expect(recorder.seen).toEqual(["3:8", "102:0", "4:12"]);
      expect(splitter.atBoundary).toBe(true);
    }
  });

  it("knows at each byte whether a message ends there", () => {
    const ends = new Set([0, 14, 20, 38]);
    for (let length = 0; length <= STREAM.length; length += 1) {
      const splitter = new Splitter("mini");
      splitter.push(STREAM.subarray(0, length), new Recorder(() => "pass"));
      expect(splitter.atBoundary, `after ${length} bytes`).toBe(ends.has(length));
    }
  });

  it("shows only the bodies that were asked for", () => {
    const recorder = new Recorder((type) => (type === 4 ? "observe" : "pass"));
    new Splitter("mini").push(STREAM, recorder);
    expect(recorder.seen).toEqual(["3:8", "102:0", "4:12", "@0 7 0 0 0 11 22 33 44 55 66 77 88"]);
  });

  it("hands on views of the chunk, never copies", () => {
    const parts: Uint8Array[] = [];
    new Splitter("mini").push(STREAM, {
      onHeader: () => "observe",
      onBody: (part) => parts.push(part),
    });
    expect(parts.map((part) => part.buffer)).toEqual([STREAM.buffer, STREAM.buffer]);
    expect(parts.map((part) => part.byteOffset)).toEqual([6, 26]);
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])("passes a body of %i bytes", (sizeBytes) => {
    const header = new Uint8Array(6);
    new DataView(header.buffer).setUint16(0, 304, true);
    new DataView(header.buffer).setUint32(2, sizeBytes, true);
    const recorder = new Recorder(() => "pass");
    const splitter = new Splitter("mini");
    splitter.push(header, recorder);
    const chunk = new Uint8Array(64 * 1024 * 1024);
    let left = sizeBytes;
    while (left > 0) {
      expect(splitter.atBoundary).toBe(false);
      const count = Math.min(left, chunk.length);
      splitter.push(chunk.subarray(0, count), recorder);
      left -= count;
    }
    expect(splitter.atBoundary).toBe(true);
    splitter.push(STREAM, recorder);
    expect(recorder.seen).toEqual([`304:${sizeBytes}`, "3:8", "102:0", "4:12"]);
  });

  it("passes bodies without looking at their bytes", () => {
    const bytes = new Uint8Array(1000);
    bytes.set([101, 0, 0xe2, 0x03, 0, 0]); // 994 bytes follow
    const touched = new Proxy(bytes, {
      get(target, key) {
        if (typeof key === "string" && /^[0-9]+$/.test(key) && Number(key) >= 6) {
          throw new Error(`byte ${key} of a passed body was read`);
        }
        return Reflect.get(target, key, target);
      },
    });
    const splitter = new Splitter("mini");
    splitter.push(touched, new Recorder(() => "pass"));
    expect(splitter.atBoundary).toBe(true);
    expect(splitter.messages).toBe(1);
  });

  it("ends with what the visitor throws, before any byte of the body", () => {
    const bodies: number[] = [];
    const splitter = new Splitter("mini");
    const visitor: SplitterVisitor = {
      onHeader: (type) => {
        if (type === 4) {
          throw new SpiceError("message.type-unknown", { value: type });
        }
        return "observe";
      },
      onBody: (part) => bodies.push(part.length),
    };
    expect(() => splitter.push(STREAM, visitor)).toThrow("message.type-unknown (value 4)");
    expect(bodies).toEqual([8]);
    expect(() => splitter.push(STREAM, visitor)).toThrow(AssertionError);
  });

  it("takes empty chunks anywhere", () => {
    const recorder = new Recorder();
    const splitter = new Splitter("mini");
    splitter.push(new Uint8Array(0), recorder);
    splitter.push(STREAM.subarray(0, 3), recorder);
    splitter.push(new Uint8Array(0), recorder);
    expect(recorder.seen).toEqual([]);
    expect(splitter.atBoundary).toBe(false);
  });
});

describe("Splitter with full headers", () => {
  const stream = hex(`
    01 00 00 00 00 00 00 80  67 00  02 00 00 00  00 00 00 00  aa bb
    02 00 00 00 00 00 00 80  69 00  01 00 00 00  ff ff ff ff  cc
  `);

  it("tells each header where its sub-messages are listed", () => {
    const offsets: number[] = [];
    new Splitter("full").push(stream, {
      onHeader(_type, _sizeBytes, subListOffset) {
        offsets.push(subListOffset);
        return "pass";
      },
      onBody() {},
    });
    expect(offsets).toEqual([0, 0xffff_ffff]);
  });

  it("tells headers, bodies, serials and sub-lists, whole and cut anywhere", () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const recorder = new Recorder(() => "pass");
      const splitter = new Splitter("full");
      splitter.push(stream.subarray(0, cut), recorder);
      splitter.push(stream.subarray(cut), recorder);
      expect(recorder.seen).toEqual(["103:2", "105:1"]);
      expect(splitter.serial).toBe(0x8000_0000_0000_0002n);
      expect(splitter.subListOffset).toBe(0xffff_ffff);
      expect(splitter.atBoundary).toBe(true);
    }
  });
});
