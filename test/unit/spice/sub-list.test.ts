/** Lists of sub-messages, laid out by hand as libspice-server 0.15 lays them out, and otherwise. */
import { describe, expect, it } from "vitest";
import { messageIndex } from "#shared/spice/channel-table.ts";
import { SUB_LIST_REACH_BYTES, SUB_MESSAGES_MAX, SubListReader } from "#shared/spice/sub-list.ts";
import { hex, thrownBy } from "./hex.ts";

/** Cache invalidation as a LIST with mini headers: the wait is listed first and stands last. */
const LIST = hex(`
  02 00  29 00 00 00  0a 00 00 00             # two, at 41 and at 10
  69 00  28 00 00 00                          # INVAL_LIST, declared as 8 + 2 * 16
    02 00  01 11 11 11 11 11 11 11 11  01 22 22 22 22 22 22 22 22   # 20 bytes are sent
  00 00 00 00 00                              # nothing that is listed
  05 00  18 00 00 00                          # WAIT_FOR_CHANNELS, declared as 8 + 16: past the end
    01  02 01 33 33 33 33 33 33 33 33         # 11 bytes are sent
`);

/** The same after a draw, under a full header: first what is listed, then the list, at 54. */
const DRAW_AND_LIST = hex(`
  aa aa aa aa aa aa aa aa aa aa               # the draw
  69 00  28 00 00 00
    02 00  01 11 11 11 11 11 11 11 11  01 22 22 22 22 22 22 22 22
  05 00  18 00 00 00
    01  02 01 33 33 33 33 33 33 33 33
  00                                          # nothing that is listed
  02 00  24 00 00 00  0a 00 00 00             # two, at 36 and at 10
`);
const DRAW_LIST_AT = 54;

/** Names of the sub-messages found, when the body comes in parts that end at the cuts. */
function namesIn(body: Uint8Array, listAt: number, cuts: readonly number[] = []): string[] {
  const names: string[] = [];
  const reader = new SubListReader({
    rows: messageIndex("display", "server"),
    onSubMessage: (row) => names.push(row.name),
  });
  reader.begin(body.length, listAt);
  let at = 0;
  for (const cut of [...cuts, body.length]) {
    if (cut > at) {
      reader.push(body.subarray(at, cut), at);
      at = cut;
    }
  }
  return names;
}

/** `body` with other bytes from `at` on. */
function patched(body: Uint8Array, at: number, text: string): Uint8Array {
  const copy = body.slice();
  copy.set(hex(text), at);
  return copy;
}

const BOTH = ["DISPLAY_INVAL_LIST", "WAIT_FOR_CHANNELS"];

