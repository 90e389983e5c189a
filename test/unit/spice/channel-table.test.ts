import { describe, expect, it } from "vitest";

import { CHANNEL_NAMES, channelName } from "#shared/spice/channel-names.ts";
import {
  type Direction,
  judgeHeader,
  messageRow,
  messageRows,
} from "#shared/spice/channel-table.ts";

import { thrownBy } from "./hex.ts";

const DIRECTIONS: readonly Direction[] = ["server", "client"];
const MIB = 1024 * 1024;

/** Housekeeping, by hand; base messages as main has them. */
const QUIET_NAMES = [
  "server MIGRATE",
  "server MIGRATE_DATA",
  "server SET_ACK",
  "server PING",
  "server WAIT_FOR_CHANNELS",
  "server LIST",
  "server MAIN_MIGRATE_BEGIN",
  "server MAIN_MIGRATE_CANCEL",
  "server MAIN_MULTI_MEDIA_TIME",
  "server MAIN_AGENT_TOKEN",
  "server MAIN_MIGRATE_SWITCH_HOST",
  "server MAIN_MIGRATE_END",
  "server MAIN_MIGRATE_BEGIN_SEAMLESS",
  "server MAIN_MIGRATE_DST_SEAMLESS_ACK",
  "server MAIN_MIGRATE_DST_SEAMLESS_NACK",
  "client ACK_SYNC",
  "client ACK",
  "client PONG",
  "client MIGRATE_FLUSH_MARK",
  "client MIGRATE_DATA",
  "client MAIN_MIGRATE_CONNECTED",
  "client MAIN_MIGRATE_CONNECT_ERROR",
  "client MAIN_AGENT_TOKEN",
  "client MAIN_MIGRATE_END",
  "client MAIN_MIGRATE_DST_DO_SEAMLESS",
  "client MAIN_MIGRATE_CONNECTED_SEAMLESS",
  "client MAIN_QUALITY_INDICATOR",
  "server DISPLAY_INVAL_LIST",
  "server DISPLAY_INVAL_ALL_PIXMAPS",
  "server DISPLAY_INVAL_PALETTE",
  "server DISPLAY_INVAL_ALL_PALETTES",
  "server DISPLAY_STREAM_ACTIVATE_REPORT",
  "server DISPLAY_QUALITY_INDICATOR",
  "client DISPLAY_STREAM_REPORT",
  "client DISPLAY_GL_DRAW_DONE",
  "server INPUTS_MOUSE_MOTION_ACK",
  "server CURSOR_INVAL_ONE",
  "server CURSOR_INVAL_ALL",
  "server PLAYBACK_LATENCY",
  "client RECORD_START_MARK",
];

