/**
 * The operator's socket: a Unix socket in the state folder, which its owner alone can reach. Tells
 * what the relay does, and takes "drain", "resume" and "rotate-key". It must not keep the relay from serving:
 * whoever starts it goes on without it when it cannot listen.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Result } from "#shared/base/result.ts";
import { drainRequestSchema, type RelayStatus } from "./relay-status.ts";

export interface OperatorServerOptions {
  readonly path: string;
  readonly status: () => RelayStatus;
  readonly drain: (deadlineMs: number) => void;
  readonly resume: () => void;
  /** The failure is a sentence for the operator. */
  readonly rotateKey: () => Promise<Result<string, string>>;
}

/** Listens; the value closes it. Rejects when the socket cannot be made. */
export async function startOperatorServer(options: OperatorServerOptions): Promise<() => void> {
  const server = createServer({ requestTimeout: REQUEST_DEADLINE_MS }, (request, response) => {
    answer(request, response, options).catch(() => {
      response.destroy();
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  // A killed process leaves its socket; the folder's lock says that nobody else uses it.
  rmSync(options.path, { force: true });
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(options.path, listening.resolve);
  await listening.promise;
  server.off("error", listening.reject);
  server.on("error", () => {
    // An accept that failed costs one command, which says so.
  });
  chmodSync(options.path, SOCKET_MODE);
  // An operator's socket is no reason for a process to live.
  server.unref();
  return () => {
    server.close();
    server.closeAllConnections();
    rmSync(options.path, { force: true });
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: OperatorServerOptions,
): Promise<void> {
  const asked = `${request.method ?? ""} ${request.url ?? ""}`;
  switch (asked) {
    case "GET /status":
      break;
    case "POST /drain": {
      const drain = drainRequestSchema.safeParse(await readJson(request));
      if (!drain.success) {
        tell(response, 422, { error: "deadlineSeconds must be a whole number up to 86400" });
        return;
      }
      options.drain(drain.data.deadlineSeconds * 1000);
      break;
    }
    case "POST /rotate-key": {
      const rotated = await options.rotateKey();
      if (!rotated.ok) {
        tell(response, 409, { error: rotated.error });
        return;
      }
      break;
    }
    case "POST /resume":
      options.resume();
      break;
    default:
      tell(response, 404, { error: "there is no such thing to ask for" });
      return;
  }
  tell(response, 200, options.status());
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += String(chunk);
    if (text.length > BODY_LENGTH_MAX) {
      return null;
    }
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function tell(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}

const SOCKET_MODE = 0o600;
const REQUEST_DEADLINE_MS = 5_000;
/** A few commands of one person. */
const CONNECTIONS_MAX = 16;
const BODY_LENGTH_MAX = 1_024;
