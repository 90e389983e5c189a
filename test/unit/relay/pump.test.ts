/** The pump's writes: where one ends and the next begins, which decides where TLS records end. */
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { encodeMiniHeader, MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import { ChannelFirewall } from "../../../relay/pump/firewall.ts";
import { MessageJudge } from "../../../relay/pump/message-judge.ts";
import { Pump, tailStart } from "../../../relay/pump/pump.ts";

/** What a TLS record holds at most. */
const RECORD = 16 * 1024;

/** Lengths of the writes that each chunk became. */
async function writesOf(...chunks: readonly Buffer[]): Promise<number[][]> {
  return run(chunks, { splitsLastMessage: true });
}

async function run(
  chunks: readonly Buffer[],
  options: {
    readonly splitsLastMessage: boolean;
    readonly nowMs?: () => number;
    readonly onActivity?: (nowMs: number) => void;
  },
): Promise<number[][]> {
  let writes: number[] = [];
  const from = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const to = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk.length);
      done();
    },
  });
  const firewall = new ChannelFirewall({ channel: "display", mode: "enforce", onFinding() {} });
  const judge = new MessageJudge({
    channel: "display",
    direction: "server",
    headerKind: "mini",
    firewall,
    onConnectionId() {},
  });
  new Pump({
    from,
    to,
    headerKind: "mini",
    judge,
    splitsLastMessage: options.splitsLastMessage,
    nowMs: options.nowMs ?? (() => 0),
    onForwarded() {},
    onActivity: options.onActivity ?? (() => {}),
    onViolation() {},
  }).start();
  const all: number[][] = [];
  for (const chunk of chunks) {
    writes = [];
    from.push(chunk);
    await new Promise(setImmediate);
    all.push(writes);
  }
  return all;
}

/** A PING whose header and body have so many bytes in all. */
function ping(sizeBytes: number): Buffer {
  const bodyBytes = sizeBytes - MINI_HEADER_BYTES;
  const header = encodeMiniHeader({ type: PING, sizeBytes: bodyBytes });
  return Buffer.concat([header, Buffer.alloc(bodyBytes)]);
}

/** MARK: a display message without a body. */
function mark(): Buffer {
  return Buffer.from(encodeMiniHeader({ type: MARK, sizeBytes: 0 }));
}

describe("a chunk", () => {
  it("of one message is one write", async () => {
    expect(await writesOf(ping(40))).toEqual([[40]]);
    expect(await writesOf(mark())).toEqual([[6]]);
  });

  it("of several messages has its last one apart", async () => {
    expect(await writesOf(Buffer.concat([ping(20), ping(30), ping(40)]))).toEqual([[50, 40]]);
  });

  it("of several messages without bodies has the last one apart", async () => {
    expect(await writesOf(Buffer.concat([mark(), mark(), mark()]))).toEqual([[12, 6]]);
  });

  it("that begins within a message has the last one that begins in it apart", async () => {
    const long = ping(1000);
    const chunks = [
      Buffer.concat([ping(20), long.subarray(0, 300)]),
      long.subarray(300, 600),
      Buffer.concat([long.subarray(600), ping(30)]),
      Buffer.concat([ping(20), ping(50)]),
    ];
    expect(await writesOf(...chunks)).toEqual([[20, 300], [300], [400, 30], [20, 50]]);
  });

  it("that ends within a header keeps that piece with the last whole message", async () => {
    const next = ping(40);
    const chunks = [
      Buffer.concat([ping(20), ping(30), next.subarray(0, 4)]),
      Buffer.concat([next.subarray(4), ping(50), ping(60).subarray(0, 1)]),
      ping(60).subarray(1),
    ];
    expect(await writesOf(...chunks)).toEqual([[20, 34], [36, 51], [59]]);
  });

  it("that holds nothing but a piece of a header is one write", async () => {
    const one = ping(40);
    const chunks = [one.subarray(0, 3), one.subarray(3, 5), one.subarray(5)];
    expect(await writesOf(...chunks)).toEqual([[3], [2], [35]]);
  });

  it("that ends with a header whose body is still to come has that header apart", async () => {
    const last = ping(40);
    const chunks = [Buffer.concat([ping(20), last.subarray(0, 6)]), last.subarray(6)];
    expect(await writesOf(...chunks)).toEqual([[20, 6], [34]]);
  });

  it("with an unlawful message has the last lawful one apart and nothing of the other", async () => {
    const unlawful = encodeMiniHeader({ type: 0x7fff, sizeBytes: 0 });
    const chunk = Buffer.concat([ping(20), ping(30), ping(40), unlawful, ping(20)]);
    expect(await writesOf(chunk)).toEqual([[50, 40]]);
  });

  it("whose last message began in an earlier record than the chunk's last is one write", async () => {
    const chunk = Buffer.concat([ping(100), draw(40_000)]);
    expect(await writesOf(chunk)).toEqual([[40_100]]);
  });

  it("whose last message begins in its last record has it apart", async () => {
    const chunk = Buffer.concat([draw(40_000), ping(100)]);
    expect(await writesOf(chunk)).toEqual([[40_000, 100]]);
  });

  it("is one write where nobody looks at records", async () => {
    const chunks = [Buffer.concat([ping(20), ping(30)]), Buffer.concat([draw(40_000), ping(20)])];
    expect(await run(chunks, { splitsLastMessage: false })).toEqual([[50], [40_020]]);
  });
});

