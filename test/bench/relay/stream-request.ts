/**
 * How the benchmark's client tells its server what to stream: in the fields of a DISPLAY_INIT, which
 * the relay judges and passes on like any other (fourteen bytes of caches and windows).
 */
import { encodeMiniHeader, MINI_HEADER_BYTES } from "#shared/spice/header.ts";

export interface StreamRequest {
  readonly byteCount: number;
  /** 0 for as fast as it is taken. */
  readonly bytesPerMs: number;
}

export function encodeStreamRequest(request: StreamRequest): Buffer {
  const message = Buffer.alloc(MINI_HEADER_BYTES + BODY_BYTES);
  message.set(encodeMiniHeader({ type: DISPLAY_INIT, sizeBytes: BODY_BYTES }));
  message.writeBigUInt64LE(BigInt(request.byteCount), MINI_HEADER_BYTES + COUNT_AT);
  message.writeUInt32LE(request.bytesPerMs, MINI_HEADER_BYTES + PACE_AT);
  return message;
}

export function readStreamRequest(message: Buffer): StreamRequest {
  return {
    byteCount: Number(message.readBigUInt64LE(MINI_HEADER_BYTES + COUNT_AT)),
    bytesPerMs: message.readUInt32LE(MINI_HEADER_BYTES + PACE_AT),
  };
}

const DISPLAY_INIT = 101;
const BODY_BYTES = 14;
const COUNT_AT = 1;
const PACE_AT = 10;
