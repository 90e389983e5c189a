/**
 * How a client is refused: late, when it has earned that; in SPICE's own words, when SPICE has one;
 * and so that the words arrive before the close does. Promises that it ends when the client goes.
 */
import type { Duplex } from "node:stream";
import { errorRow, type Failure } from "#shared/errors/catalogue.ts";
import { encodeLinkError, encodeLinkResult, LINK_ERROR } from "#shared/spice/link.ts";
import type { ByteSource } from "./byte-source.ts";

/** Which of the server's two answers a refusal has to take the form of. */
export type ClientStage = "reply" | "result";

/** Tells the client why, lets it fetch that for `lingerMs`, and closes; lets the source go. */
export async function tellRefusal(
  client: { readonly stream: Duplex; readonly source: ByteSource },
  refusal: { readonly stage: ClientStage; readonly failure: Failure; readonly holdMs: number },
  lingerMs: number,
): Promise<void> {
  const { stream, source } = client;
  await holdBack(refusal.holdMs, source.gone);
  source.release();
  const bytes = encodeRefusal(refusal.stage, refusal.failure);
  if (bytes !== null && !stream.destroyed) {
    await flushAndClose(stream, bytes, lingerMs);
  }
}

/** What to tell a client that is refused at that stage; null when SPICE has no word for it. */
export function encodeRefusal(stage: ClientStage, failure: Failure): Uint8Array | null {
  const name = errorRow(failure.code).spiceError;
  if (name === null) {
    return null;
  }
  const error = LINK_ERROR[name];
  return stage === "reply" ? encodeLinkError(error) : encodeLinkResult(error);
}

/** Waits, unless and until the client is gone. */
async function holdBack(holdMs: number, gone: AbortSignal): Promise<void> {
  if (holdMs <= 0 || gone.aborted) {
    return;
  }
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, holdMs);
  gone.addEventListener("abort", () => {
    over.resolve();
  });
  await over.promise;
  clearTimeout(timer);
}

/** Writes the last bytes, then waits for the peer's end or the linger, whichever comes first. */
async function flushAndClose(stream: Duplex, bytes: Uint8Array, lingerMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, lingerMs);
    stream.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    // Unread bytes would turn the close into a reset, which can overtake the refusal.
    stream.once("end", () => {
      stream.destroy();
    });
    stream.resume();
    stream.end(bytes);
  });
}
