/** What one direction's judge lets through, ends and tells, as the pump drives it. */
import { describe, expect, it } from "vitest";
import type { FirewallMode } from "#shared/policy/policy.ts";
import type { Direction } from "#shared/spice/channel-table.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import type { HeaderKind } from "#shared/spice/header.ts";
import { Splitter } from "#shared/spice/splitter.ts";
import { ChannelFirewall, type FirewallJudgement } from "../../../relay/pump/firewall.ts";
import { MessageJudge } from "../../../relay/pump/message-judge.ts";
import { hex, thrownBy } from "../spice/hex.ts";

interface Setup {
  readonly channel?: ChannelName;
  readonly direction?: Direction;
  readonly headerKind?: HeaderKind;
  readonly mode?: FirewallMode;
}

function setUp({
  channel = "display",
  direction = "server",
  headerKind = "mini",
  mode = "enforce",
}: Setup = {}) {
  const judgements: FirewallJudgement[] = [];
  const connectionIds: number[] = [];
  const onFinding = (judgement: FirewallJudgement) => judgements.push(judgement);
  const firewall = new ChannelFirewall({ channel, mode, onFinding });
  const onConnectionId = (id: number) => connectionIds.push(id);
  const options = { channel, direction, headerKind, firewall, onConnectionId };
  const judge = new MessageJudge(options);
  const splitter = new Splitter(headerKind);
  /** A chunk, as the pump takes it. */
  const push = (chunk: Uint8Array, nowMs = 0): void => {
    splitter.push(chunk, judge);
    judge.endChunk(nowMs);
  };
  return { judge, firewall, judgements, connectionIds, push };
}

const MARK = hex("66 00  00 00 00 00");
const PING = hex("04 00  0c 00 00 00  01 00 00 00 00 00 00 00 00 00 00 00");
const UNKNOWN = hex("64 00  02 00 00 00  aa bb");
const UNDERSIZED = hex("05 00  00 00 00 00");
const OVERSIZED = hex("66 00  01 00 00 00  aa");
/** LIST: an invalidation of nothing and a MARK. */
const LIST = hex("08 00  18 00 00 00  02 00  0a 00 00 00  12 00 00 00");
const LISTED = hex("69 00  02 00 00 00  00 00   66 00  00 00 00 00");
const MAIN_INIT = hex(`
  67 00  20 00 00 00   ef be ad de  01 00 00 00  03 00 00 00  02 00 00 00
  00 00 00 00  0a 00 00 00  39 30 00 00  00 00 00 04
`);

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

