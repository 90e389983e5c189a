/**
 * The HTTP that the relay answers with: short plain texts that say what to do, and the limits of
 * what it parses. It must never repeat anything of the request: a URL may hold a token.
 */
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { DataPlaneLimits } from "../limits.ts";

export interface HttpAnswer {
  readonly status: number;
  /** One sentence. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A parser of HTTP requests on sockets that somebody else accepted; it listens nowhere. */
export interface HttpParserOptions {
  readonly limits: Pick<DataPlaneLimits, "httpHeadBytesMax" | "httpHeadersMax">;
  /** An ordinary request, whatever it asks for. */
  readonly onRequest: (request: IncomingMessage, stream: Duplex) => void;
  /** Bytes that are no HTTP, or too many: `code` says which. */
  readonly onInvalid: (code: string, stream: Duplex) => void;
  /** The connection ended or broke in the middle of a request. */
  readonly onLost: (stream: Duplex) => void;
}

/**
 * Give it a stream with `emit("connection", stream)`. It enforces no deadline, because Node checks
 * those on listening servers alone, and every answer is the caller's.
 */
export function makeHttpParser(options: HttpParserOptions): Server {
  const { limits, onRequest, onInvalid, onLost } = options;
  const server = createServer({
    maxHeaderSize: limits.httpHeadBytesMax,
    // Why: otherwise Node answers a request without a host by itself.
    requireHostHeader: false,
  });
  server.maxHeadersCount = limits.httpHeadersMax;
  for (const event of ["request", "checkContinue", "checkExpectation"]) {
    server.on(event, (request: IncomingMessage) => {
      onRequest(request, request.socket);
    });
  }
  server.on("clientError", (error: NodeJS.ErrnoException, stream) => {
    const { code = "" } = error;
    if (code.startsWith(PARSER_CODES) && code !== CODE_OF_END) {
      onInvalid(code, stream);
    } else {
      onLost(stream);
    }
  });
  return server;
}

/** Status line, headers and text. */
export function encodeHttpAnswer({ status, text, headers = {} }: HttpAnswer): string {
  const body = `${text}\n`;
  const all = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    ...headers,
    Connection: "close",
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`;
}

/** What llhttp's error codes begin with; sockets have others. */
const PARSER_CODES = "HPE_";
const CODE_OF_END = "HPE_INVALID_EOF_STATE";
