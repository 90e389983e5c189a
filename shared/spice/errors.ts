/**
 * The codec's one error. Hostile or broken bytes throw it; the two places that read a peer's
 * bytes (the handshake and the pump) catch it and end that one connection. It carries numbers and
 * never a byte of content, so that it can be logged whole.
 */

/** Codes that the codec throws; each one is a key of the error catalogue. */
export type SpiceErrorCode =
  | "link.magic-invalid"
  | "link.version-mismatch"
  | "link.malformed"
  | "message.rate-exceeded"
  | "message.size-unlawful"
  | "message.sub-list-unlawful"
  | "message.type-unknown"
  | "server.malformed";

/** What was measured; every number that applies is there, none is about content. */
export interface SpiceErrorNumbers {
  /** Where in the bytes at hand, from their start. */
  readonly offset?: number;
  /** Bytes that were needed, or the least that is lawful. */
  readonly needed?: number;
  /** Bytes that were there, or that the peer declared. */
  readonly available?: number;
  /** The most that is lawful, in bytes. */
  readonly max?: number;
  /** The number the peer sent where another was expected: an opcode, a version, a count. */
  readonly value?: number;
}

/** The peer's bytes break the protocol. */
export class SpiceError extends Error {
  override readonly name = "SpiceError";
  readonly code: SpiceErrorCode;
  readonly numbers: SpiceErrorNumbers;

  constructor(code: SpiceErrorCode, numbers: SpiceErrorNumbers) {
    const details = Object.entries(numbers).map(([key, value]) => `${key} ${String(value)}`);
    super(details.length === 0 ? code : `${code} (${details.join(", ")})`);
    this.code = code;
    this.numbers = numbers;
  }
}
