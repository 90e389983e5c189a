/** Client ports on real loopback sockets, with admissions that a test decides on. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { ok, type Result } from "#shared/base/result.ts";
import { type DataPlaneLimits, withLimits } from "../../../relay/limits.ts";
import type { ClientConnection } from "../../../relay/listen/client-connection.ts";
import { ClientPorts, type PortKind } from "../../../relay/listen/client-ports.ts";
import type { ForeseenSession, Refusal, SessionClue } from "../../../relay/sessions/ports.ts";
import { eventually, withDeadline } from "../../harness/deadline.ts";
import { makeIdentity, type TestIdentity } from "../../harness/relay/test-identity.ts";
import { SocketPeer } from "../../harness/relay/socket-peer.ts";
import { secureOver } from "../../harness/relay/tls-over.ts";

export interface RefusedConnection {
  readonly ref: string;
  readonly code: string;
  readonly detail: string;
}

export type Foresee = (clue: SessionClue) => Promise<Result<ForeseenSession | null, Refusal>>;

export interface WaysInOptions {
  readonly limits?: Partial<DataPlaneLimits>;
  readonly webOrigins?: readonly string[];
  readonly foresee?: Foresee;
  /** Takes the place of {@link WaysIn.accepted}. */
  readonly onConnection?: (connection: ClientConnection) => void;
}

const KINDS: readonly PortKind[] = ["tls", "plain", "connect"];

export const ORIGIN = "https://console.example.test";
export const LABEL = "0123456789abcdef0123456789abcdef";
export const PSEUDO_HOST = `${LABEL}.kerbside.invalid`;

/** A listening port of each kind. */
export class WaysIn implements AsyncDisposable {
  static async start(options: WaysInOptions = {}): Promise<WaysIn> {
    const ways = new WaysIn(await sharedIdentity(), options);
    for (const kind of KINDS) {
      await ways.#listen(kind);
    }
    return ways;
  }

  readonly identity: TestIdentity;
  readonly ports: ClientPorts;
  readonly refused: RefusedConnection[] = [];
  readonly clues: SessionClue[] = [];
  readonly accepted: ClientConnection[] = [];
  readonly #servers: Server[] = [];
  readonly #peers: SocketPeer[] = [];
  #refCount = 0;

  constructor(identity: TestIdentity, options: WaysInOptions) {
    this.identity = identity;
    const foresee = options.foresee ?? (async () => ok(null));
    this.ports = new ClientPorts({
      tls: identity,
      limits: withLimits(options.limits),
      webOrigins: () => options.webOrigins ?? [ORIGIN],
      admissions: {
        foresee: async (clue) => {
          this.clues.push(clue);
          return foresee(clue);
        },
      },
      onConnection:
        options.onConnection ??
        ((connection) => {
          this.accepted.push(connection);
        }),
      onRefused: (ref, code, detail) => {
        this.refused.push({ ref, code, detail });
      },
    });
  }

  port(kind: PortKind): number {
    const address = this.#servers[KINDS.indexOf(kind)]?.address() as AddressInfo;
    return address.port;
  }

  /** A TCP connection to a port. */
  async connect(kind: PortKind): Promise<SocketPeer> {
    const socket = connect({ host: "127.0.0.1", port: this.port(kind), allowHalfOpen: true });
    await once(socket, "connect");
    return this.#peer(socket);
  }

  /** A TLS connection to the TLS port, or over a connection that is there already. */
  async secure(options: ConnectionOptions = {}, over?: SocketPeer): Promise<SocketPeer> {
    const tcp = over ?? (await this.connect("tls"));
    const socket = await secureOver(tcp.stream as Socket, { ca: this.identity.ca, ...options });
    return this.#peer(socket);
  }

  /** TLS inside an HTTP CONNECT tunnel for our pseudo host. */
  async tunnel(): Promise<SocketPeer> {
    const tcp = await this.connect("connect");
    tcp.send(Buffer.from(connectRequest()));
    await tcp.read(ESTABLISHED.length);
    return this.secure({}, tcp);
  }

  /** The connection that was handed on as number `index`. */
  async handedOn(index = 0): Promise<ClientConnection> {
    return eventually("a connection is handed on", () => this.accepted[index] ?? null, FAST);
  }

  /** Waits until so many connections were refused, and gives their codes. */
  async refusals(count = 1): Promise<string[]> {
    return eventually(
      "the refusals",
      () => (this.refused.length < count ? null : this.refused.map(({ code }) => code)),
      FAST,
    );
  }

  /** Waits until no connection is left. */
  async empty(): Promise<void> {
    await withDeadline(this.ports.drained(), 5_000, () => `${this.ports.connectionCount} are left`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.close();
    }
    for (const peer of this.#peers) {
      peer.destroy();
    }
    this.ports.close();
    this.ports.destroyAll();
    await this.empty();
  }

  async #listen(kind: PortKind): Promise<void> {
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      this.#refCount += 1;
      const ref = `${kind}-${this.#refCount}`;
      this.ports.take(kind, socket, { ref, clientAddress: "192.0.2.7" });
    });
    this.#servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }

  #peer(stream: Socket | TLSSocket): SocketPeer {
    const peer = new SocketPeer(stream);
    this.#peers.push(peer);
    return peer;
  }
}

/** As spice-gtk sends it. */
export function connectRequest(authority = `${PSEUDO_HOST}:5901`): string {
  return `CONNECT ${authority} HTTP/1.0\r\nHost: ${authority}\r\nUser-Agent: test\r\n\r\n`;
}

/** As a browser sends it, with headers replaced, or taken away by null. */
export function upgradeRequest(
  path = "/console?token=kt1_ticket",
  headers: Readonly<Record<string, string | null>> = {},
): string {
  const all: Record<string, string | null> = {
    Host: "relay.example.test",
    Origin: ORIGIN,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "binary",
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== null);
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `GET ${path} HTTP/1.1\r\n${text}\r\n`;
}

export const ESTABLISHED = "HTTP/1.0 200 Connection established\r\n\r\n";

/** Number of active timers of this process that hold it alive or not. */
export function activeTimers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

let identity: Promise<TestIdentity> | null = null;

async function sharedIdentity(): Promise<TestIdentity> {
  identity ??= makeIdentity();
  return identity;
}

const FAST = { intervalMs: 2 };
