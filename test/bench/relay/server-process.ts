/**
 * The byte source: a fake hypervisor. Its display streams pictures on request, its port sends every
 * byte back, all else is silent. Says its port when asked.
 */
import type { Duplex } from "node:stream";
import { encodeMiniHeader } from "#shared/spice/header.ts";
import { type ServedChannel, startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { answerQuestions } from "./bench-process.ts";
import { readStreamRequest } from "./stream-request.ts";

function serve({ channel, peer }: ServedChannel): void {
  const { stream } = peer;
  if (channel === "display") {
    void peer.read(STREAM_REQUEST_BYTES).then(
      (request) => {
        const { byteCount, bytesPerMs } = readStreamRequest(request);
        new PictureStream(stream, byteCount, bytesPerMs).pour();
      },
      () => {
        // A channel that is held idle asks for nothing.
      },
    );
  } else if (channel === "port") {
    stream.on("data", (chunk: Buffer) => {
      stream.write(chunk);
    });
  }
  stream.once("end", () => {
    stream.end();
  });
  stream.resume();
}

/** Sends so many bytes of lawful messages, as fast as they are taken or at a given pace. */
class PictureStream {
  readonly #stream: Duplex;
  readonly #bytesPerMs: number;
  readonly #startedMs = performance.now();
  readonly #byteCount: number;
  #sentBytes = 0;

  constructor(stream: Duplex, byteCount: number, bytesPerMs: number) {
    this.#stream = stream;
    this.#byteCount = byteCount;
    this.#bytesPerMs = bytesPerMs;
  }

  readonly pour = (): void => {
    while (this.#sentBytes < this.#byteCount && !this.#stream.destroyed) {
      if (this.#isAhead()) {
        setTimeout(this.pour, PACE_MS);
        return;
      }
      const block = this.#bytesPerMs === 0 ? LONG_BLOCK : SHORT_BLOCK;
      const part = block.subarray(0, this.#byteCount - this.#sentBytes);
      this.#sentBytes += part.length;
      if (!this.#stream.write(part)) {
        this.#stream.once("drain", this.pour);
        return;
      }
    }
  };

  #isAhead(): boolean {
    const dueBytes = (performance.now() - this.#startedMs) * this.#bytesPerMs;
    return this.#bytesPerMs > 0 && this.#sentBytes > dueBytes;
  }
}

/** A picture of 60 KiB and five small messages, again and again, for about so many bytes. */
function makeBlock(bytesMin: number): Buffer {
  const parts: Buffer[] = [];
  for (let byteCount = 0; byteCount < bytesMin;) {
    for (const [type, sizeBytes] of MESSAGES) {
      const header = encodeMiniHeader({ type, sizeBytes });
      const message = Buffer.concat([header, Buffer.alloc(sizeBytes, parts.length)]);
      parts.push(message);
      byteCount += message.length;
    }
  }
  return Buffer.concat(parts);
}

const STREAM_REQUEST_BYTES = 20;
const PACE_MS = 1;
/** DRAW_COPY with a picture and without one, MARK, DRAW_FILL, COPY_BITS, PING. */
const MESSAGES = [
  [304, 60 * 1024],
  [104, 29],
  [302, 41],
  [102, 0],
  [304, 500],
  [4, 12],
] as const;
const LONG_BLOCK = makeBlock(1024 * 1024);
const SHORT_BLOCK = makeBlock(1);

const server = await startFakeServer({ onChannel: serve });
answerQuestions(async () => server.port);
