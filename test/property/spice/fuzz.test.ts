/**
 * Mutation fuzz from a small corpus of real and hand-laid bytes. The only lawful outcomes are a
 * value or a SpiceError with a code of the right side; anything else (a range error, an assertion,
 * a hang, memory out of proportion) is a bug. Seeds are fixed and the number of rounds bounds it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { judgeHeader, messageIndex } from "#shared/spice/channel-table.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import { decodeFullHeader, decodeMiniHeader } from "#shared/spice/header.ts";
import {
  LINK_HEADER_BYTES,
  LINK_MESSAGE_BYTES_MAX,
  type LinkSide,
  parseAuthMechanism,
  parseLinkHeader,
  parseLinkMessage,
  parseLinkReply,
  parseLinkResult,
} from "#shared/spice/link.ts";
import { parseMainInit } from "#shared/spice/main-init.ts";
import { Splitter } from "#shared/spice/splitter.ts";
import { SubListReader } from "#shared/spice/sub-list.ts";

import { hex } from "../../unit/spice/hex.ts";

const FOLDER = join(import.meta.dirname, "corpus");
const ROUNDS_PER_FILE = 3000;

const corpus = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".hex"))
  .toSorted()
  .map((name) => ({ name, bytes: hex(readFileSync(join(FOLDER, name), "utf8")) }));

/** A small generator of numbers that gives the same ones everywhere (xorshift32). */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const NASTY = [0, 1, 0x7f, 0x80, 0xff];

/** Some bytes changed, or some cut off, or some put in. */
function mutate(bytes: Uint8Array, pick: (below: number) => number): Uint8Array {
  let list = [...bytes];
  for (let change = pick(4); change >= 0; change -= 1) {
    const at = pick(list.length + 1);
    const kind = pick(5);
    if (kind === 0) {
      list = list.slice(0, at);
    } else if (kind === 1) {
      list.splice(at, 0, ...NASTY.slice(0, 1 + pick(4)));
    } else if (kind === 2) {
      list.splice(at, 4, ...Array.from({ length: 4 }, () => NASTY[pick(NASTY.length)] ?? 0));
    } else {
      list.splice(at, 1, pick(256));
    }
  }
  return Uint8Array.from(list);
}

/** The handshake's way through the bytes of one side. */
function readLink(bytes: Uint8Array, sentBy: LinkSide): void {
  const { sizeBytes } = parseLinkHeader(bytes.subarray(0, LINK_HEADER_BYTES), sentBy);
  expect(sizeBytes).toBeLessThanOrEqual(LINK_MESSAGE_BYTES_MAX);
  const body = bytes.subarray(LINK_HEADER_BYTES, LINK_HEADER_BYTES + sizeBytes);
  const { commonCapabilities, channelCapabilities } =
    sentBy === "client" ? parseLinkMessage(body) : parseLinkReply(body);
  expect((commonCapabilities.length + channelCapabilities.length) * 4).toBeLessThanOrEqual(
    body.length,
  );
}

/** The pump's way: judge at the header, observe every body, in chunks of any length. */
function readMessages(bytes: Uint8Array, pick: (below: number) => number): void {
  const which = { channel: "main", direction: "server" } as const;
  const splitter = new Splitter(pick(2) === 0 ? "mini" : "full");
  let observedBytes = 0;
  const visitor = {
    onHeader: (type: number, sizeBytes: number) => {
      judgeHeader(which, type, sizeBytes);
      return "observe" as const;
    },
    onBody: (part: Uint8Array) => {
      observedBytes += part.length;
    },
  };
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + pick(20);
    splitter.push(bytes.subarray(at, end), visitor);
    at = end;
  }
  expect(observedBytes).toBeLessThanOrEqual(bytes.length);
}

/** Reads the bytes as a body with a list of sub-messages, in parts of any length. */
function readSubList(bytes: Uint8Array, listAt: number, pick: (below: number) => number): void {
  let found = 0;
  const rows = messageIndex("display", "server");
  const reader = new SubListReader({ rows, onSubMessage: () => (found += 1) });
  reader.begin(bytes.length, listAt);
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + pick(20);
    reader.push(bytes.subarray(at, end), at);
    at = end;
  }
  // Whatever the offsets are, sub-messages share no byte: each takes its place in the list and six.
  expect(found * 10 + 2).toBeLessThanOrEqual(bytes.length);
}

/** Runs a reader; what it throws, if anything, must be the codec's own error and of these codes. */
function survives(read: () => unknown, codes: RegExp): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof SpiceError)) {
      throw error;
    }
    expect(error.code).toMatch(codes);
    expect(error.message.length).toBeLessThan(200);
  }
}

function survivesAll(bytes: Uint8Array, pick: (below: number) => number): void {
  survives(() => readLink(bytes, "client"), /^link\./);
  survives(() => readLink(bytes, "server"), /^server\.malformed$/);
  survives(() => parseLinkMessage(bytes), /^link\.malformed$/);
  survives(() => parseLinkReply(bytes), /^server\.malformed$/);
  survives(() => parseAuthMechanism(bytes), /^link\.malformed$/);
  survives(() => parseLinkResult(bytes), /^server\.malformed$/);
  survives(() => decodeMiniHeader(bytes), /^message\./);
  survives(() => decodeFullHeader(bytes), /^message\./);
  survives(() => parseMainInit(bytes), /^message\./);
  survives(() => readMessages(bytes, pick), /^message\./);
  survives(() => readSubList(bytes, 0, pick), /^message\.sub-list-unlawful$/);
  survives(() => readSubList(bytes, pick(bytes.length + 1), pick), /^message\.sub-list-unlawful$/);
}

describe("hostile bytes", () => {
  it("start from a corpus", () => {
    expect(corpus.length).toBeGreaterThanOrEqual(8);
  });

  it.each(corpus)("$name, cut anywhere, ends in a value or the codec's error", ({ bytes }) => {
    const pick = numbersFrom(1);
    for (let length = 0; length <= bytes.length; length += 1) {
      survivesAll(bytes.subarray(0, length), pick);
    }
  });

  it.each(corpus)("$name, mutated, ends in a value or the codec's error", ({ bytes }) => {
    const pick = numbersFrom(0x2545_f491);
    for (let round = 0; round < ROUNDS_PER_FILE; round += 1) {
      survivesAll(mutate(bytes, pick), pick);
    }
  });
});
