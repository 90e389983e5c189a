import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { messageIndex } from "#shared/spice/channel-table.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import { SUB_MESSAGES_MAX, SubListReader } from "#shared/spice/sub-list.ts";

interface Sub {
  readonly type: number;
  readonly declaredBytes: number;
  readonly body: Uint8Array;
  /** Bytes of nothing before it. */
  readonly gap: number;
}

const counted = (type: number, countBytes: number, entryBytes: number): fc.Arbitrary<Sub> =>
  fc.tuple(fc.nat(20), fc.nat(6), fc.boolean()).map(([entries, gap, padded]) => {
    const body = new Uint8Array(countBytes + entryBytes * entries);
    body[0] = entries;
    return { type, gap, body, declaredBytes: padded ? 8 + 16 * entries : body.length };
  });
const plain = (type: number, sizeBytes: number): fc.Arbitrary<Sub> =>
  fc.nat(6).map((gap) => ({
    type,
    gap,
    body: new Uint8Array(sizeBytes),
    declaredBytes: sizeBytes,
  }));
/** INVAL_LIST, WAIT_FOR_CHANNELS, MARK, SURFACE_CREATE, PING. */
const sub = fc.oneof(
  counted(105, 2, 9),
  counted(5, 1, 10),
  plain(102, 0),
  plain(314, 20),
  plain(4, 12),
);
const subs = fc.array(sub, { maxLength: 8 });
const cuts = fc.array(fc.nat(400), { maxLength: 12 });

/** A body with `before` sub-messages, the list, and the others; the list names them in any order. */
function layOut(list: readonly Sub[], before: number, turn: number) {
  const listBytes = 2 + 4 * list.length;
  const offsets: number[] = [];
  let at = 0;
  let listAt = 0;
  for (const [index, { gap, body }] of list.entries()) {
    if (index === before) {
      listAt = at;
      at += listBytes;
    }
    offsets.push(at + gap);
    at += gap + 6 + body.length;
  }
  if (before >= list.length) {
    listAt = at;
    at += listBytes;
  }
  const bytes = new Uint8Array(at).fill(0xee);
  const view = new DataView(bytes.buffer);
  view.setUint16(listAt, list.length, true);
  for (const [index, { type, declaredBytes, body }] of list.entries()) {
    const offset = offsets[index] ?? 0;
    view.setUint16(offset, type, true);
    view.setUint32(offset + 2, declaredBytes, true);
    bytes.set(body, offset + 6);
    view.setUint32(listAt + 2 + 4 * ((index + turn) % list.length), offset, true);
  }
  return { bytes, listAt };
}

function read(bytes: Uint8Array, listAt: number, at: readonly number[]): number[] {
  const types: number[] = [];
  const reader = new SubListReader({
    rows: messageIndex("display", "server"),
    onSubMessage: (row) => types.push(row.type),
  });
  reader.begin(bytes.length, listAt);
  const ends = [...new Set([...at.filter((cut) => cut < bytes.length), bytes.length])];
  let from = 0;
  for (const end of ends.toSorted((a, b) => a - b)) {
    if (end > from) {
      reader.push(bytes.subarray(from, end), from);
    }
    from = end;
  }
  return types;
}

describe("a list of sub-messages", () => {
  it("is read the same wherever it stands, in whatever order, however it is cut", () => {
    fc.assert(
      fc.property(subs, fc.nat(8), fc.nat(7), cuts, (list, before, turn, at) => {
        const { bytes, listAt } = layOut(list, before, turn);
        expect(read(bytes, listAt, at)).toEqual(list.map(({ type }) => type));
      }),
      { seed: 20_261_122, numRuns: 1000 },
    );
  });

  it("with any bytes changed ends in the codec's error or in whole sub-messages, as if uncut", () => {
    const outcome = (bytes: Uint8Array, listAt: number, at: readonly number[]): unknown => {
      try {
        return read(bytes, listAt, at);
      } catch (error) {
        expect(error).toBeInstanceOf(SpiceError);
        return error instanceof SpiceError ? error.message : error;
      }
    };
    const changes = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(subs, fc.nat(8), changes, cuts, (list, before, changed, at) => {
        const { bytes, listAt } = layOut(list, before, 0);
        for (const [index, value] of changed) {
          bytes[index % Math.max(1, bytes.length)] = value;
        }
        const whole = outcome(bytes, listAt, []);
        expect(outcome(bytes, listAt, at)).toEqual(whole);
        expect(Array.isArray(whole) ? whole.length : 0).toBeLessThanOrEqual(SUB_MESSAGES_MAX);
      }),
      { seed: 20_261_122, numRuns: 2000 },
    );
  });
});