describe("MessageJudge, enforcing", () => {
  it("passes what is lawful and knows where messages begin", () => {
    const { judge, firewall, push } = setUp();
    push(join(PING, MARK, PING.subarray(0, 3)));
    expect([judge.lastMessageAt, judge.lawfulBytes]).toEqual([18, 24]);
    push(PING.subarray(3));
    expect([judge.lastMessageAt, judge.lawfulBytes]).toEqual([24, 42]);
    expect(firewall.findings()).toEqual([]);
  });

  it("counts full headers with their eighteen bytes", () => {
    const { judge, push } = setUp({ headerKind: "full" });
    const serial = hex("01 00 00 00 00 00 00 00");
    push(join(serial, MARK, hex("00 00 00 00"), serial, MARK, hex("00 00 00 00")));
    expect([judge.lastMessageAt, judge.lawfulBytes]).toEqual([18, 36]);
  });

  it.each([
    ["type", UNKNOWN, 100, "message.type-unknown"],
    ["size", OVERSIZED, 102, "message.size-unlawful"],
    ["size", UNDERSIZED, 5, "message.size-unlawful"],
  ] as const)("ends the stream before a message of unlawful %s", (...[rule, bad, type, code]) => {
    const { judge, firewall, judgements, push } = setUp();
    expect(thrownBy(() => push(join(PING, bad, PING)))).toMatchObject({ code });
    expect(judge.lawfulBytes).toBe(18);
    const finding = { direction: "server", rule, messageType: type, count: 1 };
    expect(firewall.findings()).toEqual([finding]);
    expect(judgements).toEqual([{ direction: "server", rule, action: "ended" }]);
  });

  it.each([0, 7, 8, 100, 101, 323, 324, 0x7fff, 0xffff])("knows no client's type %i", (type) => {
    const { judge } = setUp({ channel: "cursor", direction: "client" });
    expect(() => judge.onHeader(type, 12, 0)).toThrow("message.type-unknown");
  });

  it("judges record and smartcard like all others", () => {
    for (const channel of ["record", "smartcard"] as const) {
      for (const direction of ["client", "server"] as const) {
        const { judge } = setUp({ channel, direction });
        expect(() => judge.onHeader(150, 0, 0)).toThrow("message.type-unknown");
      }
    }
  });

  it("refuses a sub-list of the client's, whatever it names", () => {
    const { judge, firewall } = setUp({ channel: "inputs", direction: "client" });
    judge.onHeader(101, 4, 0);
    expect(() => judge.onHeader(101, 4, 1)).toThrow("message.sub-list-unlawful");
    expect(judge.lawfulBytes).toBe(10);
    expect(firewall.findings()).toEqual([
      { direction: "client", rule: "sub-list", messageType: 101, count: 1 },
    ]);
  });

  it("passes a lawful list and takes none of it for a message", () => {
    const { judge, firewall, push } = setUp();
    push(join(LIST, LISTED, MARK));
    expect([judge.lastMessageAt, judge.lawfulBytes]).toEqual([30, 36]);
    expect(firewall.findings()).toEqual([]);
  });

  it("ends the stream at the message whose list is malformed, wherever that shows", () => {
    const bad = join(MARK, LIST, LISTED.subarray(0, 8), hex("64 00  00 00 00 00"));
    for (let cut = 0; cut <= bad.length; cut += 1) {
      const { judge, firewall, push } = setUp();
      const error = thrownBy(() => {
        push(bad.subarray(0, cut));
        push(bad.subarray(cut));
      });
      expect(error).toMatchObject({ code: "message.sub-list-unlawful", numbers: { value: 100 } });
      expect(judge.lawfulBytes).toBe(6);
      expect(firewall.findings()).toMatchObject([{ rule: "sub-list", messageType: 100 }]);
    }
  });

  it("ends the stream before a message that has no room for its list", () => {
    const { judge, firewall } = setUp({ headerKind: "full" });
    judge.onHeader(102, 0, 0);
    expect(() => judge.onHeader(304, 57, 56)).toThrow("message.sub-list-unlawful");
    expect(judge.lawfulBytes).toBe(18);
    expect(firewall.findings()).toMatchObject([{ messageType: 304 }]);
  });

  it("reads the list of a full header", () => {
    const draw = hex(`
      01 00 00 00 00 00 00 00  30 01  45 00 00 00  3f 00 00 00   # DRAW_COPY, list at 63
      ${"aa ".repeat(57)}
      64 00  00 00 00 00                                          # what is no message
      01 00  39 00 00 00                                          # one, at 57
    `);
    const { push } = setUp({ headerKind: "full" });
    expect(() => push(draw)).toThrow("message.sub-list-unlawful (value 100");
    const lawful = draw.slice();
    lawful.set([102], 18 + 57);
    const other = setUp({ headerKind: "full" });
    other.push(lawful);
    expect(other.judge.lawfulBytes).toBe(lawful.length);
  });

  it("ends a flood at the message that began it", () => {
    const { judge, firewall, push } = setUp({ channel: "inputs", direction: "client" });
    const key = hex("65 00  04 00 00 00  1e 00 00 00");
    push(key);
    const flood = join(...Array.from({ length: 30_000 }, () => key));
    expect(() => push(flood)).toThrow("message.rate-exceeded (available 30000)");
    expect(judge.lawfulBytes).toBe(key.length);
    const finding = { direction: "client", rule: "rate", messageType: null, count: 1 };
    expect(firewall.findings()).toEqual([finding]);
  });

  it("judges a rate by the time that has passed", () => {
    const { judge, push } = setUp({ channel: "inputs", direction: "client" });
    const key = hex("65 00  04 00 00 00  1e 00 00 00");
    const second = join(...Array.from({ length: 10_000 }, () => key));
    for (let nowMs = 0; nowMs < 20_000; nowMs += 1000) {
      push(second, nowMs);
    }
    push(second, 19_001);
    push(second, 19_002);
    expect(() => push(second, 19_003)).toThrow("message.rate-exceeded");
    expect(judge.lawfulBytes).toBe(22 * second.length);
  });
});

