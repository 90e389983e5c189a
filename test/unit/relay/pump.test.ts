/** The pump's writes: where one ends and the next begins, which decides where TLS records end. */
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { encodeMiniHeader, MINI_HEADER_BYTES } from "#shared/spice/header.ts";
import { MessageJudge } from "../../../relay/pump/message-judge.ts";
import { Pump } from "../../../relay/pump/pump.ts";

/** Lengths of the writes that each chunk became. */
async function writesOf(...chunks: readonly Buffer[]): Promise<number[][]> {
  let writes: number[] = [];
  const from = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const to = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk.length);
      done();
    },
  });
  const judge = new MessageJudge({ channel: "display", direction: "server", onConnectionId() {} });
  new Pump({ from, to, judge, onForwarded() {}, onViolation() {} }).start();
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
});

const PING = 4;
const MARK = 102;
