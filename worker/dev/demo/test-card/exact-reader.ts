/** Reads a socket in pieces of known length; what is read ahead is bounded by Node's own buffer. */
import type { Socket } from "node:net";

/** What a socket sends, asked for piece by piece by one reader. */
export class ExactReader {
  readonly #socket: Socket;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    // Why once and for all: a listener that is attached while some bytes wait is called at once, so
    // that attaching one for each wait would spin until the rest of a piece arrives.
    for (const event of ["readable", "end", "close"] as const) {
      socket.on(event, () => this.#wake());
    }
  }

  /** The next `count` bytes, or null when the peer has gone before they were all there. */
  async read(count: number): Promise<Uint8Array | null> {
    if (count === 0) {
      return new Uint8Array(0);
    }
    for (;;) {
      const bytes = this.#socket.read(count) as Buffer | null;
      if (bytes !== null) {
        // At the stream's end Node gives what is left, which may be less.
        return bytes.length === count ? bytes : null;
      }
      if (this.#socket.readableEnded || this.#socket.destroyed) {
        return null;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