describe("MessageJudge, observing", () => {
  it("passes what it would end, by arithmetic, and tells of each", () => {
    const { judge, firewall, judgements, push } = setUp({ mode: "observe" });
    const stream = join(UNKNOWN, OVERSIZED, UNKNOWN, MARK);
    for (const byte of stream) {
      push(Uint8Array.of(byte));
    }
    expect([judge.lastMessageAt, judge.lawfulBytes]).toEqual([stream.length - 6, stream.length]);
    expect(firewall.findings()).toEqual([
      { direction: "server", rule: "type", messageType: 100, count: 2 },
      { direction: "server", rule: "size", messageType: 102, count: 1 },
    ]);
    expect(judgements.map(({ action }) => action)).toEqual(["observed", "observed", "observed"]);
  });

  it("passes a malformed list and judges what follows it", () => {
    const bad = join(LIST, LISTED.subarray(0, 8), hex("64 00  00 00 00 00"));
    for (let cut = 0; cut <= bad.length; cut += 1) {
      const { judge, firewall, push } = setUp({ mode: "observe" });
      push(bad.subarray(0, cut));
      push(join(bad.subarray(cut), UNKNOWN, LIST, LISTED));
      expect(judge.lawfulBytes).toBe(30 + 8 + 30);
      expect(firewall.findings()).toEqual([
        { direction: "server", rule: "sub-list", messageType: 100, count: 1 },
        { direction: "server", rule: "type", messageType: 100, count: 1 },
      ]);
    }
  });

  it("passes lists that have no room, and the client's", () => {
    const server = setUp({ mode: "observe", headerKind: "full" });
    expect(server.judge.onHeader(8, 2, 0)).toBe("observe");
    server.judge.onBody(new Uint8Array(2), 0);
    expect(server.judge.onHeader(304, 57, 56)).toBe("pass");
    const client = setUp({ mode: "observe", headerKind: "full", direction: "client" });
    expect(client.judge.onHeader(104, 0, 9)).toBe("pass");
    expect(client.judge.onHeader(8, 2, 0)).toBe("pass");
    expect(client.firewall.findings().map(({ rule }) => rule)).toEqual(["sub-list", "type"]);
  });

  it("passes a flood, counting the chunks that were above", () => {
    const { judge, firewall, push } = setUp({
      channel: "inputs",
      direction: "client",
      mode: "observe",
    });
    const chunk = join(
      ...Array.from({ length: 20_000 }, () => hex("65 00 04 00 00 00 1e 00 00 00")),
    );
    for (let round = 0; round < 5; round += 1) {
      push(chunk);
    }
    expect(judge.lawfulBytes).toBe(5 * chunk.length);
    expect(firewall.findings()).toMatchObject([{ rule: "rate", count: 4 }]);
  });

  it("hears no connection id from a MAIN_INIT of another size", () => {
    const { connectionIds, push } = setUp({ channel: "main", mode: "observe" });
    push(join(hex("67 00  24 00 00 00"), new Uint8Array(36)));
    expect(connectionIds).toEqual([]);
    push(MAIN_INIT);
    expect(connectionIds).toEqual([0xdead_beef]);
  });
});

describe("what a judge overhears", () => {
  it("is the first connection id, however MAIN_INIT is cut, and once", () => {
    for (let cut = 0; cut <= MAIN_INIT.length; cut += 1) {
      const { connectionIds, push } = setUp({ channel: "main" });
      push(join(PING, MAIN_INIT.subarray(0, cut)));
      push(join(MAIN_INIT.subarray(cut), MAIN_INIT, PING));
      expect(connectionIds).toEqual([0xdead_beef]);
    }
  });

  it("is nothing on other channels and from clients", () => {
    const display = setUp();
    display.push(hex("67 00  00 00 00 00"));
    expect(display.connectionIds).toEqual([]);
    const client = setUp({ channel: "main", direction: "client", mode: "observe" });
    client.push(MAIN_INIT);
    expect(client.connectionIds).toEqual([]);
  });
});

describe("activity", () => {
  it("is what is not housekeeping, since the last question", () => {
    const { judge, push } = setUp();
    expect(judge.takeActivity()).toBe(false);
    push(PING);
    expect(judge.takeActivity()).toBe(false);
    push(join(MARK, PING));
    expect(judge.takeActivity()).toBe(true);
    expect(judge.takeActivity()).toBe(false);
    push(PING);
    expect(judge.takeActivity()).toBe(false);
  });

  it("goes on as long as a body does", () => {
    const { judge, push } = setUp();
    push(hex(`30 01  40 00 00 00 ${"aa ".repeat(10)}`));
    expect(judge.takeActivity()).toBe(true);
    push(new Uint8Array(20));
    expect(judge.takeActivity()).toBe(true);
    expect(judge.takeActivity()).toBe(false);
  });

  it("is not a long body of housekeeping", () => {
    const { judge, push } = setUp({ channel: "main" });
    push(hex(`04 00  40 00 00 00 ${"aa ".repeat(10)}`));
    push(new Uint8Array(20));
    expect(judge.takeActivity()).toBe(false);
  });

  it("is in a list when one of its messages is", () => {
    const { judge, push } = setUp();
    push(join(LIST, LISTED));
    expect(judge.takeActivity()).toBe(true);
    const quiet = hex("08 00  0e 00 00 00  01 00  06 00 00 00  69 00  02 00 00 00  00 00");
    push(quiet);
    expect(judge.takeActivity()).toBe(false);
  });

  it("is an unknown message that may pass", () => {
    const { judge, push } = setUp({ mode: "observe" });
    push(UNKNOWN);
    expect(judge.takeActivity()).toBe(true);
  });
});
