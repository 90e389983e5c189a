/**
 * The streams that live, and the batons that name the parked ones. A baton is random, good once,
 * and dies with its stream; a parked stream that nobody asks for is closed, and so rolled back.
 */
import { toBase64Url } from "#shared/base/bytes.ts";

import { STREAM_COUNT_MAX, STREAM_IDLE_MS_MAX } from "./limits.ts";
import { Stream } from "./stream.ts";

import type { StreamPorts } from "./stream.ts";
import type { CancelTimer } from "./timers.ts";
import type { RandomBytes } from "#shared/base/ids.ts";

export class StreamStore {
  readonly #ports: StreamPorts;
  readonly #randomBytes: RandomBytes;
  readonly #parked = new Map<string, { stream: Stream; cancelExpiry: CancelTimer }>();
  #liveCount = 0;

  constructor(ports: StreamPorts, randomBytes: RandomBytes) {
    this.#ports = ports;
    this.#randomBytes = randomBytes;
  }

  /** Streams that are parked or at work. */
  get liveCount(): number {
    return this.#liveCount;
  }

  /** A new stream that belongs to the caller until it is parked or closed; null when full. */
  open(): Stream | null {
    if (this.#liveCount >= STREAM_COUNT_MAX) {
      return null;
    }
    this.#liveCount += 1;
    return new Stream(this.#ports);
  }

  /** The parked stream of that baton, now the caller's; null when it is used up or expired. */
  take(baton: string): Stream | null {
    const entry = this.#parked.get(baton);
    if (entry === undefined) {
      return null;
    }
    this.#parked.delete(baton);
    entry.cancelExpiry();
    return entry.stream;
  }

  /** Keeps the stream for its client's next request. Returns the baton that names it. */
  park(stream: Stream): string {
    const baton = toBase64Url(this.#randomBytes(BATON_BYTES));
    const cancelExpiry = this.#ports.timers.after(STREAM_IDLE_MS_MAX, () => {
      this.#parked.delete(baton);
      this.close(stream);
    });
    this.#parked.set(baton, { stream, cancelExpiry });
    return baton;
  }

  /** Ends a stream that the caller owns. */
  close(stream: Stream): void {
    this.#liveCount -= 1;
    stream.close();
  }

  /** Ends every parked stream. */
  closeParked(): void {
    for (const baton of this.#parked.keys()) {
      const stream = this.take(baton);
      if (stream !== null) {
        this.close(stream);
      }
    }
  }
}

const BATON_BYTES = 16;
