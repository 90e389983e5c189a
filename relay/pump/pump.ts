/**
 * One direction of one channel: reads, judges headers, writes the very chunks that it read, as they
 * come (cut-through). Promises that it stops reading while the other side does not take more, so
 * that it holds no more than the two sockets' own high-water marks, and that nothing from an
 * unlawful message's header on is forwarded, while all before it is. A header that is cut by a
 * chunk's end has gone ahead in part: those bytes were not judged yet and mean nothing alone.
 */
import type { Duplex } from "node:stream";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import { Splitter } from "#shared/spice/splitter.ts";
import type { MessageJudge } from "./message-judge.ts";

export interface PumpOptions {
  readonly from: Duplex;
  readonly to: Duplex;
  readonly judge: MessageJudge;
  /** Told of each chunk's length as it is forwarded. */
  readonly onForwarded: (byteCount: number) => void;
  /** An unlawful message, or a bug of ours (internal.error); the pump has stopped. */
  readonly onViolation: (code: ErrorCode, detail: string) => void;
}

/** Runs from `start` until `stop`, a violation, or the end of what it reads. */
export class Pump {
  readonly #options: PumpOptions;
  readonly #splitter = new Splitter("mini");
  #forwardedBytes = 0;

  constructor(options: PumpOptions) {
    this.#options = options;
  }

  /** Bytes forwarded so far. */
  get forwardedBytes(): number {
    return this.#forwardedBytes;
  }

  start(): void {
    this.#options.from.on("data", this.#onData);
    this.#options.to.on("drain", this.#onDrain);
    this.#options.from.resume();
  }

  /** Reads and forwards no more. */
  stop(): void {
    this.#options.from.off("data", this.#onData);
    this.#options.to.off("drain", this.#onDrain);
    this.#options.from.pause();
  }

  readonly #onData = (chunk: Buffer): void => {
    const { judge, onViolation } = this.#options;
    try {
      this.#splitter.push(chunk, judge);
    } catch (error) {
      this.stop();
      this.#forward(chunk.subarray(0, Math.max(0, judge.lawfulBytes - this.#forwardedBytes)));
      if (error instanceof SpiceError) {
        onViolation(error.code, error.message);
      } else {
        onViolation("internal.error", error instanceof Error ? error.message : "unknown");
      }
      return;
    }
    this.#forward(chunk);
  };

  readonly #onDrain = (): void => {
    this.#options.from.resume();
  };

  /**
   * Writes the chunk with its last message apart. Why: spice-gtk asks the socket, not its TLS
   * layer, whether more is there to read, so of a record that holds several messages it handles the
   * first and lets the others wait until something else comes. With the last message in a record of
   * its own there always is something else while others wait.
   */
  #forward(chunk: Buffer): void {
    if (chunk.length === 0) {
      return;
    }
    const lastMessageAt = this.#options.judge.lastMessageAt - this.#forwardedBytes;
    this.#forwardedBytes += chunk.length;
    this.#options.onForwarded(chunk.length);
    if (lastMessageAt > 0 && lastMessageAt < chunk.length) {
      this.#options.to.write(chunk.subarray(0, lastMessageAt));
      this.#write(chunk.subarray(lastMessageAt));
    } else {
      this.#write(chunk);
    }
  }

  #write(bytes: Buffer): void {
    if (!this.#options.to.write(bytes)) {
      this.#options.from.pause();
    }
  }
}
