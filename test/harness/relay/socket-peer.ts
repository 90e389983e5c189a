/** One end of a socket in a test: exact reads, and nothing read that was not asked for. */
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { withDeadline } from "../deadline.ts";

/** A stream stays paused until something is read from it, as backpressure tests need. */
export class SocketPeer {
  readonly stream: Duplex;
  /** Resolves when the stream is closed, cleanly or not. */
  readonly closed: Promise<void>;
  error: Error | null = null;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on("error", (error) => {
      this.error = error;
    });
    this.closed = new Promise((resolve) => {
      if (stream.closed) {
        resolve();
      }
      stream.once("close", () => {
        resolve();
      });
    });
  }

  send(bytes: Uint8Array): void {
    this.stream.write(bytes);
  }

  /** Exactly `count` bytes; throws when the stream ends before. */
  async read(count: number): Promise<Buffer> {
    const bytes = await this.readUpTo(count);
    if (bytes.length !== count) {
      throw new Error(`stream ended after ${bytes.length} of ${count} bytes`);
    }
    return bytes;
  }

  /** `count` bytes, or all that came before the end. */
  async readUpTo(count: number): Promise<Buffer> {
    return withDeadline(this.#readUpTo(count), 15_000, `${count} bytes`);
  }

  /** All bytes until the end. */
  async readToEnd(): Promise<Buffer> {
    return this.readUpTo(Number.MAX_SAFE_INTEGER);
  }

  /** Waits for the other end's close, as a real client does: drops what comes, then closes too. */
  async untilClosed(timeoutMs = 5_000): Promise<void> {
    if (this.stream.readableEnded) {
      this.stream.end();
    }
    this.stream.once("end", () => {
      this.stream.end();
    });
    this.stream.resume();
    await withDeadline(this.closed, timeoutMs, "the stream's close");
  }

  destroy(): void {
    this.stream.destroy();
  }

  async #readUpTo(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let left = count;
    while (left > 0) {
      const part = this.stream.read(Math.min(left, 32 * 1024)) ?? this.stream.read();
      if (part instanceof Buffer) {
        const taken = part.subarray(0, left);
        if (taken.length < part.length) {
          this.stream.unshift(part.subarray(taken.length));
        }
        parts.push(taken);
        left -= taken.length;
        continue;
      }
      if (this.stream.readableEnded || this.stream.destroyed) {
        break;
      }
      await this.#moved();
    }
    return Buffer.concat(parts);
  }

  async #moved(): Promise<void> {
    const stop = new AbortController();
    const { signal } = stop;
    try {
      await Promise.race(
        ["readable", "end", "close"].map((name) => once(this.stream, name, { signal })),
      );
    } catch {
      // An error ends the stream too; the caller sees that it ended.
    } finally {
      stop.abort();
    }
  }
}
