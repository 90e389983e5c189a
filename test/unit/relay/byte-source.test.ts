import { type Duplex, PassThrough } from "node:stream";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ByteSource } from "../../../relay/handshake/byte-source.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("a byte source", () => {
  it("reads exactly what was asked for, however it arrives, and leaves the rest", async () => {
    const stream = new PassThrough();
    const source = new ByteSource(stream);
    const first = source.read(4);
    for (const byte of [1, 2, 3, 4, 5, 6]) {
      stream.write(Buffer.of(byte));
    }
    expect(await first).toEqual(Buffer.of(1, 2, 3, 4));
    expect(await source.read(1)).toEqual(Buffer.of(5));
    source.release();
    const rest = new Promise((resolve) => {
      stream.once("data", resolve);
    });
    stream.resume();
    expect(await rest).toEqual(Buffer.of(6));
  });

  it("fails a read that the end cuts short, with the numbers", async () => {
    const stream = new PassThrough();
    const source = new ByteSource(stream);
    const read = source.read(4);
    stream.end(Buffer.of(1, 2, 3));
    await expect(read).rejects.toMatchObject({
      fault: "closed",
      message: "closed after 3 of 4 bytes",
    });
    expect(source.gone.aborted).toBe(true);
    await expect(source.read(1)).rejects.toMatchObject({ fault: "closed" });
  });

  it("notices the end while nothing is asked", async () => {
    const stream = new PassThrough();
    const source = new ByteSource(stream);
    const gone = new Promise((resolve) => {
      source.gone.addEventListener("abort", resolve);
    });
    stream.write(Buffer.of(1));
    expect(await source.read(1)).toEqual(Buffer.of(1));
    await new Promise(setImmediate);
    stream.end();
    await gone;
  });

  it("notices a broken connection", async () => {
    const stream = new PassThrough();
    const source = new ByteSource(stream);
    const read = source.read(1);
    stream.destroy(new Error("ECONNRESET"));
    await expect(read).rejects.toMatchObject({ fault: "closed" });
    expect(source.gone.aborted).toBe(true);
  });

  it("does not spin when the peer ended behind bytes that nobody asked for", async () => {
    let readCount = 0;
    class Counted extends PassThrough {
      override read(size?: number): unknown {
        readCount += 1;
        return super.read(size);
      }
    }
    const stream: Duplex = new Counted();
    const source = new ByteSource(stream);
    stream.end(Buffer.of(1, 2, 3));
    for (let turn = 0; turn < 50; turn += 1) {
      await new Promise(setImmediate);
    }
    expect(readCount).toBeLessThan(20);
    expect(await source.read(3)).toEqual(Buffer.of(1, 2, 3));
  });

  it("ends a phase by its deadline, not a phase that was ended", async () => {
    vi.useFakeTimers();
    const source = new ByteSource(new PassThrough());
    source.beginPhase(100);
    source.endPhase();
    vi.advanceTimersByTime(1_000);
    source.beginPhase(100);
    const read = source.read(1);
    const failed = expect(read).rejects.toMatchObject({ fault: "deadline" });
    vi.advanceTimersByTime(100);
    await failed;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("fails at once on a stream that is closed already", async () => {
    const stream = new PassThrough();
    stream.destroy();
    await expect(new ByteSource(stream).read(1)).rejects.toMatchObject({ fault: "closed" });
  });
});
