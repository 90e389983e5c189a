/**
 * Finds the messages in one direction of one channel while the bytes go by. It reads headers only:
 * bodies are never copied and never held, and one that nobody observes is passed by arithmetic, so
 * the work is per message and per chunk, not per byte. It holds at most one partial header.
 *
 * It judges nothing: the visitor does, at the header, before a byte of the body was handed on, and
 * ends the stream by throwing. Who forwards the bytes forwards the chunk itself.
 */
import { assert } from "#shared/base/assert.ts";

import { FULL_HEADER_BYTES, type HeaderKind, MINI_HEADER_BYTES } from "./header.ts";
import { readU16, readU32 } from "./little-endian.ts";

/** What the visitor wants of a message's body. */
export type BodyChoice = "pass" | "observe";

export interface SplitterVisitor {
  /**
   * Called once per message, as soon as its header is complete and before any byte of its body.
   * `subListOffset` is where in the body a full header says that sub-messages are listed; 0 for
   * none and with mini headers. Throwing (a SpiceError) ends the stream: the splitter takes no more
   * bytes.
   */
  onHeader(type: number, sizeBytes: number, subListOffset: number): BodyChoice;
  /**
   * Called for each part of an observed body, in order, with a view into the pushed chunk (do not
   * keep it) and how much of the body came before. Never called for an empty body.
   */
  onBody(part: Uint8Array, offsetInBody: number): void;
}

/** One direction of one channel; it lives as long as that stream. */
export class Splitter {
  readonly #headerBytes: number;
  /** Where the type stands in the header; the size follows it. */
  readonly #typeAt: number;
  /** The one header that may be split over chunks, and how much of it is there. */
  readonly #partial: Uint8Array;
  #partialBytes = 0;
  #bodyLeftBytes = 0;
  #bodySeenBytes = 0;
  #observed = false;
  #ended = false;
  #messages = 0;
  #serialLow = 0;
  #serialHigh = 0;
  #subListOffset = 0;

  constructor(headerKind: HeaderKind) {
    this.#headerBytes = headerKind === "mini" ? MINI_HEADER_BYTES : FULL_HEADER_BYTES;
    this.#typeAt = headerKind === "mini" ? 0 : FULL_TYPE_AT;
    this.#partial = new Uint8Array(this.#headerBytes);
  }

  /** Whether the bytes so far end exactly where a message ends (or none has begun). */
  get atBoundary(): boolean {
    return this.#bodyLeftBytes === 0 && this.#partialBytes === 0;
  }

  /** Headers seen so far. With mini headers this is also the serial of the last one. */
  get messages(): number {
    return this.#messages;
  }

  /** Serial of the last header: as sent in full headers, counted from 1 with mini headers. */
  get serial(): bigint {
    return this.#typeAt === 0
      ? BigInt(this.#messages)
      : (BigInt(this.#serialHigh) << 32n) | BigInt(this.#serialLow);
  }

  /** Offset of the last message's sub-messages in its body; 0 for none and with mini headers. */
  get subListOffset(): number {
    return this.#subListOffset;
  }

  /** Goes over the next bytes of the stream. Whatever the visitor throws comes out of here. */
  push(chunk: Uint8Array, visitor: SplitterVisitor): void {
    assert(!this.#ended, "bytes pushed after the visitor ended the stream");
    // Why a flag and not try/finally: it costs nothing when all is well.
    this.#ended = true;
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      if (this.#bodyLeftBytes > 0) {
        at = this.#passBody(chunk, at, visitor);
      } else if (this.#partialBytes > 0 || end - at < this.#headerBytes) {
        at = this.#passPartialHeader(chunk, at, visitor);
      } else {
        at = this.#passMessages(chunk, at, visitor);
      }
    }
    this.#ended = false;
  }

  /** Passes what of the current body is in the chunk; returns where the rest begins. */
  #passBody(chunk: Uint8Array, at: number, visitor: SplitterVisitor): number {
    const count = Math.min(this.#bodyLeftBytes, chunk.length - at);
    const offsetInBody = this.#bodySeenBytes;
    this.#bodyLeftBytes -= count;
    this.#bodySeenBytes += count;
    if (this.#observed) {
      visitor.onBody(chunk.subarray(at, at + count), offsetInBody);
    }
    return at + count;
  }

  /** Passes what of a header that is cut by a chunk's end is in the chunk. */
  #passPartialHeader(chunk: Uint8Array, at: number, visitor: SplitterVisitor): number {
    const next = Math.min(chunk.length, at + this.#headerBytes - this.#partialBytes);
    for (let index = at; index < next; index += 1) {
      this.#partial[this.#partialBytes] = chunk[index] ?? 0;
      this.#partialBytes += 1;
    }
    if (this.#partialBytes === this.#headerBytes) {
      this.#partialBytes = 0;
      this.#bodyLeftBytes = this.#begin(this.#partial, 0, visitor);
    }
    return next;
  }

  /**
   * Passes one message after another while they are whole: what a chunk of small ones is made of.
   * Returns where a body or a header begins that is not.
   */
  #passMessages(chunk: Uint8Array, at: number, visitor: SplitterVisitor): number {
    const end = chunk.length;
    let headerAt = at;
    while (end - headerAt >= this.#headerBytes) {
      const sizeBytes = this.#begin(chunk, headerAt, visitor);
      const bodyAt = headerAt + this.#headerBytes;
      if (this.#observed || sizeBytes > end - bodyAt) {
        this.#bodyLeftBytes = sizeBytes;
        return bodyAt;
      }
      headerAt = bodyAt + sizeBytes;
    }
    return headerAt;
  }

  /** Asks the visitor about the message whose whole header is at `at`; returns its body's size. */
  #begin(bytes: Uint8Array, at: number, visitor: SplitterVisitor): number {
    const typeAt = at + this.#typeAt;
    const sizeBytes = readU32(bytes, typeAt + 2);
    if (this.#typeAt !== 0) {
      this.#serialLow = readU32(bytes, at);
      this.#serialHigh = readU32(bytes, at + 4);
      this.#subListOffset = readU32(bytes, typeAt + 6);
    }
    this.#messages += 1;
    this.#bodySeenBytes = 0;
    const choice = visitor.onHeader(readU16(bytes, typeAt), sizeBytes, this.#subListOffset);
    this.#observed = choice === "observe";
    return sizeBytes;
  }
}

/** In a full header the serial, a u64, stands before the type. */
const FULL_TYPE_AT = 8;
