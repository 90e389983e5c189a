/**
 * An embedded libSQL database behind the libSQL HTTP protocol, for a developer's machine and for
 * tests: `@libsql/client/web` and drizzle talk to it as to a hosted database. It listens on the
 * loopback only, wants a bearer token, and bounds what it holds and how long it waits. It writes no
 * log: statements and values may be secrets.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

import { assert } from "#shared/base/assert.ts";

import { ConnectionPool } from "./connection-pool.ts";
import { checkpoint, prepareDatabaseFile } from "./database-file.ts";
import { pipelineRequestSchema } from "./hrana-protocol.ts";
import { BODY_BYTES_MAX, CLOSE_WAIT_MS_MAX, KEEP_ALIVE_MS, REQUEST_READ_MS_MAX } from "./limits.ts";
import { runPipeline } from "./run-pipeline.ts";
import { SqlFailure } from "./sql-failure.ts";
import { StreamStore } from "./stream-store.ts";
import { systemTimers, waitFor } from "./timers.ts";
import { WriteLock } from "./write-lock.ts";

import type { Timers } from "./timers.ts";
import type { IncomingMessage, Server, ServerResponse } from "node:http";

export interface LibsqlServerOptions {
  /** The database file; made when missing, in a folder that exists. */
  readonly file: string;
  /** The bearer token that every request has to carry; not empty. */
  readonly authToken: string;
  /** The one address that is served; naming it is for the reader of the caller. */
  readonly host?: typeof LOOPBACK;
  /** Zero, the default, takes any free port. */
  readonly port?: number;
  readonly timers?: Timers;
}

export interface LibsqlServer {
  /** Such as `http://127.0.0.1:41234`: what `createClient` takes. */
  readonly url: string;
  /**
   * Rolls back every transaction whose client pauses between two statements: for whoever knows that
   * all clients have died, so that nobody waits until the transactions count as abandoned.
   */
  rollBackAbandoned(): void;
  /** Rolls back what is open, lets answers under way end, and moves the log into the file. */
  close(): Promise<void>;
}

/** @throws {DatabaseFileError} when the file cannot be served; node's error when the port cannot. */
export async function startLibsqlServer(options: LibsqlServerOptions): Promise<LibsqlServer> {
  assert(options.authToken.length > 0, "the database server needs a token");
  const timers = options.timers ?? systemTimers;
  await prepareDatabaseFile(options.file, timers);
  const pool = new ConnectionPool(options.file);
  const streams = new StreamStore(
    { pool, writeLock: new WriteLock(timers), timers },
    (count: number) => randomBytes(count),
  );
  const endpoint = new PipelineEndpoint(streams, options.authToken);
  const server = createServer(
    { requestTimeout: REQUEST_READ_MS_MAX, keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => void endpoint.answer(request, response),
  );
  const url = await listen(server, options.port ?? 0);
  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    endpoint.abort();
    streams.closeParked();
    await closeHttp(server);
    pool.close();
    checkpoint(options.file);
  };
  return {
    url,
    rollBackAbandoned: () => streams.closeParked(),
    close: () => (closing ??= close()),
  };
}

/** The one thing that is served: `POST /v2/pipeline`. */
class PipelineEndpoint {
  readonly #streams: StreamStore;
  readonly #tokenDigest: Buffer;
  readonly #underWay = new Map<ServerResponse, AbortController>();
  #isClosing = false;

  constructor(streams: StreamStore, authToken: string) {
    this.#streams = streams;
    this.#tokenDigest = digest(authToken);
  }

  /** Never rejects: a bug of ours is answered with 500, and its stream is rolled back. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const abortion = new AbortController();
    this.#underWay.set(response, abortion);
    response.once("close", () => {
      this.#underWay.delete(response);
      abortion.abort(new SqlFailure("CLIENT_GONE", "the client has gone"));
    });
    try {
      await this.#answerPipeline(request, response, abortion.signal);
    } catch {
      refuse(response, 500, { code: "INTERNAL", message: "the database server failed" });
    }
  }

  /** Ends every wait; from now on each request is refused. */
  abort(): void {
    this.#isClosing = true;
    for (const [response, abortion] of this.#underWay) {
      response.shouldKeepAlive = false;
      abortion.abort(new SqlFailure("SERVER_CLOSING", CLOSING.message));
    }
  }

  async #answerPipeline(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#isClosing) {
      return refuse(response, 503, CLOSING);
    }
    if (!this.#isAuthorized(request)) {
      return refuse(response, 401, UNAUTHORIZED);
    }
    if (request.method !== "POST" || request.url !== "/v2/pipeline") {
      return refuse(response, 404, NOT_FOUND);
    }
    const body = await readBody(request);
    if (body === null) {
      return refuse(response, 413, BODY_TOO_LARGE);
    }
    const pipeline = parseBody(body);
    if (!pipeline.success) {
      return refuse(response, 400, { code: "HRANA_INVALID", message: pipeline.error.message });
    }
    const { baton = null, requests } = pipeline.data;
    const result = await runPipeline(this.#streams, { baton, requests, signal });
    if (result.ok) {
      return send(response, 200, result.value);
    }
    return result.error === "too-many-streams"
      ? refuse(response, 503, TOO_MANY_STREAMS)
      : refuse(response, 400, STREAM_EXPIRED);
  }

  #isAuthorized(request: IncomingMessage): boolean {
    const [, token = ""] = /^bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? [];
    // Digests have one length, so that the comparison tells nothing about the token's.
    return timingSafeEqual(digest(token), this.#tokenDigest);
  }
}

async function listen(server: Server, port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, LOOPBACK, resolve);
  await promise;
  server.removeListener("error", reject);
  const address = server.address();
  assert(typeof address === "object" && address !== null, "a listening server has an address");
  return `http://${LOOPBACK}:${address.port}`;
}

/** Resolves when every socket is gone; those still open at the deadline are cut. */
async function closeHttp(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  const cut = new AbortController();
  const deadline = waitFor(systemTimers, CLOSE_WAIT_MS_MAX, cut.signal).then(
    () => server.closeAllConnections(),
    () => undefined,
  );
  await promise;
  cut.abort();
  await deadline;
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > BODY_BYTES_MAX) {
      return null;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseBody(body: string): ReturnType<typeof pipelineRequestSchema.safeParse> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    value = undefined;
  }
  return pipelineRequestSchema.safeParse(value);
}

function refuse(
  response: ServerResponse,
  status: number,
  error: { readonly code: string; readonly message: string },
): void {
  // What is left of a request that was not read to its end must not be taken for the next one.
  response.setHeader("connection", "close");
  send(response, status, error);
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent || response.destroyed) {
    return;
  }
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": bytes.length,
  });
  response.end(bytes);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

const LOOPBACK = "127.0.0.1";

const CLOSING = { code: "SERVER_CLOSING", message: "the database server closes" } as const;
const UNAUTHORIZED = { code: "UNAUTHORIZED", message: "the token is missing or wrong" } as const;
const NOT_FOUND = { code: "NOT_FOUND", message: "only POST /v2/pipeline is served" } as const;
const BODY_TOO_LARGE = { code: "BODY_TOO_LARGE", message: "the request is too large" } as const;
const STREAM_EXPIRED = {
  code: "STREAM_EXPIRED",
  message: "the stream has expired, and its transaction was rolled back",
} as const;
const TOO_MANY_STREAMS = {
  code: "TOO_MANY_STREAMS",
  message: "the database server has too many streams open",
} as const;
