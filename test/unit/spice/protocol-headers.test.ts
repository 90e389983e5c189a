/**
 * The tables against the headers that Debian ships (libspice-protocol-dev), in both directions:
 * nothing of the headers is missing in the tables, nothing in the tables is invented, except what
 * is named here with its reason.
 */
import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import {
  COMMON_CAPABILITY,
  DISPLAY_CAPABILITY,
  INPUTS_CAPABILITY,
  MAIN_CAPABILITY,
  PLAYBACK_CAPABILITY,
  RECORD_CAPABILITY,
  SPICEVMC_CAPABILITY,
} from "#shared/spice/capabilities.ts";
import { CHANNEL_TYPE, type ChannelName } from "#shared/spice/channel-names.ts";
import { type Direction, messageRows } from "#shared/spice/channel-table.ts";
import { FULL_HEADER_BYTES, MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import {
  AUTH_MECHANISM,
  ENCRYPTED_TICKET_BYTES,
  LINK_ERROR,
  LINK_HEADER_BYTES,
  LINK_MAGIC,
  LINK_MAJOR,
  LINK_MINOR,
  PASSWORD_BYTES_MAX,
  PUBLIC_KEY_BYTES,
} from "#shared/spice/link.ts";

const FOLDER = "/usr/include/spice-1/spice";

/** Names in the headers that have no row of ours, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  SPICE_MSG_BASE_LAST: "marks the end of the base numbers, is no message",
  SPICE_MSGC_SMARTCARD_HEADER: "another name of 101: the header that begins SMARTCARD_DATA",
  SPICE_MSGC_SMARTCARD_ERROR: "another name of 101: a kind of SMARTCARD_DATA",
  SPICE_MSGC_SMARTCARD_ATR: "another name of 101: a kind of SMARTCARD_DATA",
  SPICE_MSGC_SMARTCARD_READER_ADD: "another name of 101: a kind of SMARTCARD_DATA",
};

function readHeader(name: string): string {
  try {
    return readFileSync(`${FOLDER}/${name}`, "utf8");
  } catch (cause) {
    throw new Error(
      `${FOLDER}/${name} is missing: run "apt-get install libspice-protocol-dev" first`,
      { cause },
    );
  }
}

/** Every constant of every enum in a header, numbered by C's rules, without the end markers. */
function readEnums(text: string): ReadonlyMap<string, number> {
  const constants = new Map<string, number>();
  for (const [, body = ""] of text.matchAll(/\benum\b[^{;]*\{([^}]*)\}/g)) {
    let next = 0;
    for (const item of body.replaceAll(/\/\*[\s\S]*?\*\//g, "").split(",")) {
      const match = /^\s*(\w+)(?:\s+SPICE_GNUC_DEPRECATED)?(?:\s*=\s*(.+?))?\s*$/.exec(item);
      if (match === null) {
        continue;
      }
      const [, name = "", written] = match;
      next = written === undefined ? next : evaluate(written);
      if (!/_ENUM_END$|^SPICE_MSGC?_END_|^SPICE_END_CHANNEL$|_MASK$/.test(name)) {
        constants.set(name, next);
      }
      next += 1;
    }
  }
  return constants;
}

/** A number as the headers write one: 5, 0x1f or (1 << 3). */
function evaluate(written: string): number {
  const shift = /^\(1 << (\d+)\)$/.exec(written);
  const value = shift === null ? Number(written) : 2 ** Number(shift[1]);
  if (!Number.isInteger(value)) {
    throw new TypeError(`cannot read the number ${written}`);
  }
  return value;
}

/** The constants that begin with `prefix`, without it. */
function withPrefix(all: ReadonlyMap<string, number>, prefix: string): Record<string, number> {
  const found = [...all].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value]));
}

/** A #define's number in protocol.h. */
function readDefine(name: string): number {
  const written = new RegExp(`^#define ${name} (\\d+)$`, "m").exec(protocolText)?.[1];
  return Number(written ?? Number.NaN);
}

/** Bytes of a packed struct of fixed-width numbers in protocol.h. */
function readStructBytes(name: string): number {
  const body = new RegExp(`SPICE_ATTR_PACKED ${name} \\{([^}]*)\\}`).exec(protocolText)?.[1] ?? "";
  const widths = [...body.matchAll(/uint(\d+)_t \w+;/g)].map(([, bits]) => Number(bits) / 8);
  return widths.reduce((sum, width) => sum + width, 0);
}

const enumsText = readHeader("enums.h");
const protocolText = readHeader("protocol.h");
const enums = readEnums(enumsText);
const protocol = readEnums(protocolText);

/** Names of opcodes in enums.h, by whose channel they belong to. */
const OWN_PREFIXES: Readonly<Record<ChannelName, readonly string[]>> = {
  main: ["MAIN_"],
  display: ["DISPLAY_"],
  inputs: ["INPUTS_"],
  cursor: ["CURSOR_"],
  playback: ["PLAYBACK_"],
  record: ["RECORD_"],
  tunnel: ["TUNNEL_"],
  smartcard: ["SMARTCARD_"],
  usbredir: ["SPICEVMC_"],
  port: ["SPICEVMC_", "PORT_"],
  webdav: ["SPICEVMC_", "PORT_"],
};
const ALL_PREFIXES = [...new Set(Object.values(OWN_PREFIXES).flat())];

