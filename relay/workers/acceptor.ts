/**
 * The listening ports. Accepts TCP connections, asks the gate, and hands on what may come in,
 * unread. Promises that a connection which is refused costs no more than its accept, and that an
 * error of one accept leaves the port open.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Origin } from "../listen/arrival.ts";
import type { PortKind } from "../listen/client-ports.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { GateRefusal, SourceGate } from "./source-gate.ts";

export interface AcceptorOptions {
  readonly host: string;
  /** Port 0 takes any free port; null: no such port. */
  readonly ports: Readonly<Record<PortKind, number | null>>;
  readonly limits: Pick<DataPlaneLimits, "keepAliveIdleMs">;
  /** Whether another process will read the connections, so that this one must not. */
  readonly isHandingOver: boolean;
  readonly gate: SourceGate;
  readonly take: (kind: PortKind, socket: Socket, about: Origin) => void;
  readonly onRefused: (code: GateRefusal, clientAddress: string) => void;
  /** No connection could be accepted, for want of a file descriptor for example. */
  readonly onError: (error: Error) => void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The ports of one relay, from their binding to their closing. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #servers = new Map<PortKind, Server>();
  #acceptCount = 0;

  private constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** Listens on all ports, or on none: rejects with the error of the first that cannot be bound. */
  static async listen(options: AcceptorOptions): Promise<Acceptor> {
    const acceptor = new Acceptor(options);
    try {
      for (const kind of KINDS) {
        const port = options.ports[kind];
        if (port !== null) {
          await acceptor.#listen(kind, port);
        }
      }
    } catch (error) {
      acceptor.close();
      throw error;
    }
    return acceptor;
  }

  /** Where connections of a kind are accepted; null: nowhere. */
  address(kind: PortKind): Address | null {
    const server = this.#servers.get(kind);
    if (server === undefined) {
      return null;
    }
    // A bound TCP server's address is never a path and never null.
    const { address, port } = server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Accepts no more. Idempotent. */
  close(): void {
    for (const server of this.#servers.values()) {
      server.close();
    }
  }

  async #listen(kind: PortKind, port: number): Promise<void> {
    const server = createServer({
      pauseOnConnect: this.#options.isHandingOver,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: this.#options.limits.keepAliveIdleMs,
    });
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    server.listen({ port, host: this.#options.host, backlog: BACKLOG }, listening.resolve);
    await listening.promise;
    server.off("error", listening.reject);
    // Why: accept errors concern one connection; the port must live on.
    server.on("error", this.#options.onError);
    server.on("connection", (socket) => this.#accept(kind, socket));
    this.#servers.set(kind, server);
  }

  #accept(kind: PortKind, socket: Socket): void {
    // Why: an error before the next owner listens would otherwise end the process.
    socket.on("error", ignoreError);
    const clientAddress = socket.remoteAddress;
    if (clientAddress === undefined) {
      // It was reset before it was accepted.
      socket.destroy();
      return;
    }
    this.#acceptCount += 1;
    const ref = `c${this.#acceptCount}`;
    const refusal = this.#options.gate.enter(ref, clientAddress);
    if (refusal === null) {
      this.#options.take(kind, socket, { ref, clientAddress });
    } else {
      this.#options.onRefused(refusal, clientAddress);
      // A reset, not a close: no state of the refused connection stays in the kernel.
      socket.resetAndDestroy();
    }
  }
}

function ignoreError(): void {
  // The owner, where there is one, is told by 'close'.
}

const KINDS: readonly PortKind[] = ["tls", "plain", "connect"];
/** Connections that the kernel holds until they are accepted: a site's users after an outage. */
const BACKLOG = 1_024;
