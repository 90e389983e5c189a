import { describe, expect, it } from "vitest";

import { AssertionError } from "#shared/base/assert.ts";
import {
  AUTH_MECHANISM,
  encodeAuthMechanism,
  encodeLinkError,
  encodeLinkMessage,
  encodeLinkReply,
  encodeLinkResult,
  LINK_ERROR,
  LINK_HEADER_BYTES,
  LINK_MESSAGE_BYTES_MAX,
  linkErrorName,
  parseAuthMechanism,
  parseLinkHeader,
  parseLinkMessage,
  parseLinkReply,
  parseLinkResult,
  PUBLIC_KEY_BYTES,
} from "#shared/spice/link.ts";

import { hex, thrownBy } from "./hex.ts";

/** As spice-gtk 0.42 was seen to send on its main channel. */
const CLIENT_HEADER = hex(`
  52 45 44 51   # "REDQ"
  02 00 00 00   # major 2
  02 00 00 00   # minor 2
  1a 00 00 00   # 26 bytes follow
`);
const CLIENT_BODY = hex(`
  00 00 00 00   # connection id
  01            # channel type: main
  00            # channel id
  01 00 00 00   # one common word
  01 00 00 00   # one channel word
  12 00 00 00   # words begin at 18
  0d 00 00 00   # AUTH_SELECTION, SASL, MINI_HEADER
  0f 00 00 00   # the four capabilities of main
`);
const MESSAGE = {
  connectionId: 0,
  channelType: 1,
  channelId: 0,
  commonCapabilities: [0x0d],
  channelCapabilities: [0x0f],
};

const PUBLIC_KEY = Uint8Array.from({ length: PUBLIC_KEY_BYTES }, (_, index) => index);
const REPLY_BODY = Uint8Array.from([
  ...hex("00 00 00 00"), // error: OK
  ...PUBLIC_KEY,
  ...hex("01 00 00 00"), // one common word
  ...hex("02 00 00 00"), // two channel words
  ...hex("b2 00 00 00"), // words begin at 178
  ...hex("0b 00 00 00"), // AUTH_SELECTION, AUTH_SPICE, MINI_HEADER
  ...hex("52 10 00 00"),
  ...hex("ff ff ff ff"),
]);
const REPLY = {
  error: 0,
  publicKey: PUBLIC_KEY,
  commonCapabilities: [0x0b],
  channelCapabilities: [0x1052, 0xffff_ffff],
};

/** A copy with a u32 replaced. */
function patched(bytes: Uint8Array, offset: number, value: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  new DataView(copy.buffer).setUint32(offset, value, true);
  return copy;
}

describe("link header", () => {
  it("reads the header of a real client", () => {
    expect(parseLinkHeader(CLIENT_HEADER)).toEqual({ major: 2, minor: 2, sizeBytes: 26 });
  });

  it("takes any minor version, as the reference implementations do", () => {
    expect(parseLinkHeader(patched(CLIENT_HEADER, 8, 99)).minor).toBe(99);
  });

  it.each([
    ["another magic", patched(CLIENT_HEADER, 0, 0x2054_4547), "link.magic-invalid"],
    ["an older major version", patched(CLIENT_HEADER, 4, 1), "link.version-mismatch"],
    ["a newer major version", patched(CLIENT_HEADER, 4, 3), "link.version-mismatch"],
    ["a body too short for its fixed part", patched(CLIENT_HEADER, 12, 17), "link.malformed"],
    ["a body over the cap", patched(CLIENT_HEADER, 12, 4097), "link.malformed"],
    ["the largest size", patched(CLIENT_HEADER, 12, 2 ** 32 - 1), "link.malformed"],
  ])("refuses %s", (_name, bytes, code) => {
    expect(thrownBy(() => parseLinkHeader(bytes))).toMatchObject({ code });
    expect(thrownBy(() => parseLinkHeader(bytes, "server"))).toMatchObject({
      code: "server.malformed",
    });
  });

  it("takes sizes up to the cap from both sides, and down to each side's fixed part", () => {
    const size = (bytes: number) => patched(CLIENT_HEADER, 12, bytes);
    expect(parseLinkHeader(size(LINK_MESSAGE_BYTES_MAX)).sizeBytes).toBe(4096);
    expect(parseLinkHeader(size(18)).sizeBytes).toBe(18);
    expect(parseLinkHeader(size(178), "server").sizeBytes).toBe(178);
    expect(() => parseLinkHeader(size(177), "server")).toThrow("server.malformed");
  });

  it("names the wrong magic before a wrong version or size", () => {
    const wrong = hex("47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a"); // "GET / HTTP/1.1"
    expect(thrownBy(() => parseLinkHeader(wrong))).toMatchObject({
      code: "link.magic-invalid",
      numbers: { offset: 0, value: 0x2054_4547 },
    });
  });
});

