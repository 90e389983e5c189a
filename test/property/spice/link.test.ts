import fc from "fast-check";
import { describe, expect, it } from "vitest";

import {
  clientCapabilitiesForServer,
  COMMON_CAPABILITY,
  hasCapability,
  withCapability,
  withoutCapability,
} from "#shared/spice/capabilities.ts";
import {
  decodeFullHeader,
  decodeMiniHeader,
  encodeFullHeader,
  encodeMiniHeader,
} from "#shared/spice/header.ts";
import { matchesSubject, parseHostSubject } from "#shared/spice/host-subject.ts";
import {
  encodeLinkMessage,
  encodeLinkReply,
  LINK_HEADER_BYTES,
  parseLinkHeader,
  parseLinkMessage,
  parseLinkReply,
  PUBLIC_KEY_BYTES,
} from "#shared/spice/link.ts";

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const words = fc.array(u32, { maxLength: 20 });
const bits = fc.integer({ min: 0, max: 200 });
const RUNS = { seed: 20_261_122, numRuns: 300 };

describe("the link, for any values", () => {
  it("reads back a link message", () => {
    const messages = fc.record({
      connectionId: u32,
      channelType: u8,
      channelId: u8,
      commonCapabilities: words,
      channelCapabilities: words,
    });
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = encodeLinkMessage(message);
        const { sizeBytes } = parseLinkHeader(bytes.subarray(0, LINK_HEADER_BYTES));
        expect(LINK_HEADER_BYTES + sizeBytes).toBe(bytes.length);
        expect(parseLinkMessage(bytes.subarray(LINK_HEADER_BYTES))).toEqual(message);
      }),
      RUNS,
    );
  });

  it("reads back a link reply", () => {
    const replies = fc.record({
      error: fc.constant(0),
      publicKey: fc.uint8Array({ minLength: PUBLIC_KEY_BYTES, maxLength: PUBLIC_KEY_BYTES }),
      commonCapabilities: words,
      channelCapabilities: words,
    });
    fc.assert(
      fc.property(replies, (reply) => {
        const bytes = encodeLinkReply(reply);
        const { sizeBytes } = parseLinkHeader(bytes.subarray(0, LINK_HEADER_BYTES), "server");
        expect(LINK_HEADER_BYTES + sizeBytes).toBe(bytes.length);
        const parsed = parseLinkReply(bytes.subarray(LINK_HEADER_BYTES));
        expect({ ...parsed, publicKey: [...parsed.publicKey] }).toEqual({
          ...reply,
          publicKey: [...reply.publicKey],
        });
      }),
      RUNS,
    );
  });

  it("reads back both message headers", () => {
    const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(
      fc.property(u16, u32, u64, u32, (type, sizeBytes, serial, subListOffset) => {
        const mini = { type, sizeBytes };
        expect(decodeMiniHeader(encodeMiniHeader(mini))).toEqual(mini);
        const full = { ...mini, serial, subListOffset };
        expect(decodeFullHeader(encodeFullHeader(full))).toEqual(full);
      }),
      RUNS,
    );
  });
});

describe("capability sets, for any words", () => {
  it("change exactly the one bit", () => {
    fc.assert(
      fc.property(words, bits, bits, (set, changed, other) => {
        expect(hasCapability(withCapability(set, changed), changed)).toBe(true);
        expect(hasCapability(withoutCapability(set, changed), changed)).toBe(false);
        if (other !== changed) {
          const before = hasCapability(set, other);
          expect(hasCapability(withCapability(set, changed), other)).toBe(before);
          expect(hasCapability(withoutCapability(set, changed), other)).toBe(before);
        }
      }),
      RUNS,
    );
  });

  it("let the server see the client's sets but for authentication", () => {
    fc.assert(
      fc.property(words, words, bits, (common, channel, bit) => {
        const told = clientCapabilitiesForServer({ common, channel });
        expect(told.channel).toEqual(channel);
        const expected: Readonly<Record<number, boolean>> = {
          [COMMON_CAPABILITY.PROTOCOL_AUTH_SELECTION]: true,
          [COMMON_CAPABILITY.AUTH_SPICE]: true,
          [COMMON_CAPABILITY.AUTH_SASL]: false,
        };
        expect(hasCapability(told.common, bit)).toBe(expected[bit] ?? hasCapability(common, bit));
      }),
      RUNS,
    );
  });
});

describe("host subjects, for any values", () => {
  const values = fc.string({ unit: "binary", minLength: 1, maxLength: 20 });
  const entries = fc.array(fc.tuple(fc.constantFrom("C", "O", "OU", "CN", "DC"), values), {
    minLength: 1,
    maxLength: 5,
  });
  const write = (list: readonly (readonly [string, string])[]): string =>
    list.map(([type, value]) => `${type}=${value.replaceAll(/[\\,]/g, "\\$&")}`).join(",");

  it("read back what was escaped, and match it", () => {
    fc.assert(
      fc.property(entries, (list) => {
        expect(parseHostSubject(write(list))).toEqual(list);
        expect(matchesSubject(write(list), list)).toBe(true);
        expect(matchesSubject(write(list), list.slice(1))).toBe(false);
        expect(matchesSubject(write(list), [...list, ["CN", "x"]])).toBe(false);
      }),
      RUNS,
    );
  });

  it("never throw and never match more than they say, for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const parsed = parseHostSubject(text);
        expect(matchesSubject(text, [])).toBe(false);
        expect(matchesSubject(text, parsed ?? [["CN", text]])).toBe(parsed !== null);
      }),
      { ...RUNS, numRuns: 2000 },
    );
  });
});
