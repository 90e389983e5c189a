import { describe, expect, it } from "vitest";

import {
  decodeFullHeader,
  decodeMiniHeader,
  encodeFullHeader,
  encodeMiniHeader,
  FULL_HEADER_BYTES,
  MINI_HEADER_BYTES,
} from "#shared/spice/header.ts";
import { MAIN_INIT_BYTES, parseMainInit } from "#shared/spice/main-init.ts";

import { hex, thrownBy } from "./hex.ts";

const MINI = hex("67 00  20 00 00 00"); // MAIN_INIT 103, 32 bytes
const FULL = hex(`
  01 00 00 00 00 00 00 80   # serial
  67 00                     # type
  ff ff ff ff               # size
  00 00 00 80               # sub_list
`);

describe("message headers", () => {
  it("reads and writes the mini header", () => {
    expect(decodeMiniHeader(MINI)).toEqual({ type: 103, sizeBytes: 32 });
    expect(encodeMiniHeader({ type: 103, sizeBytes: 32 })).toEqual(MINI);
  });

  it("reads and writes the full header", () => {
    const header = {
      serial: 0x8000_0000_0000_0001n,
      type: 103,
      sizeBytes: 0xffff_ffff,
      subListOffset: 0x8000_0000,
    };
    expect(decodeFullHeader(FULL)).toEqual(header);
    expect(encodeFullHeader(header)).toEqual(FULL);
  });

  it("refuses every truncation", () => {
    for (let length = 0; length < MINI_HEADER_BYTES; length += 1) {
      expect(() => decodeMiniHeader(MINI.subarray(0, length))).toThrow("message.size-unlawful");
    }
    for (let length = 0; length < FULL_HEADER_BYTES; length += 1) {
      expect(() => decodeFullHeader(FULL.subarray(0, length))).toThrow("message.size-unlawful");
    }
  });
});

describe("MAIN_INIT", () => {
  const body = hex(`
    ef be ad de   # session id
    01 00 00 00   # display channels hint
    03 00 00 00   # supported mouse modes
    02 00 00 00   # current mouse mode
    01 00 00 00   # agent connected
    0a 00 00 00   # agent tokens
    ff ff ff ff   # multimedia time
    00 00 00 04   # ram hint
  `);

  it("gives the session id first", () => {
    expect(parseMainInit(body)).toEqual({
      sessionId: 0xdead_beef,
      displayChannelsHint: 1,
      supportedMouseModes: 3,
      currentMouseMode: 2,
      agentConnected: true,
      agentTokens: 10,
      multiMediaTime: 0xffff_ffff,
      ramHint: 0x0400_0000,
    });
  });

  it("refuses every other length", () => {
    for (let length = 0; length < MAIN_INIT_BYTES; length += 1) {
      const error = thrownBy(() => parseMainInit(body.subarray(0, length)));
      expect(error).toMatchObject({
        code: "message.size-unlawful",
        numbers: { needed: 32, available: length },
      });
    }
    expect(() => parseMainInit(new Uint8Array(33))).toThrow("message.size-unlawful");
  });
});