describe("link message", () => {
  it("reads and writes the hand-laid message", () => {
    expect(parseLinkMessage(CLIENT_BODY)).toEqual(MESSAGE);
    expect(encodeLinkMessage(MESSAGE)).toEqual(Uint8Array.from([...CLIENT_HEADER, ...CLIENT_BODY]));
  });

  it("reads the largest numbers unsigned", () => {
    const body = hex("ffffffff ff ff 01000000 00000000 12000000 ffffffff");
    expect(parseLinkMessage(body)).toEqual({
      connectionId: 0xffff_ffff,
      channelType: 255,
      channelId: 255,
      commonCapabilities: [0xffff_ffff],
      channelCapabilities: [],
    });
  });

  it("finds words after a gap, and takes none at any offset inside the body", () => {
    const gap = hex("00000000 01 00 01000000 00000000 14000000 eeee 0d000000");
    expect(parseLinkMessage(gap).commonCapabilities).toEqual([0x0d]);
    const none = hex("00000000 01 00 00000000 00000000 00000000");
    expect(parseLinkMessage(none).commonCapabilities).toEqual([]);
  });

  it.each([
    ["an offset past the end", 14, 27],
    ["the largest offset", 14, 2 ** 32 - 1],
    ["an offset that wraps to a lawful one in 32 bits", 14, 2 ** 32 - 8],
    ["an offset into the fixed part", 14, 17],
    ["one common word too many", 6, 2],
    ["one channel word too many", 10, 2],
    ["a count whose bytes wrap to zero in 32 bits", 6, 2 ** 30],
    ["the largest count", 10, 2 ** 32 - 1],
  ])("refuses %s", (_name, offset, value) => {
    expect(thrownBy(() => parseLinkMessage(patched(CLIENT_BODY, offset, value)))).toMatchObject({
      code: "link.malformed",
    });
  });

  it("counts the bytes of the words exactly, beyond 32 bits", () => {
    expect(thrownBy(() => parseLinkMessage(patched(CLIENT_BODY, 6, 2 ** 30)))).toMatchObject({
      numbers: { needed: (2 ** 30 + 1) * 4 },
    });
  });

  it("refuses the two largest counts together", () => {
    const body = patched(patched(CLIENT_BODY, 6, 2 ** 32 - 1), 10, 2 ** 32 - 1);
    expect(thrownBy(() => parseLinkMessage(body))).toMatchObject({
      numbers: { needed: (2 ** 33 - 2) * 4 },
    });
  });

  it("refuses every truncation", () => {
    for (let length = 0; length < CLIENT_BODY.length; length += 1) {
      expect(() => parseLinkMessage(CLIENT_BODY.subarray(0, length))).toThrow("link.malformed");
    }
    for (let length = 0; length < CLIENT_HEADER.length; length += 1) {
      expect(() => parseLinkHeader(CLIENT_HEADER.subarray(0, length))).toThrow("link.malformed");
    }
  });

  it("does not write what peers would not read", () => {
    const many = Array.from({ length: 1020 }, () => 0);
    expect(() => encodeLinkMessage({ ...MESSAGE, commonCapabilities: many })).toThrow(
      AssertionError,
    );
  });
});

describe("link reply", () => {
  it("reads and writes the hand-laid reply", () => {
    expect(parseLinkReply(REPLY_BODY)).toEqual(REPLY);
    const bytes = encodeLinkReply(REPLY);
    expect(bytes.subarray(0, LINK_HEADER_BYTES)).toEqual(
      hex("52454451 02000000 02000000 be000000"), // 190 bytes follow
    );
    expect(bytes.subarray(LINK_HEADER_BYTES)).toEqual(REPLY_BODY);
  });

  it("refuses every truncation with the server's code", () => {
    for (let length = 0; length < REPLY_BODY.length; length += 1) {
      const error = thrownBy(() => parseLinkReply(REPLY_BODY.subarray(0, length)));
      expect(error).toMatchObject({ code: "server.malformed" });
    }
  });

  it("writes an error as a whole reply without key or capabilities", () => {
    const bytes = encodeLinkError(LINK_ERROR.NEED_SECURED);
    expect(bytes).toHaveLength(16 + 178);
    expect(parseLinkHeader(bytes.subarray(0, 16), "server").sizeBytes).toBe(178);
    expect(bytes.subarray(16, 20)).toEqual(hex("05 00 00 00"));
    expect(bytes.subarray(20, 182).every((byte) => byte === 0)).toBe(true);
  });

  it("reads an error reply whatever its zeroed capabilities say", () => {
    const body = new Uint8Array(178);
    body[0] = LINK_ERROR.PERMISSION_DENIED;
    expect(parseLinkReply(body)).toMatchObject({ error: 7, commonCapabilities: [] });
    body.fill(0xff, 166);
    expect(parseLinkReply(body)).toMatchObject({ error: 7, channelCapabilities: [] });
    expect(() => parseLinkReply(body.subarray(0, 177))).toThrow("server.malformed");
  });

  it("does not write a key of another length", () => {
    expect(() => encodeLinkReply({ ...REPLY, publicKey: new Uint8Array(161) })).toThrow(
      AssertionError,
    );
  });
});

describe("authentication and result", () => {
  it("reads and writes one little-endian number each", () => {
    expect(encodeAuthMechanism(AUTH_MECHANISM.spice)).toEqual(hex("01 00 00 00"));
    expect(parseAuthMechanism(hex("02 00 00 00"))).toBe(AUTH_MECHANISM.sasl);
    expect(encodeLinkResult(LINK_ERROR.PERMISSION_DENIED)).toEqual(hex("07 00 00 00"));
    expect(parseLinkResult(hex("ff ff ff ff"))).toBe(0xffff_ffff);
  });

  it("says whose bytes are short", () => {
    for (const length of [0, 1, 2, 3]) {
      const bytes = new Uint8Array(length);
      expect(() => parseAuthMechanism(bytes)).toThrow("link.malformed");
      expect(() => parseLinkResult(bytes)).toThrow("server.malformed");
    }
  });

  it("names the errors that SPICE has", () => {
    expect(linkErrorName(7)).toBe("PERMISSION_DENIED");
    expect(linkErrorName(10)).toBeNull();
  });
});