describe("a list of sub-messages", () => {
  it("at the body's start is read, whole, cut anywhere and a byte at a time", () => {
    expect(namesIn(LIST, 0)).toEqual(BOTH);
    for (let cut = 1; cut < LIST.length; cut += 1) {
      expect(namesIn(LIST, 0, [cut]), `cut at ${cut}`).toEqual(BOTH);
    }
    expect(namesIn(LIST, 0, [...LIST.keys()])).toEqual(BOTH);
  });

  it("after what it lists is read, whole, cut anywhere and a byte at a time", () => {
    const all = [...DRAW_AND_LIST.keys()];
    for (const cuts of [[], all, ...all.map((cut) => [cut])]) {
      expect(namesIn(DRAW_AND_LIST, DRAW_LIST_AT, cuts)).toEqual(BOTH);
    }
  });

  it("between what it lists is read, whole, cut anywhere and a byte at a time", () => {
    const body = hex(`
      66 00  00 00 00 00  ff                      # MARK
      02 00  00 00 00 00  11 00 00 00             # two, at 0 and at 17
      3b 01  04 00 00 00  01 00 00 00             # SURFACE_DESTROY
    `);
    const all = [...body.keys()];
    for (const cuts of [[], all, ...all.map((cut) => [cut])]) {
      expect(namesIn(body, 7, cuts)).toEqual(["DISPLAY_MARK", "DISPLAY_SURFACE_DESTROY"]);
    }
  });

  it("may be empty", () => {
    expect(namesIn(hex("00 00"), 0)).toEqual([]);
    expect(namesIn(hex("ff ff 00 00 ff"), 2)).toEqual([]);
  });

  it("ends within its body: every truncation is refused before the body is over", () => {
    for (let length = 0; length < LIST.length; length += 1) {
      const error = thrownBy(() => namesIn(LIST.subarray(0, length), 0));
      expect(error, `of ${length} bytes`).toMatchObject({ code: "message.sub-list-unlawful" });
    }
    for (let length = 0; length < DRAW_AND_LIST.length; length += 1) {
      const error = thrownBy(() => namesIn(DRAW_AND_LIST.subarray(0, length), DRAW_LIST_AT));
      expect(error, `of ${length} bytes`).toMatchObject({ code: "message.sub-list-unlawful" });
    }
  });

  it("has as many entries as it may and no more", () => {
    const listOf = (count: number): Uint8Array => {
      const body = new Uint8Array(2 + 10 * count);
      const view = new DataView(body.buffer);
      view.setUint16(0, count, true);
      for (let index = 0; index < count; index += 1) {
        const at = 2 + 4 * count + 6 * index;
        view.setUint32(2 + 4 * index, at, true);
        view.setUint16(at, 102, true);
      }
      return body;
    };
    expect(namesIn(listOf(SUB_MESSAGES_MAX), 0)).toHaveLength(SUB_MESSAGES_MAX);
    expect(thrownBy(() => namesIn(listOf(SUB_MESSAGES_MAX + 1), 0))).toMatchObject({
      numbers: { available: SUB_MESSAGES_MAX + 1, max: SUB_MESSAGES_MAX },
    });
    expect(thrownBy(() => namesIn(patched(LIST, 0, "ff ff"), 0))).not.toBeNull();
  });

  it.each([
    ["a list's place outside the body", LIST, LIST.length - 1, /offset 57/],
    ["a list's place at the number's end", LIST, 0xffff_ffff, /offset 4294967295/],
    ["an offset into the list", patched(LIST, 6, "09 00 00 00"), 0, /offset 9/],
    ["an offset onto the list", patched(LIST, 6, "00 00 00 00"), 0, /offset 0, needed 10/],
    [
      "an offset past the body",
      patched(LIST, 2, "3a 00 00 00"),
      0,
      /offset 58, needed 6, available 0/,
    ],
    [
      "an offset with no room for a head",
      patched(LIST, 2, "35 00 00 00"),
      0,
      /offset 53, needed 6, available 5/,
    ],
    ["an offset at the number's end", patched(LIST, 2, "ff ff ff ff"), 0, /offset 4294967295/],
    ["one offset twice", patched(LIST, 2, "0a 00 00 00"), 0, /offset 10/],
    ["heads that overlap", patched(LIST, 2, "0f 00 00 00"), 0, /offset 10/],
    ["bodies that overlap", patched(LIST, 2, "23 00 00 00"), 0, /value 105, offset 10/],
    ["a sub-message across the list", patched(DRAW_AND_LIST, 56, "32 00 00 00"), 54, /offset 50/],
    ["a body across the list", hex("3b 01 04 00 00 00 aa aa 01 00 00 00 00 00 ff"), 8, /value 315/],
    ["a type that the channel has not", patched(LIST, 10, "64 00"), 0, /value 100/],
    ["the highest type", patched(LIST, 10, "ff ff"), 0, /value 65535/],
    ["a list in a list", patched(LIST, 10, "08 00 02 00 00 00"), 0, /value 8/],
    ["a size below what is sent", patched(LIST, 12, "13 00 00 00"), 0, /value 105, needed 20/],
    ["a size above what memory takes", patched(LIST, 12, "29 00 00 00"), 0, /max 40/],
    ["a count past the next one", patched(LIST, 16, "03 00"), 0, /value 105/],
    ["a count past the body", patched(LIST, 47, "02"), 0, /value 5/],
    ["a size unlawful for its type", patched(LIST, 10, "66 00 01 00 00 00"), 0, /value 102/],
    ["a body past the next one", patched(LIST, 10, "3f 01 14 00 00 00"), 0, /value 319/],
    [
      "a fixed body past the next one",
      patched(LIST, 2, "23 00 00 00 0a 00 00 00 3a 01 14"),
      0,
      /value 314, offset 10/,
    ],
    ["a body past its place", patched(LIST, 41, "3a 01 14 00 00 00"), 0, /value 314, offset 41/],
  ])("with %s is refused", (_what, body, listAt, message) => {
    for (const cuts of [[], [...body.keys()]]) {
      const error = thrownBy(() => namesIn(body, listAt, cuts));
      expect(error).toMatchObject({ code: "message.sub-list-unlawful" });
      expect(String(error)).toMatch(message);
    }
  });

  it("takes what is sent exactly, and what a 32-bit server declares for it", () => {
    for (const size of ["14", "1c", "28"]) {
      expect(namesIn(patched(LIST, 12, `${size} 00 00 00`), 0)).toEqual(BOTH);
    }
  });

  it("reaches back as far as it may and no further", () => {
    const bodyWith = (gapBytes: number): Uint8Array => {
      const body = new Uint8Array(gapBytes + 6);
      body.set(hex("66 00 00 00 00 00"), 10);
      body.set(hex("01 00 0a 00 00 00"), gapBytes);
      return body;
    };
    const near = 10 + SUB_LIST_REACH_BYTES;
    expect(namesIn(bodyWith(near), near, [11, 1000])).toEqual(["DISPLAY_MARK"]);
    expect(thrownBy(() => namesIn(bodyWith(near + 1), near + 1))).toMatchObject({
      numbers: { offset: 10, needed: 11 },
    });
  });

  it("does not mix one body with the one before it", () => {
    const names: string[] = [];
    const reader = new SubListReader({
      rows: messageIndex("display", "server"),
      onSubMessage: (row) => names.push(row.name),
    });
    reader.begin(LIST.length, 0);
    reader.push(LIST.subarray(0, 43), 0);
    reader.begin(DRAW_AND_LIST.length, DRAW_LIST_AT);
    reader.push(DRAW_AND_LIST, 0);
    reader.begin(LIST.length, 0);
    reader.push(LIST, 0);
    expect(names).toEqual(["DISPLAY_INVAL_LIST", ...BOTH, ...BOTH]);
  });
});
