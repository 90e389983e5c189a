/**
 * The TLS port for native SPICE clients. Promises TLS 1.2 or newer without renegotiation, a deadline
 * for the handshake, a cap on connections, and that a broken connection ends alone and is counted.
 * It must not read a byte of SPICE.
 */
import { constants } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { DataPlaneLimits } from "../limits.ts";
import type { ClientConnection } from "./client-connection.ts";

/** PEM texts; `cert` holds the server's certificate and then its issuers. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

export interface TlsListenerOptions {
  readonly tls: TlsIdentity;
  /** Port 0 takes any free port. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly limits: Pick<
    DataPlaneLimits,
    "connectionsMax" | "tlsHandshakeDeadlineMs" | "keepAliveIdleMs"
  >;
  /** Takes a connection whose TLS handshake is done, and owns it from then on. */
  readonly onConnection: (connection: ClientConnection) => void;
  /** A connection that ended before that: its handshake failed, or the cap was reached. */
  readonly onRefused: (code: "tls.failed" | "relay.full", detail: string) => void;
}

/** Listens; rejects when the address cannot be bound or the certificate and key do not fit. */
export async function startTlsListener(options: TlsListenerOptions): Promise<TlsListener> {
  const server = createServer({
    cert: options.tls.cert,
    key: options.tls.key,
    minVersion: "TLSv1.2",
    // Why: TLS 1.2 lets a client renegotiate at will, which costs us far more than it costs it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout: options.limits.tlsHandshakeDeadlineMs,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: options.limits.keepAliveIdleMs,
  });
  server.maxConnections = options.limits.connectionsMax;
  const listener = new TlsListener(server, options);
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(options.listen.port, options.listen.host, listening.resolve);
  await listening.promise;
  server.off("error", listening.reject);
  // Why: accept errors (no file descriptor left) concern one connection; the port must live on.
  server.on("error", (error) => {
    options.onRefused("tls.failed", error.message);
  });
  return listener;
}

/** A bound port and the connections that came through it. */
export class TlsListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** By the client's address and port, which a TLS socket shares with the socket under it. */
  readonly #handshaking = new Map<string, Socket>();
  #idle: (() => void)[] = [];

  constructor(server: Server, options: TlsListenerOptions) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.#track(socket);
    });
    server.on("secureConnection", (socket) => {
      this.#handOn(socket, options);
    });
    server.on("tlsClientError", (error, socket) => {
      options.onRefused("tls.failed", error.message);
      socket.destroy();
    });
    server.on("drop", () => {
      options.onRefused("relay.full", "the cap on connections is reached");
    });
  }

  /** Where it listens. */
  get address(): { readonly host: string; readonly port: number } {
    // A bound TCP server's address is never a path and never null.
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Uses another certificate for the handshakes to come; throws when it does not fit its key. */
  replaceIdentity(tls: TlsIdentity): void {
    this.#server.setSecureContext({
      cert: tls.cert,
      key: tls.key,
      minVersion: "TLSv1.2",
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    });
  }

  /** Accepts no more and drops what is still shaking hands; handed-on connections live on. */
  close(): void {
    this.#server.close();
    for (const socket of this.#handshaking.values()) {
      socket.destroy();
    }
  }

  /** Resolves when the last connection is gone. */
  async drained(): Promise<void> {
    if (this.#sockets.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }

  /** Ends every connection now. */
  destroyAll(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    const name = peerName(socket);
    this.#handshaking.set(name, socket);
    socket.once("close", () => {
      if (this.#handshaking.get(name) === socket) {
        this.#handshaking.delete(name);
      }
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) {
        for (const resolve of this.#idle.splice(0)) {
          resolve();
        }
      }
    });
  }

  #handOn(socket: TLSSocket, options: TlsListenerOptions): void {
    this.#handshaking.delete(peerName(socket));
    // Why: an error before the next owner listens would otherwise end the process.
    socket.on("error", ignoreError);
    keepWritesApart(socket);
    options.onConnection({ stream: socket, clientAddress: socket.remoteAddress ?? "unknown" });
  }
}

function peerName(socket: Socket): string {
  return `${socket.remoteAddress ?? ""}|${socket.remotePort ?? ""}`;
}

/**
 * Makes each write a TLS record of its own (or several), by taking away the stream's way to put
 * waiting writes together. Who writes then decides where records end: see Pump, which must.
 */
function keepWritesApart(socket: TLSSocket): void {
  Object.defineProperty(socket, "_writev", { value: null });
}

function ignoreError(): void {
  // The 'close' that follows tells the owner.
}
