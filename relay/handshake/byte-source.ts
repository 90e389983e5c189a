/**
 * Reads an exact number of bytes from a stream while a link is made, under the deadline of a phase.
 * Promises that no byte is lost: what was not asked for stays in the stream for whoever reads it
 * next, and the stream itself bounds it (its high-water mark). It also notices when the peer goes.
 */
import type { Duplex } from "node:stream";
import { assert } from "#shared/base/assert.ts";

/** Why a read ended without its bytes. */
export type ByteSourceFault = "closed" | "deadline";

/** The peer left, or took too long. */
export class ByteSourceError extends Error {
  override readonly name = "ByteSourceError";
  readonly fault: ByteSourceFault;

  constructor(fault: ByteSourceFault, detail: string) {
    super(detail);
    this.fault = fault;
  }
}

interface PendingRead {
  readonly byteCount: number;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: ByteSourceError) => void;
}

/** The reading side of one stream, from its first byte to the end of its link. */
export class ByteSource {
  readonly #stream: Duplex;
  readonly #gone = new AbortController();
  #pending: PendingRead | null = null;
  #failure: ByteSourceError | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on("readable", this.#onReadable);
    stream.on("end", this.#onGone);
    stream.on("close", this.#onGone);
    stream.on("error", this.#onError);
    if (stream.destroyed || stream.readableEnded) {
      this.#fail(new ByteSourceError("closed", "the connection was closed already"));
    }
  }

  /** Aborted when the peer has ended or broken the connection. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Reads until {@link endPhase} or the next phase must all be done by then. */
  beginPhase(deadlineMs: number): void {
    this.endPhase();
    this.#timer = setTimeout(() => {
      this.#fail(new ByteSourceError("deadline", `no answer within ${deadlineMs} ms`));
    }, deadlineMs);
  }

  endPhase(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  /**
   * Exactly `byteCount` bytes (1 to {@link READ_BYTES_MAX}); one read at a time.
   * @throws {ByteSourceError} when the peer leaves or the phase's deadline passes.
   */
  async read(byteCount: number): Promise<Buffer> {
    assert(byteCount > 0 && byteCount <= READ_BYTES_MAX, `read of ${byteCount} bytes`);
    assert(this.#pending === null, "one read at a time");
    if (this.#failure !== null) {
      throw this.#failure;
    }
    return new Promise<Buffer>((resolve, reject) => {
      this.#pending = { byteCount, resolve, reject };
      this.#onReadable();
    });
  }

  /** Our own side wants no more: a read under way fails, and every further one. */
  giveUp(): void {
    this.#fail(new ByteSourceError("closed", "given up"));
  }

  /** Lets go of the stream; unread bytes stay in it. */
  release(): void {
    this.endPhase();
    this.#stream.off("readable", this.#onReadable);
    this.#stream.off("end", this.#onGone);
    this.#stream.off("close", this.#onGone);
    this.#stream.off("error", this.#onError);
  }

  readonly #onReadable = (): void => {
    const pending = this.#pending;
    if (pending === null) {
      // Reading nothing makes the stream notice its end, should that be what became readable.
      this.#stream.read(0);
      return;
    }
    const bytes: Buffer | null = this.#stream.read(pending.byteCount);
    if (bytes === null) {
      return;
    }
    if (bytes.length < pending.byteCount) {
      const detail = `closed after ${bytes.length} of ${pending.byteCount} bytes`;
      this.#fail(new ByteSourceError("closed", detail));
      return;
    }
    this.#pending = null;
    pending.resolve(bytes);
  };

  readonly #onGone = (): void => {
    this.#fail(new ByteSourceError("closed", "the peer closed the connection"));
  };

  readonly #onError = (error: Error): void => {
    this.#fail(new ByteSourceError("closed", `the connection broke: ${error.message}`));
  };

  #fail(error: ByteSourceError): void {
    this.#failure ??= error;
    this.endPhase();
    const pending = this.#pending;
    this.#pending = null;
    pending?.reject(this.#failure);
    if (error.fault === "closed") {
      this.#gone.abort(error);
    }
  }
}

/** The largest thing that a link holds is its message: 4 KiB by the codec's bound. */
export const READ_BYTES_MAX = 64 * 1024;
