/** The pump over in-memory streams: whatever the chunks, the bytes are the same. */
import { Duplex } from "node:stream";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeMiniHeader } from "#shared/spice/header.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import { ChannelFirewall } from "../../../relay/pump/firewall.ts";
import { MessageJudge } from "../../../relay/pump/message-judge.ts";
import { Pump } from "../../../relay/pump/pump.ts";
import { encodeMainInit, SESSION_ID } from "../../harness/relay/fake-spice-server.ts";

/** Gives what is pushed, keeps what is written, and can be slow to take it. */
class FakeSocket extends Duplex {
  readonly taken: Buffer[] = [];
  mostHeldBytes = 0;
  #release: (() => void) | null = null;
  #isSlow: boolean;

  constructor(isSlow = false) {
    super({ highWaterMark: 1024 });
    this.#isSlow = isSlow;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(chunk);
    this.mostHeldBytes = Math.max(this.mostHeldBytes, this.writableLength);
    if (this.#isSlow) {
      this.#release = done;
    } else {
      done();
    }
  }

  /** Takes one more chunk. */
  release(): void {
    const done = this.#release;
    this.#release = null;
    done?.();
  }
}

interface Run {
  readonly bytes: Buffer;
  readonly violation: ErrorCode | null;
  readonly connectionIds: readonly number[];
  readonly meteredBytes: number;
}

async function run(chunks: readonly Buffer[], direction: "client" | "server"): Promise<Run> {
  const from = new FakeSocket();
  const to = new FakeSocket();
  const connectionIds: number[] = [];
  let violation: ErrorCode | null = null;
  let meteredBytes = 0;
  const pump = new Pump({
    from,
    to,
    headerKind: "mini",
    judge: new MessageJudge({
      channel: "main",
      direction,
      headerKind: "mini",
      firewall: new ChannelFirewall({ channel: "main", mode: "enforce", onFinding() {} }),
      onConnectionId: (id) => connectionIds.push(id),
    }),
    splitsLastMessage: true,
    nowMs: () => 0,
    onActivity() {},
    onForwarded: (count) => {
      meteredBytes += count;
    },
    onViolation: (code) => {
      violation = code;
    },
  });
  pump.start();
  for (const chunk of chunks) {
    from.push(chunk);
  }
  from.push(null);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  return { bytes: Buffer.concat(to.taken), violation, connectionIds, meteredBytes };
}

function message(type: number, body: Uint8Array): Buffer {
  return Buffer.concat([encodeMiniHeader({ type, sizeBytes: body.length }), body]);
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at]
    .map((start, index) => bytes.subarray(start, at[index] ?? bytes.length))
    .filter((part) => part.length > 0);
}

/** Lawful messages of a main channel's server: PING and NOTIFY. */
const lawful = fc.oneof(
  fc.uint8Array({ minLength: 12, maxLength: 300 }).map((body) => message(4, body)),
  fc.uint8Array({ minLength: 24, maxLength: 200 }).map((body) => message(7, body)),
  fc.constant(encodeMainInit(SESSION_ID)),
);
const cuts = fc.array(fc.nat(), { maxLength: 30 });

describe("the pump", () => {
  it("forwards lawful bytes unchanged, however they are cut, and hears MAIN_INIT once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(lawful, { maxLength: 20 }), cuts, async (messages, at) => {
        const bytes = Buffer.concat(messages);
        const result = await run(split(bytes, at), "server");
        expect(result.bytes.equals(bytes)).toBe(true);
        expect(result.violation).toBeNull();
        expect(result.meteredBytes).toBe(bytes.length);
        const hasInit = messages.some((one) => one.readUInt16LE(0) === 103);
        expect(result.connectionIds).toEqual(hasInit ? [SESSION_ID] : []);
      }),
      { numRuns: 200 },
    );
  });

  it("forwards all before an unlawful message and never more than its cut header", async () => {
    const unlawful = fc.oneof(
      fc.nat(2 ** 16 - 1).map((type) => encodeMiniHeader({ type: type | 0x8000, sizeBytes: 0 })),
      fc
        .integer({ min: 2 ** 24, max: 2 ** 32 - 1 })
        .map((sizeBytes) => encodeMiniHeader({ type: 4, sizeBytes })),
      fc.nat(11).map((sizeBytes) => encodeMiniHeader({ type: 4, sizeBytes })),
    );
    const parts = fc.tuple(fc.array(lawful, { maxLength: 10 }), unlawful, fc.uint8Array(), cuts);
    await fc.assert(
      fc.asyncProperty(parts, async ([messages, bad, rest, at]) => {
        const good = Buffer.concat(messages);
        const bytes = Buffer.concat([good, bad, rest]);
        const result = await run(split(bytes, at), "server");
        expect(result.violation).toMatch(/^message\./);
        expect(result.bytes.length).toBeGreaterThanOrEqual(good.length);
        // At most the five bytes of its header that came before the header was whole.
        expect(result.bytes.length).toBeLessThan(good.length + 6);
        expect(result.bytes.equals(bytes.subarray(0, result.bytes.length))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("survives any bytes at all, in either direction", async () => {
    const direction = fc.constantFrom("client" as const, "server" as const);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array()), direction, async (parts, which) => {
        const chunks = parts.map((part) => Buffer.from(part));
        const result = await run(chunks, which);
        const bytes = Buffer.concat(chunks);
        expect(result.bytes.equals(bytes.subarray(0, result.bytes.length))).toBe(true);
        expect(result.violation).not.toBe("internal.error");
      }),
      { numRuns: 200 },
    );
  });

  it("holds no more than the high-water marks while the other side takes nothing", async () => {
    const from = new Producer();
    const to = new FakeSocket(true);
    const judge = new MessageJudge({
      channel: "display",
      direction: "server",
      headerKind: "mini",
      firewall: new ChannelFirewall({ channel: "display", mode: "enforce", onFinding() {} }),
      onConnectionId() {},
    });
    new Pump({
      from,
      to,
      headerKind: "mini",
      judge,
      splitsLastMessage: true,
      nowMs: () => 0,
      onForwarded() {},
      onActivity() {},
      onViolation() {},
    }).start();
    for (let turn = 0; turn < 50; turn += 1) {
      await new Promise(setImmediate);
    }
    expect(from.producedBytes).toBeLessThanOrEqual(2 * 1024 + 2 * CHUNK_BYTES);
    while (to.taken.length < 1 + CHUNK_COUNT) {
      to.release();
      await new Promise(setImmediate);
    }
    const bytes = Buffer.concat(to.taken);
    for (let index = 0; index < CHUNK_COUNT; index += 1) {
      expect(bytes[6 + index * CHUNK_BYTES]).toBe(index);
    }
    expect(to.mostHeldBytes).toBeLessThanOrEqual(1024 + CHUNK_BYTES);
  });
});

/** Gives one chunk whenever it is read, as a socket does: a header, and then a long body. */
class Producer extends Duplex {
  producedBytes = 0;
  #given = 0;

  constructor() {
    super({ highWaterMark: 1024 });
  }

  override _read(): void {
    if (this.#given > CHUNK_COUNT) {
      return;
    }
    const header = encodeMiniHeader({ type: 304, sizeBytes: CHUNK_COUNT * CHUNK_BYTES });
    const chunk = this.#given === 0 ? header : Buffer.alloc(CHUNK_BYTES, this.#given - 1);
    this.#given += 1;
    this.producedBytes += chunk.length;
    this.push(chunk);
  }
}

const CHUNK_COUNT = 200;
const CHUNK_BYTES = 512;