describe("the cut before the last message", () => {
  it.each([
    ["the only message", 100, 0, 0],
    ["a message that began in an earlier chunk", 100, -5, 0],
    ["a short chunk", 100, 60, 60],
    ["the last byte", 100, 99, 99],
    ["a message that begins where the last record does", RECORD + 10, RECORD, 0],
    ["a message that begins a byte later", RECORD + 10, RECORD + 1, RECORD + 1],
    ["a message that begins a byte before the last record", RECORD + 10, RECORD - 1, 0],
    ["a chunk of exactly one record", RECORD, 10, 10],
    ["a chunk of exactly two records", 2 * RECORD, 10, 0],
    ["the second of two full records", 2 * RECORD, RECORD + 10, RECORD + 10],
  ])("%s", (_name, length, lastMessageAt, expected) => {
    expect(tailStart(length, lastMessageAt)).toBe(expected);
  });

  it("leaves no earlier message's end in the record where the chunk ends", () => {
    for (const length of [1, 100, RECORD, RECORD + 1, 3 * RECORD - 7]) {
      for (let lastMessageAt = 1; lastMessageAt < length; lastMessageAt += 1) {
        const cutAt = tailStart(length, lastMessageAt);
        const lastRecordAt = cutAt > 0 ? cutAt : Math.floor((length - 1) / RECORD) * RECORD;
        if (lastMessageAt > lastRecordAt || length - lastRecordAt > RECORD) {
          throw new Error(`${lastMessageAt} of ${length} is cut at ${cutAt}`);
        }
      }
    }
  });
});

describe("activity", () => {
  it("is told with the time of each chunk that has more than housekeeping", async () => {
    const told: number[] = [];
    let nowMs = 0;
    const onActivity = (atMs: number): void => {
      told.push(atMs);
    };
    const chunks = [ping(20), mark(), Buffer.concat([ping(20), mark()]), ping(20)];
    await run(chunks, { splitsLastMessage: true, nowMs: () => (nowMs += 10), onActivity });
    expect(told).toEqual([20, 30]);
  });
});

/** A DRAW_COPY whose header and body have so many bytes in all. */
function draw(sizeBytes: number): Buffer {
  const bodyBytes = sizeBytes - MINI_HEADER_BYTES;
  const header = encodeMiniHeader({ type: DRAW_COPY, sizeBytes: bodyBytes });
  return Buffer.concat([header, Buffer.alloc(bodyBytes)]);
}

const DRAW_COPY = 304;
const PING = 4;
const MARK = 102;