describe("messageRow", () => {
  it("knows each channel's base messages", () => {
    for (const channel of CHANNEL_NAMES) {
      const names = (direction: Direction) =>
        messageRows(channel, direction)
          .filter((row) => row.type < 100)
          .map((row) => `${row.type} ${row.name}`);
      expect(names("server")).toEqual([
        "1 MIGRATE",
        "2 MIGRATE_DATA",
        "3 SET_ACK",
        "4 PING",
        "5 WAIT_FOR_CHANNELS",
        "6 DISCONNECTING",
        "7 NOTIFY",
        "8 LIST",
      ]);
      expect(names("client")).toEqual([
        "1 ACK_SYNC",
        "2 ACK",
        "3 PONG",
        "4 MIGRATE_FLUSH_MARK",
        "5 MIGRATE_DATA",
        "6 DISCONNECTING",
      ]);
    }
  });

  it.each(CHANNEL_NAMES)("has no message at any number that %s does not have", (channel) => {
    for (const direction of DIRECTIONS) {
      const listed = messageRows(channel, direction).map((row) => row.type);
      const numbers = Array.from({ length: 0x1_0000 }, (_, type) => type);
      const found = numbers.filter((type) => messageRow(channel, direction, type) !== null);
      expect(found).toEqual(listed);
    }
  });

  it("keeps dead and one-way channels to the base messages", () => {
    expect(messageRow("main", "client", 113)).toBeNull();
    expect(messageRow("tunnel", "server", 101)).toBeNull();
    expect(messageRow("cursor", "client", 101)).toBeNull();
  });

  it("bounds every size", () => {
    for (const channel of CHANNEL_NAMES) {
      for (const direction of DIRECTIONS) {
        for (const row of messageRows(channel, direction)) {
          expect(row.sizeMin, row.name).toBeLessThanOrEqual(row.sizeMax);
          expect(row.sizeMax, row.name).toBeLessThanOrEqual(256 * MIB);
        }
      }
    }
  });

  // Sizes by hand from spice.proto: [channel, direction, type, fewest, most].
  it.each([
    ["main", "server", 3, 8, 8],
    ["main", "server", 4, 12, MIB],
    ["main", "server", 103, 32, 32],
    ["main", "server", 109, 0, 64 * 1024],
    ["main", "client", 104, 0, 0],
    ["display", "server", 304, 57, 256 * MIB],
    ["display", "server", 302, 37, 256 * MIB],
    ["display", "server", 314, 20, 20],
    ["display", "client", 101, 14, 14],
    ["display", "client", 102, 32, 32],
    ["inputs", "client", 101, 4, 4],
    ["inputs", "client", 111, 10, 11],
    ["inputs", "client", 112, 11, 11],
    ["inputs", "client", 113, 3, 3],
    ["cursor", "server", 103, 7, 16 * MIB],
    ["playback", "server", 103, 14, 14],
    ["record", "client", 101, 4, MIB],
    ["smartcard", "client", 101, 12, MIB],
    ["usbredir", "client", 101, 0, 16 * MIB],
    ["webdav", "server", 201, 9, 64 * 1024],
    ["port", "client", 201, 1, 1],
    ["display", "server", 8, 2, MIB],
    ["main", "server", 116, 24, 64 * 1024],
    ["record", "server", 101, 10, 10],
    ["record", "client", 103, 4, 4],
    ["smartcard", "server", 101, 12, MIB],
    ["usbredir", "server", 102, 1, 16 * MIB],
    ["port", "server", 202, 1, 1],
    ["webdav", "client", 201, 1, 1],
    ["playback", "server", 107, 4, 4],
  ] as const)("%s %s %i has %i to %i bytes", (...[channel, direction, type, sizeMin, sizeMax]) => {
    expect(messageRow(channel, direction, type)).toMatchObject({ sizeMin, sizeMax });
  });

  it("takes the server's bandwidth test of 256,000 bytes", () => {
    const which = { channel: "main", direction: "server" } as const;
    expect(judgeHeader(which, 4, 12 + 256_000).name).toBe("PING");
  });

  it("calls quiet what tells of no input and of no change", () => {
    const quiet = CHANNEL_NAMES.flatMap((channel) =>
      DIRECTIONS.flatMap((direction) =>
        messageRows(channel, direction)
          .filter((row) => row.quiet && (row.type > 100 || channel === "main"))
          .map((row) => `${direction} ${row.name}`),
      ),
    );
    expect(quiet).toEqual(QUIET_NAMES);
  });

  it("has lists of entries for what servers send as sub-messages, as long as their counts say", () => {
    const listed = DIRECTIONS.flatMap((direction) =>
      messageRows("display", direction).filter((row) => row.entries !== null),
    );
    expect(listed.map(({ name, sizeMin, sizeMax }) => [name, sizeMin, sizeMax])).toEqual([
      ["WAIT_FOR_CHANNELS", 1, 1 + 255 * 10],
      ["DISPLAY_INVAL_LIST", 2, 2 + 65_535 * 9],
    ]);
  });

  it("gives usbredir no port messages, and webdav those of a port", () => {
    expect(messageRow("usbredir", "server", 201)).toBeNull();
    expect(messageRow("webdav", "server", 201)?.name).toBe("PORT_INIT");
  });
});

describe("judgeHeader", () => {
  const which = { channel: "inputs", direction: "client" } as const;

  it("gives the row of a lawful header", () => {
    expect(judgeHeader(which, 101, 4).name).toBe("INPUTS_KEY_DOWN");
  });

  it("refuses unknown types and unlawful sizes with their numbers", () => {
    expect(thrownBy(() => judgeHeader(which, 999, 4))).toMatchObject({
      code: "message.type-unknown",
      numbers: { value: 999 },
    });
    for (const sizeBytes of [0, 3, 5, 2 ** 32 - 1]) {
      expect(thrownBy(() => judgeHeader(which, 101, sizeBytes))).toMatchObject({
        code: "message.size-unlawful",
        numbers: { value: 101, needed: 4, available: sizeBytes, max: 4 },
      });
    }
  });

  it("takes both ends of a range and refuses what is one beyond", () => {
    const ping = { channel: "cursor", direction: "server" } as const;
    for (const sizeBytes of [12, MIB]) {
      expect(judgeHeader(ping, 4, sizeBytes).type).toBe(4);
    }
    for (const sizeBytes of [11, MIB + 1]) {
      expect(() => judgeHeader(ping, 4, sizeBytes)).toThrow("message.size-unlawful");
    }
  });
});

describe("channelName", () => {
  it("knows the eleven channels and no other number", () => {
    expect(channelName(1)).toBe("main");
    expect(channelName(11)).toBe("webdav");
    for (const type of [0, 12, 255, -1]) {
      expect(channelName(type)).toBeNull();
    }
  });
});
