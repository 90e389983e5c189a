/**
 * Metrics and health over HTTP, on loopback only: whoever scrapes from elsewhere goes through
 * something that authenticates. `GET /metrics` is Prometheus text, `GET /healthz` is JSON and
 * answers 200 as long as the process runs, linked to the control plane or not; its status says what
 * it does.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { METRICS_CONTENT_TYPE } from "./aggregate.ts";

/** What `/healthz` answers. */
export interface Health {
  readonly status: "serving" | "draining" | "stopping";
  /** Whether the control link is up. */
  readonly linked: boolean;
  readonly sessions: number;
  readonly channels: number;
}

export interface HealthServerOptions {
  /** Port 0 takes any free port. */
  readonly port: number;
  /** The metrics as Prometheus text. */
  readonly metrics: () => Promise<string>;
  readonly health: () => Health;
}

export interface HealthServer {
  readonly port: number;
  close(): void;
}

/** Listens on 127.0.0.1; rejects when the port is taken. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer({ requestTimeout: REQUEST_DEADLINE_MS }, (request, response) => {
    answer(request, response, options).catch(() => {
      response.destroy();
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(options.port, "127.0.0.1", listening.resolve);
  await listening.promise;
  server.off("error", listening.reject);
  // Why: accept errors (no file descriptor left) cost one scrape; nobody listening would end the
  // whole relay.
  server.on("error", () => {});
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HealthServerOptions,
): Promise<void> {
  const path = request.url?.split("?")[0];
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
  } else if (path === "/healthz") {
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(JSON.stringify(options.health()));
  } else if (path === "/metrics") {
    const text = await options.metrics();
    response.writeHead(200, { "content-type": METRICS_CONTENT_TYPE });
    response.end(text);
  } else {
    response.writeHead(404).end();
  }
}

/** A scrape is one small request. */
const REQUEST_DEADLINE_MS = 5_000;
/** A scraper and a few curious operators. */
const CONNECTIONS_MAX = 32;
