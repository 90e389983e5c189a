/** What operators read of a server that was not reached. */
import { describe, expect, it } from "vitest";
import {
  plainWords,
  sayDialClosed,
  sayDialError,
  sayNoSpice,
} from "../../../relay/handshake/dial-words.ts";

const failure = (code: string, message: string, more: object = {}): Error =>
  Object.assign(new Error(message), { code, ...more });
const CONNECTING = { stage: "connecting", isProxied: false } as const;
const SECURING = { stage: "securing", isProxied: true } as const;
const openSsl = "00C0:error:0A00010B:SSL routines:ssl3_get_record:x:../deps/ssl3.c:354:\n";

describe("a server that is not reached", () => {
  it("is told from its proxy, with the address and without a name", () => {
    const error = failure("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1");
    const why = "cannot be reached: nothing listens there (ECONNREFUSED 127.0.0.1:1)";
    expect(sayDialError(error, CONNECTING)).toBe(`the server ${why}`);
    expect(sayDialError(error, { stage: "connecting", isProxied: true })).toBe(
      `the console's proxy ${why}`,
    );
    const unknown = failure("ENOTFOUND", "getaddrinfo ENOTFOUND a::b", { hostname: "a::b" });
    expect(sayDialError(unknown, CONNECTING)).toBe("the server's name does not resolve: ENOTFOUND");
  });

  it("is told once for addresses that fail alike", () => {
    const refused = failure("EHOSTUNREACH", "connect EHOSTUNREACH ::1:1");
    const other = failure("EPERM", "connect EPERM 127.0.0.1:1");
    expect(sayDialError(new AggregateError([refused, refused, other]), CONNECTING)).toBe(
      "the server cannot be reached: no route leads there (EHOSTUNREACH ::1:1), EPERM 127.0.0.1:1",
    );
  });

  it("may have closed, or its proxy", () => {
    expect(sayDialClosed({ stage: "asking the proxy", isProxied: true })).toBe(
      "the console's proxy closed the connection",
    );
    expect(sayDialClosed(SECURING)).toMatch(/^the server closed .* is it the plain port\?$/);
  });
});

describe("a server whose TLS fails", () => {
  it.each([
    ["ERR_SSL_WRONG_VERSION_NUMBER", "the server does not speak TLS: is it the plain port?"],
    ["ERR_SSL_PACKET_LENGTH_TOO_LONG", "the server does not speak TLS: is it the plain port?"],
    ["ERR_SSL_OTHER", "TLS failed: other"],
    ["CERT_HAS_EXPIRED", "the server's certificate has expired"],
  ])("with %s is told in words", (code, words) => {
    const error = failure(code, openSsl, { reason: "other" });
    expect(sayDialError(error, SECURING)).toBe(words);
  });
});

describe("a server that is no SPICE server", () => {
  it.each([
    ["HTTP/1.1 400 Bad Request", 'it is no SPICE server: it began with "HTTP/1.1 400 Bad"'],
    ["SSH-2.0-Open\r\n", 'it is no SPICE server: it began with "SSH-2.0-Open"'],
    ["RFB\u0000\u001b[2J", "it is no SPICE server"],
    ["", "it is no SPICE server"],
  ])("is quoted when it is text: %j", (text, words) => {
    expect(sayNoSpice(Buffer.from(text))).toBe(words);
  });
});

describe("plain words", () => {
  it("have no control character", () => {
    expect(plainWords("a\u001b[2J\r\nb\u202e\n")).toBe("a [2J b");
  });
});
