/**
 * One direction of one channel: reads, judges headers, writes what it read as it comes
 * (cut-through). Promises that it stops reading while the other side does not take more, so that it
 * never holds more than {@link HELD_BYTES_MAX}, and that nothing from an unlawful message's header
 * on is forwarded, while all before it is. A header that is cut by a chunk's end has gone ahead in
 * part: those bytes were not judged yet and mean nothing alone. Nothing waits for a timer.
 */
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import type { HeaderKind } from "#shared/spice/header.ts";
import { Splitter } from "#shared/spice/splitter.ts";
import { READ_BYTES_MAX, takeDirectly } from "./direct-socket.ts";
import type { MessageJudge } from "./message-judge.ts";

export interface PumpOptions {
  readonly from: Duplex;
  readonly to: Duplex;
  readonly headerKind: HeaderKind;
  readonly judge: MessageJudge;
  /**
   * Whether whoever reads `to` asks its socket, and not its TLS layer, for more (see
   * {@link tailStart}). Each write to `to` must then begin a TLS record.
   */
  readonly splitsLastMessage: boolean;
  readonly nowMs: () => number;
  /** Told of each chunk's length as it is forwarded. */
  readonly onForwarded: (byteCount: number) => void;
  /** Told after each chunk with which more than housekeeping flowed. */
  readonly onActivity: (nowMs: number) => void;
  /** An unlawful message, or a bug of ours (internal.error); the pump has stopped. */
  readonly onViolation: (code: ErrorCode, detail: string) => void;
}

/** Runs from `start` until `stop`, a violation, or the end of what it reads. */
export class Pump {
  readonly #options: PumpOptions;
  readonly #splitter: Splitter;
  /** The TLS layer encrypts a write before the call returns, unless an earlier one is under way. */
  readonly #takesAtOnce: boolean;
  #forwardedBytes = 0;
  /** Since when the other side takes no more for now; null: it does. */
  #heldSinceMs: number | null = null;
  #isStopped = false;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#splitter = new Splitter(options.headerKind);
    this.#takesAtOnce = options.to instanceof TLSSocket;
  }

  /** Bytes forwarded so far. */
  get forwardedBytes(): number {
    return this.#forwardedBytes;
  }

  /** Since when nothing is read because the other side takes nothing; null: it takes. */
  get heldSinceMs(): number | null {
    return this.#heldSinceMs;
  }

  start(): void {
    const { from, to } = this.#options;
    to.on("drain", this.#onDrain);
    const read = takeDirectly(from, this.#onView);
    if (read === null) {
      from.on("data", this.#onData);
    }
    for (const chunk of read ?? []) {
      this.#onData(chunk);
    }
    if (this.#heldSinceMs === null && !this.#isStopped) {
      from.resume();
    }
  }

  /** Forwards no more. Whoever resumes `from` afterwards has its bytes dropped. */
  stop(): void {
    const { from, to } = this.#options;
    this.#isStopped = true;
    this.#heldSinceMs = null;
    from.off("data", this.#onData);
    to.off("drain", this.#onDrain);
    from.pause();
  }

  /** A chunk that is ours to keep. */
  readonly #onData = (chunk: Buffer): void => {
    this.#pass(chunk, false);
    if (this.#heldSinceMs !== null) {
      this.#options.from.pause();
    }
  };

  /** A view into the buffer that the next read overwrites. */
  readonly #onView = (view: Buffer): boolean => {
    this.#pass(view, true);
    return this.#heldSinceMs === null;
  };

  readonly #onDrain = (): void => {
    this.#heldSinceMs = null;
    this.#options.from.resume();
  };

  #pass(chunk: Buffer, isView: boolean): void {
    if (this.#isStopped) {
      return;
    }
    const { judge, nowMs, onActivity, onViolation } = this.#options;
    try {
      const now = nowMs();
      this.#splitter.push(chunk, judge);
      judge.endChunk(now);
      if (judge.takeActivity()) {
        onActivity(now);
      }
    } catch (error) {
      this.stop();
      const lawfulBytes = Math.max(0, judge.lawfulBytes - this.#forwardedBytes);
      this.#forward(chunk.subarray(0, lawfulBytes), isView);
      if (error instanceof SpiceError) {
        onViolation(error.code, error.message);
      } else {
        onViolation("internal.error", error instanceof Error ? error.message : "unknown");
      }
      return;
    }
    this.#forward(chunk, isView);
  }

  #forward(chunk: Buffer, isView: boolean): void {
    if (chunk.length === 0) {
      return;
    }
    const { judge, splitsLastMessage, onForwarded } = this.#options;
    const lastMessageAt = judge.lastMessageAt - this.#forwardedBytes;
    const cutAt = splitsLastMessage ? tailStart(chunk.length, lastMessageAt) : 0;
    this.#forwardedBytes += chunk.length;
    onForwarded(chunk.length);
    if (cutAt > 0) {
      this.#write(chunk.subarray(0, cutAt), isView);
      this.#write(chunk.subarray(cutAt), isView);
    } else {
      this.#write(chunk, isView);
    }
  }

  #write(bytes: Buffer, isView: boolean): void {
    const { to } = this.#options;
    const mustCopy = isView && !(this.#takesAtOnce && to.writableLength === 0);
    if (!to.write(mustCopy ? Buffer.from(bytes) : bytes)) {
      this.#heldSinceMs ??= this.#options.nowMs();
    }
  }
}

/**
 * Where a chunk of `length` bytes is to be cut so that its last message, which begins at
 * `lastMessageAt`, starts a TLS record; 0 for nowhere. Why: spice-gtk asks the socket, not its TLS
 * layer, whether more is there to read. When it has handled a message that ends in the chunk's last
 * record, nothing is left in the socket, and a further message of that record waits until something
 * else comes. With the last message in a record of its own there is always something left in the
 * socket while another message waits. Messages that end in earlier records need nothing: the last
 * record is what is left.
 */
export function tailStart(length: number, lastMessageAt: number): number {
  const lastRecordAt = length - 1 - ((length - 1) % RECORD_BYTES_MAX);
  return lastMessageAt > lastRecordAt && lastMessageAt < length ? lastMessageAt : 0;
}

/** What a TLS record holds at most (RFC 8446, section 5.1); a longer write begins a new one there. */
const RECORD_BYTES_MAX = 16 * 1024;
/** Node's high-water mark of a socket, in each direction. */
const HIGH_WATER_BYTES = 64 * 1024;

/**
 * What one direction of a channel holds at most in this process, in bytes: both streams up to their
 * high-water marks, and a read on top. The kernel's socket buffers come to that.
 */
export const HELD_BYTES_MAX = 2 * HIGH_WATER_BYTES + READ_BYTES_MAX;
