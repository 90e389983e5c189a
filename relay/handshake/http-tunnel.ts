/**
 * Asks an HTTP proxy for a tunnel (CONNECT; RFC 9110, section 9.3.6). Made for Proxmox's spiceproxy
 * as much as for common proxies: it reads the target from the Host header alone, where a signed
 * pseudo host with colons stands, and answers in HTTP/1.0 or 1.1 with no header at all. The head of
 * the answer is bounded; who calls bounds the time. Nothing it tells names the target or the proxy,
 * because either may hold a credential.
 */
import { request } from "node:http";
import { isIP, type Socket } from "node:net";
import { fail, ok, type Result } from "#shared/base/result.ts";

/** Where a proxy listens, and what it wants to be told. */
export interface ProxyAddress {
  readonly host: string;
  readonly port: number;
  /** A value for Proxy-Authorization, or null. */
  readonly authorization: string | null;
}

/** Reads `http://[user:password@]host:port`; null for anything else. */
export function parseProxyAddress(text: string): ProxyAddress | null {
  if (!URL.canParse(text)) {
    return null;
  }
  const url = new URL(text);
  const isBare = url.pathname === "/" && url.search === "" && url.hash === "";
  if (url.protocol !== "http:" || url.hostname === "" || !isBare) {
    return null;
  }
  const credentials = decodeCredentials(url);
  if (credentials === null) {
    return null;
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? HTTP_PORT : Number(url.port),
    authorization:
      credentials === "" ? null : `Basic ${Buffer.from(credentials, "utf8").toString("base64")}`,
  };
}

/**
 * Asks over a connected socket. `onAnswer` is told once at most: that the socket's next byte is the
 * target's, or why not, in words for operators. It is not told when the caller destroys the socket.
 */
export function requestTunnel(
  socket: Socket,
  tunnel: {
    readonly host: string;
    readonly port: number;
    readonly authorization: string | null;
  },
  onAnswer: (answer: Result<null, string>) => void,
): void {
  const { host, port, authorization } = tunnel;
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  try {
    const asking = request({
      createConnection: () => socket,
      method: "CONNECT",
      path: authority,
      setHost: false,
      maxHeaderSize: ANSWER_HEAD_BYTES_MAX,
      headers: {
        Host: authority,
        Connection: "keep-alive",
        "Proxy-Connection": "keep-alive",
        ...(authorization === null ? {} : { "Proxy-Authorization": authorization }),
      },
    });
    asking.once("connect", (answer, _socket, head) => {
      onAnswer(judgeAnswer(answer.statusCode ?? 0, answer.statusMessage ?? "", head.length));
    });
    asking.once("error", (error: NodeJS.ErrnoException) => {
      onAnswer(fail(`the proxy gave no HTTP answer: ${error.code ?? "unknown"}`));
    });
    asking.end();
  } catch {
    // Node refuses hosts that cannot stand in a request, and names them in its message.
    onAnswer(fail("the console's host cannot stand in an HTTP request"));
  }
}

function judgeAnswer(status: number, reason: string, surplusBytes: number): Result<null, string> {
  if (status < 200 || status > 299) {
    const words = reason.replaceAll(/[^\u0020-\u007e]/g, "?").slice(0, REASON_CHARACTERS_MAX);
    return fail(`the proxy answered ${status} ${words}`.trimEnd());
  }
  // Neither SPICE nor TLS lets the server speak first.
  return surplusBytes === 0 ? ok(null) : fail("the proxy's answer is followed by unasked bytes");
}

/** `user:password`, the empty text when there is none, null when it is wrongly encoded. */
function decodeCredentials(url: URL): string | null {
  if (url.username === "" && url.password === "") {
    return "";
  }
  try {
    return `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  } catch {
    return null;
  }
}

/** What a URL without a port means (RFC 9110, section 4.2.1). */
const HTTP_PORT = 80;
/** Proxies answer a CONNECT with a few short fields. */
const ANSWER_HEAD_BYTES_MAX = 8 * 1024;
const REASON_CHARACTERS_MAX = 64;
