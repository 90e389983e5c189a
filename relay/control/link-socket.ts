/**
 * One WebSocket to the hub, as the link sees it: texts in and out, and exactly one end, which says
 * whether trying again soon makes sense. It decides nothing about the contract.
 */
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { z } from "zod";
import { CONTROL_SUBPROTOCOL, HEARTBEAT_PONG } from "#shared/control/contract.ts";
import { CONTROL_MESSAGE_BYTES_MAX } from "#shared/control/limits.ts";
import { ERRORS } from "#shared/errors/catalogue.ts";

export interface LinkSocketListener {
  opened(): void;
  text(text: string): void;
  pong(): void;
  /** The peer broke the protocol below the contract; the socket is of no more use. */
  malformed(detail: string): void;
  /** The control plane does not want us now, and says why. Nothing follows. */
  refused(code: string, detail: string): void;
  /** The socket ended or never opened. Nothing follows. */
  closed(detail: string): void;
}

export interface LinkSocket {
  send(text: string): void;
  /** Ends it; resolves when it is gone, at the latest after CLOSE_GRACE_MS. Idempotent. */
  close(reason: string): Promise<void>;
}

/** Opens the socket; the listener hears of it later, never during the call. */
export function openLinkSocket(
  where: { readonly url: string; readonly token: string },
  listener: LinkSocketListener,
): LinkSocket {
  const socket = new WebSocket(where.url, [CONTROL_SUBPROTOCOL], {
    headers: { authorization: `Bearer ${where.token}` },
    maxPayload: CONTROL_MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    followRedirects: false,
  });
  let failure = "";
  const gone = new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
  });
  socket.on("open", () => listener.opened());
  socket.on("message", (data, isBinary) => {
    const text = isBinary ? null : textOf(data);
    if (text === null) {
      listener.malformed("a binary message");
    } else if (text === HEARTBEAT_PONG) {
      listener.pong();
    } else {
      listener.text(text);
    }
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    failure = describe(error);
    if (error.code?.startsWith("WS_ERR_") === true) {
      listener.malformed(failure);
    }
  });
  socket.on("close", (code, reason) => end(listener, reason.toString(), failure || `code ${code}`));
  socket.on("unexpected-response", (request, response) => {
    void readProblem(response).then((problem) => {
      request.destroy();
      if (QUICK_RETRY_IS_VAIN.has(response.statusCode ?? 0)) {
        listener.refused(problem.code, problem.detail);
      } else {
        listener.closed(`the control plane answered ${response.statusCode}`);
      }
      return null;
    });
  });
  return {
    send: (text) => socket.send(text),
    close: (reason) => {
      close(socket, reason);
      return gone;
    },
  };
}

function end(listener: LinkSocketListener, reason: string, detail: string): void {
  const row = Object.hasOwn(ERRORS, reason) ? ERRORS[reason as keyof typeof ERRORS] : null;
  if (row !== null && !row.retryable) {
    listener.refused(reason, row.hint);
  } else {
    listener.closed(
      reason === "" ? detail : `${reason.slice(0, CLOSE_REASON_BYTES_MAX)} (${detail})`,
    );
  }
}

function close(socket: WebSocket, reason: string): void {
  if (socket.readyState === WebSocket.CLOSED) {
    return;
  }
  if (socket.readyState === WebSocket.CONNECTING) {
    socket.terminate();
    return;
  }
  // A longer one throws, and it may be the control plane's own word.
  const sayable = Buffer.byteLength(reason) <= CLOSE_REASON_BYTES_MAX ? reason : "";
  socket.close(reason === "" ? CLOSE_NORMAL : CLOSE_POLICY, sayable);
  // A peer that is gone never answers the closing handshake.
  setTimeout(() => socket.terminate(), CLOSE_GRACE_MS).unref();
}

function textOf(data: WebSocket.RawData): string {
  if (Array.isArray(data)) {
    return Buffer.concat(data).toString("utf8");
  }
  return Buffer.from(data as Buffer).toString("utf8");
}

/** The problem of a refused upgrade; anything else that answers is no control plane of ours. */
async function readProblem(
  response: IncomingMessage,
): Promise<{ readonly code: string; readonly detail: string }> {
  const other = { code: "", detail: `the control plane answered ${response.statusCode}` };
  const timer = setTimeout(() => response.destroy(), CLOSE_GRACE_MS);
  try {
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) {
      text += String(chunk);
      if (text.length > PROBLEM_LENGTH_MAX) {
        return other;
      }
    }
    const { code, title, detail } = problemSchema.parse(JSON.parse(text));
    return { code, detail: detail ?? title ?? "" };
  } catch {
    return other;
  } finally {
    clearTimeout(timer);
  }
}

function describe(error: NodeJS.ErrnoException): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}

const problemSchema = z.object({
  code: z.string().max(64),
  title: z.string().max(1024).optional(),
  detail: z.string().max(1024).optional(),
});
const PROBLEM_LENGTH_MAX = 16 * 1024;
/** Wrong key, disabled, no such relay, deleted, version: somebody has to act. */
const QUICK_RETRY_IS_VAIN: ReadonlySet<number> = new Set([401, 403, 404, 410, 426]);
/** RFC 6455, section 7.4.1: normal closure, policy violation. */
const CLOSE_NORMAL = 1000;
const CLOSE_POLICY = 1008;
/** RFC 6455, section 5.5: a control frame carries 125 bytes, of which the code takes two. */
const CLOSE_REASON_BYTES_MAX = 123;
/** How long the closing handshake may take. */
const CLOSE_GRACE_MS = 1_000;
