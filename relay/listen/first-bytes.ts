/**
 * Looks at a stream's first bytes and puts them back, to find out what a client speaks. Promises
 * that whoever reads the stream next reads them again, and that it reads no further than the
 * stream's high-water mark. It has no deadline: its caller has.
 */
import type { Duplex } from "node:stream";

/**
 * Calls `onBytes` once with the first {@link FIRST_BYTES} as latin1 text, or with fewer when the
 * stream ends before; never when it is closed without an end.
 */
export function lookAtFirstBytes(stream: Duplex, onBytes: (text: string) => void): void {
  const onReadable = (): void => {
    const bytes: Buffer | null = stream.read(FIRST_BYTES);
    if (bytes === null && !stream.readableEnded) {
      return;
    }
    stopLooking();
    if (bytes !== null && !stream.readableEnded) {
      stream.unshift(bytes);
    }
    onBytes(bytes?.toString("latin1") ?? "");
  };
  const stopLooking = (): void => {
    stream.off("readable", onReadable);
    stream.off("end", onReadable);
  };
  stream.on("readable", onReadable);
  stream.on("end", onReadable);
}

/** As many as SPICE's magic and HTTP's "GET " have. */
export const FIRST_BYTES = 4;
/** protocol.h, SPICE_MAGIC. */
export const SPICE_FIRST = "REDQ";
export const HTTP_GET_FIRST = "GET ";
