/**
 * What goes wrong while a server is reached, in words for operators. They say who failed, the
 * console's proxy or the server. Promises that nothing names the target's host or its proxy's
 * (either may hold a credential; addresses are told) and that no control character gets through.
 */

/** How far a dial has come. */
export type DialStage = "connecting" | "asking the proxy" | "securing";

/** Where a dial stands. */
export interface DialPlace {
  readonly stage: DialStage;
  readonly isProxied: boolean;
}

/** A socket's or OpenSSL's error. */
export function sayDialError(error: unknown, place: DialPlace): string {
  const who = peerOf(place);
  const code = codeOf(error);
  if (place.stage === "securing") {
    return sayTlsError(error, code);
  }
  if (place.stage === "asking the proxy") {
    return `${who} broke the connection: ${code ?? messageOf(error)}`;
  }
  if (error instanceof Error && "hostname" in error && code !== null) {
    // Node's own words name the host, and Proxmox's pseudo hosts are credentials.
    return `${who}'s name does not resolve: ${code}`;
  }
  return `${who} cannot be reached: ${sayUnreachable(error)}`;
}

/** The connection was closed without an error. */
export function sayDialClosed(place: DialPlace): string {
  return place.stage === "securing" ? CLOSED_IN_TLS : `${peerOf(place)} closed the connection`;
}

/** Nothing came in time. */
export function sayDialLate(place: DialPlace, deadlineMs: number): string {
  const what = place.stage === "securing" ? "the server's TLS" : peerOf(place);
  return `${place.stage}: nothing from ${what} within ${deadlineMs} ms`;
}

/** What a server began with that is no SPICE; quoted when it is text that anybody may read. */
export function sayNoSpice(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, QUOTED_BYTES_MAX)).toString("latin1").trimEnd();
  return /^[\u0020-\u007e]+$/.test(text)
    ? `it is no SPICE server: it began with "${text}"`
    : "it is no SPICE server";
}

/** Text without control characters, as a log or a terminal may have it. */
export function plainWords(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]+/gu, " ").trim();
}

function peerOf({ stage, isProxied }: DialPlace): string {
  return isProxied && stage !== "securing" ? "the console's proxy" : "the server";
}

function sayUnreachable(error: unknown): string {
  if (error instanceof AggregateError) {
    return [...new Set(error.errors.map(sayUnreachable))].join(", ");
  }
  const words = UNREACHABLE_WORDS[codeOf(error) ?? ""];
  const message = messageOf(error).replace(/^connect /, "");
  return words === undefined ? message : `${words} (${message})`;
}

function sayTlsError(error: unknown, code: string | null): string {
  const words = TLS_WORDS[code ?? ""];
  if (words !== undefined) {
    return words;
  }
  if (error instanceof Error && "reason" in error && typeof error.reason === "string") {
    // OpenSSL's message begins with a thread's number and names its source files.
    return `TLS failed: ${error.reason}`;
  }
  return messageOf(error);
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : null;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const UNREACHABLE_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it reset the connection",
  EHOSTUNREACH: "no route leads there",
  ENETUNREACH: "no network leads there",
  ETIMEDOUT: "it does not answer",
};

const NOT_TLS = "the server does not speak TLS: is it the plain port?";
const CLOSED_IN_TLS =
  "the server closed the connection before TLS was agreed: is it the plain port?";
const OLD_TLS = "the server speaks no TLS that is new enough (1.2 or newer)";
const UNTRUSTED = "the server's certificate is not signed by an authority that the console trusts";
/** Node's names of OpenSSL's errors, and of its verdicts about certificates. */
const TLS_WORDS: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: NOT_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NOT_TLS,
  ERR_SSL_RECORD_TOO_SMALL: NOT_TLS,
  ERR_SSL_UNEXPECTED_MESSAGE: NOT_TLS,
  ERR_SSL_INVALID_ALERT: NOT_TLS,
  ERR_SSL_HTTP_REQUEST: NOT_TLS,
  ECONNRESET: CLOSED_IN_TLS,
  EPIPE: CLOSED_IN_TLS,
  ERR_SSL_UNSUPPORTED_PROTOCOL: OLD_TLS,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: OLD_TLS,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet",
};
/** Enough to know a protocol by, and too little to hold anything else. */
const QUOTED_BYTES_MAX = 16;
