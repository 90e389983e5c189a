import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { concatBytes } from "#shared/base/bytes.ts";
import { encodeFullHeader, encodeMiniHeader, type HeaderKind } from "#shared/spice/header.ts";
import { Splitter } from "#shared/spice/splitter.ts";

interface Message {
  readonly type: number;
  readonly body: Uint8Array;
  readonly observed: boolean;
}

const messages = fc.array(
  fc.record({
    type: fc.integer({ min: 0, max: 0xffff }),
    body: fc.uint8Array({ maxLength: 40 }),
    observed: fc.boolean(),
  }),
  { maxLength: 12 },
);
const kinds = fc.constantFrom<HeaderKind>("mini", "full");
/** Chunk lengths, used in turn; an empty chunk is lawful. */
const cuts = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 20 });

function encode(kind: HeaderKind, list: readonly Message[]): Uint8Array {
  return concatBytes(
    list.flatMap(({ type, body }, index) => [
      kind === "mini"
        ? encodeMiniHeader({ type, sizeBytes: body.length })
        : encodeFullHeader({
            serial: BigInt(index + 1),
            type,
            sizeBytes: body.length,
            subListOffset: 0,
          }),
      body,
    ]),
  );
}

/** The stream in chunks of the given lengths; a round of only empty ones ends in the whole rest. */
function split(stream: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const usable = lengths.some((length) => length > 0) ? lengths : [stream.length];
  let at = 0;
  for (let turn = 0; at < stream.length; turn += 1) {
    const end = at + (usable[turn % usable.length] ?? 1);
    chunks.push(stream.subarray(at, end));
    at = end;
  }
  return chunks;
}

/** Splits a stream and forwards its chunks, as the pump does. */
function run(kind: HeaderKind, chunks: readonly Uint8Array[], list: readonly Message[]) {
  const headers: string[] = [];
  const bodies = list.map(() => new Uint8Array(0));
  const splitter = new Splitter(kind);
  const visitor = {
    onHeader(type: number, sizeBytes: number) {
      headers.push(`${type}:${sizeBytes}`);
      return list[headers.length - 1]?.observed === true ? ("observe" as const) : ("pass" as const);
    },
    onBody(part: Uint8Array, offsetInBody: number) {
      const index = headers.length - 1;
      const before = bodies[index] ?? new Uint8Array(0);
      expect(offsetInBody).toBe(before.length);
      expect(part.length).toBeGreaterThan(0);
      bodies[index] = concatBytes([before, part]);
    },
  };
  for (const chunk of chunks) {
    splitter.push(chunk, visitor);
  }
  return { headers, bodies, splitter, forwarded: concatBytes(chunks) };
}

describe("Splitter, for any stream however it is cut", () => {
  it("tells the same headers and observed bodies, and the bytes stay what they were", () => {
    fc.assert(
      fc.property(kinds, messages, cuts, (kind, list, lengths) => {
        const stream = encode(kind, list);
        const { headers, bodies, splitter, forwarded } = run(kind, split(stream, lengths), list);
        expect(forwarded).toEqual(stream);
        expect(headers).toEqual(list.map(({ type, body }) => `${type}:${body.length}`));
        expect(bodies).toEqual(
          list.map(({ body, observed }) => (observed ? Uint8Array.from(body) : new Uint8Array(0))),
        );
        expect(splitter.atBoundary).toBe(true);
        expect(splitter.messages).toBe(list.length);
        expect(splitter.serial).toBe(BigInt(list.length));
      }),
      { seed: 20_261_122, numRuns: 300 },
    );
  });

  it("after any truncation tells only whole headers, and whether a message is under way", () => {
    fc.assert(
      fc.property(kinds, messages, cuts, (kind, list, lengths) => {
        const stream = encode(kind, list);
        const headerBytes = kind === "mini" ? 6 : 18;
        const starts: number[] = [];
        let end = 0;
        for (const { body } of list) {
          starts.push(end);
          end += headerBytes + body.length;
        }
        for (let length = 0; length <= stream.length; length += 1) {
          const { headers, splitter } = run(kind, split(stream.subarray(0, length), lengths), list);
          const whole = starts.filter((start) => start + headerBytes <= length);
          expect(headers).toHaveLength(whole.length);
          expect(splitter.atBoundary).toBe(length === end || starts.includes(length));
        }
      }),
      { seed: 20_261_122, numRuns: 30 },
    );
  });

  it("ends exactly at the header that the visitor refuses, wherever the cuts are", () => {
    fc.assert(
      fc.property(kinds, messages, cuts, fc.nat(11), (kind, list, lengths, refused) => {
        fc.pre(refused < list.length);
        const splitter = new Splitter(kind);
        const refusal = new Error("refused");
        let headers = 0;
        const visitor = {
          onHeader() {
            headers += 1;
            if (headers === refused + 1) {
              throw refusal;
            }
            return "observe" as const;
          },
          onBody() {
            expect(headers).toBeLessThanOrEqual(refused);
          },
        };
        expect(() => {
          for (const chunk of split(encode(kind, list), lengths)) {
            splitter.push(chunk, visitor);
          }
        }).toThrow(refusal);
        expect(headers).toBe(refused + 1);
      }),
      { seed: 20_261_122, numRuns: 200 },
    );
  });

  it("keeps sizes exact up to 2^32-1", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        cuts,
        (type, sizeBytes, lengths) => {
          const stream = encodeMiniHeader({ type, sizeBytes });
          const { headers, splitter } = run("mini", split(stream, lengths), []);
          expect(headers).toEqual([`${type}:${sizeBytes}`]);
          expect(splitter.atBoundary).toBe(sizeBytes === 0);
        },
      ),
      { seed: 20_261_122, numRuns: 500 },
    );
  });
});