/** What the headers say a channel's messages are. */
function expectedRows(channel: ChannelName, direction: Direction): Record<string, number> {
  const opcodePrefix = direction === "server" ? "SPICE_MSG_" : "SPICE_MSGC_";
  const opcodes = Object.entries(withPrefix(enums, opcodePrefix)).filter(([name]) => {
    const owned = ALL_PREFIXES.some((prefix) => name.startsWith(prefix));
    const ours = OWN_PREFIXES[channel].some((prefix) => name.startsWith(prefix));
    return (!owned || ours) && !Object.hasOwn(LEFT_OUT, opcodePrefix + name);
  });
  return Object.fromEntries(opcodes);
}

describe("the headers themselves", () => {
  it("were read, and hold what is looked for", () => {
    expect(enums.get("SPICE_MSG_DISPLAY_DRAW_COPY")).toBe(304);
    expect(enums.get("SPICE_VIDEO_CODEC_TYPE_H265")).toBe(5);
    expect(enums.get("SPICE_AUDIO_DATA_MODE_OPUS")).toBe(3);
    expect(enums.size).toBeGreaterThan(250);
    expect(protocol.size).toBeGreaterThan(30);
  });

  it("say how to get them when they are not there", () => {
    expect(() => readHeader("no-such.h")).toThrow("apt-get install libspice-protocol-dev");
  });

  it("still have every name that is left out", () => {
    expect(Object.keys(LEFT_OUT).filter((name) => !enums.has(name))).toEqual([]);
  });
});

describe("opcodes", () => {
  const channels = Object.keys(CHANNEL_TYPE) as ChannelName[];
  const directions = ["server", "client"] as const;

  it.each(channels.flatMap((channel) => directions.map((direction) => [channel, direction])))(
    "of %s from the %s are exactly those of enums.h",
    (channel, direction) => {
      const rows = messageRows(channel as ChannelName, direction as Direction);
      const ours = Object.fromEntries(rows.map((row) => [row.name, row.type]));
      expect(ours).toEqual(expectedRows(channel as ChannelName, direction as Direction));
      expect(rows).toHaveLength(Object.keys(ours).length);
    },
  );

  it("of enums.h all have a row somewhere", () => {
    const names = new Set(
      channels.flatMap((channel) =>
        directions.flatMap((direction) =>
          messageRows(channel, direction).map(
            (row) => (direction === "server" ? "SPICE_MSG_" : "SPICE_MSGC_") + row.name,
          ),
        ),
      ),
    );
    const opcodes = [...enums.keys()].filter((name) => /^SPICE_MSGC?_/.test(name));
    expect(opcodes.length).toBeGreaterThan(120);
    expect(opcodes.filter((name) => !names.has(name) && !Object.hasOwn(LEFT_OUT, name))).toEqual(
      [],
    );
  });
});

describe("numbers of the link", () => {
  it("are those of enums.h", () => {
    expect(LINK_ERROR).toEqual(withPrefix(enums, "SPICE_LINK_ERR_"));
    const channels = Object.entries(withPrefix(enums, "SPICE_CHANNEL_"));
    expect(CHANNEL_TYPE).toEqual(
      Object.fromEntries(channels.map(([name, type]) => [name.toLowerCase(), type])),
    );
  });

  it.each([
    ["COMMON", COMMON_CAPABILITY],
    ["MAIN", MAIN_CAPABILITY],
    ["DISPLAY", DISPLAY_CAPABILITY],
    ["INPUTS", INPUTS_CAPABILITY],
    ["PLAYBACK", PLAYBACK_CAPABILITY],
    ["RECORD", RECORD_CAPABILITY],
    ["SPICEVMC", SPICEVMC_CAPABILITY],
  ])("SPICE_%s_CAP are those of protocol.h", (kind, ours) => {
    expect(ours).toEqual(withPrefix(protocol, `SPICE_${kind}_CAP_`));
  });

  it("know every kind of capability that protocol.h has", () => {
    const kinds = [...protocol.keys()].flatMap(
      (name) => /^SPICE_(\w+?)_CAP_/.exec(name)?.[1] ?? [],
    );
    expect([...new Set(kinds)].toSorted()).toEqual(
      ["COMMON", "DISPLAY", "INPUTS", "MAIN", "PLAYBACK", "RECORD", "SPICEVMC"].toSorted(),
    );
  });

  it("number the mechanisms as their capability bits", () => {
    expect(AUTH_MECHANISM).toEqual({
      spice: protocol.get("SPICE_COMMON_CAP_AUTH_SPICE"),
      sasl: protocol.get("SPICE_COMMON_CAP_AUTH_SASL"),
    });
  });

  it("have the sizes of protocol.h", () => {
    const magic = /SPICE_MAGIC_CONST\("(\w{4})"\)/.exec(protocolText)?.[1] ?? "";
    const letters = Uint8Array.from(magic, (letter) => letter.charCodeAt(0));
    expect(new DataView(letters.buffer).getUint32(0, true)).toBe(LINK_MAGIC);
    expect(readDefine("SPICE_VERSION_MAJOR")).toBe(LINK_MAJOR);
    expect(readDefine("SPICE_VERSION_MINOR")).toBe(LINK_MINOR);
    expect(readDefine("SPICE_MAX_PASSWORD_LENGTH")).toBe(PASSWORD_BYTES_MAX);
    const keyBits = readDefine("SPICE_TICKET_KEY_PAIR_LENGTH");
    expect(keyBits / 8).toBe(ENCRYPTED_TICKET_BYTES);
    expect(keyBits / 8 + 34).toBe(PUBLIC_KEY_BYTES);
    expect(readStructBytes("SpiceLinkHeader")).toBe(LINK_HEADER_BYTES);
    expect(readStructBytes("SpiceMiniDataHeader")).toBe(MINI_HEADER_BYTES);
    expect(readStructBytes("SpiceDataHeader")).toBe(FULL_HEADER_BYTES);
  });
});
