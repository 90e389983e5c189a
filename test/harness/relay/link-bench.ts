/** The handshake and the pump alone: plain TCP in front, admissions that a test scripts. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { carryConnection, type LinkDependencies } from "../../../relay/handshake/link-channel.ts";
import { KeyPool } from "../../../relay/handshake/key-pool.ts";
import { StallWatch } from "../../../relay/pump/stall-watch.ts";
import { type DataPlaneLimits, withLimits } from "../../../relay/limits.ts";
import type { ClientConnection, WayIn } from "../../../relay/listen/client-connection.ts";
import type {
  Admissions,
  AdmittedChannel,
  ChannelEnd,
  DialTarget,
  ForeseenSession,
  Presented,
  Refusal,
  SessionClue,
} from "../../../relay/sessions/ports.ts";
import { eventually } from "../deadline.ts";
import { FakeSpiceClient } from "./fake-spice-client.ts";
import type { FakeSpiceServer } from "./fake-spice-server.ts";

export interface LinkBenchOptions {
  readonly limits?: Partial<DataPlaneLimits>;
  /** Default: no clue tells of a session. */
  readonly foresee?: (clue: SessionClue) => Promise<Result<ForeseenSession | null, Refusal>>;
  /** Default: every ticket is refused. */
  readonly admit?: (
    presented: Presented,
  ) => Promise<Result<{ readonly sessionId: string; readonly target: DialTarget }, Refusal>>;
}

/** One channel that was admitted. */
export class BenchChannel implements AdmittedChannel {
  readonly channelRef = "channel";
  readonly firewall = "enforce";
  readonly sessionId: string;
  readonly target: DialTarget;
  readonly stop = new AbortController();
  readonly ends: ChannelEnd[] = [];
  readonly connectionIds: number[] = [];
  openedCount = 0;

  constructor(sessionId: string, target: DialTarget) {
    this.sessionId = sessionId;
    this.target = target;
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  learnConnectionId(connectionId: number): void {
    this.connectionIds.push(connectionId);
  }

  opened(): void {
    this.openedCount += 1;
  }

  touch(): void {
    // Idleness is the sessions' matter.
  }

  end(end: ChannelEnd): void {
    this.ends.push(end);
  }

  /** Ends it as its session would. */
  terminate(): void {
    const end: ChannelEnd = {
      by: "relay",
      code: "terminated",
      detail: "by a test",
      clientBytes: 0,
      serverBytes: 0,
    };
    this.stop.abort(end);
  }
}

/** Close it with `await using`; `expectEmpty` says whether anything is left behind. */
export class LinkBench implements AsyncDisposable {
  readonly clues: SessionClue[] = [];
  readonly presented: Presented[] = [];
  readonly channels: BenchChannel[] = [];
  readonly failures: Failure[] = [];
  readonly faults: unknown[] = [];
  readonly stopping = new AbortController();
  linkedCount = 0;
  /** Connections that are being carried. */
  running = 0;
  /** What the next connections come with. */
  way: WayIn = "tls";
  clue: SessionClue | null = null;
  /** The next connections, once each, for tests about what is kept of them. */
  onConnection: ((connection: ClientConnection) => void) | null = null;
  readonly #options: LinkBenchOptions;
  readonly #keyPool: KeyPool;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #accepted = new Set<Socket>();

  constructor(options: LinkBenchOptions) {
    this.#options = options;
    const limits = withLimits({ refusalLingerMs: 300, endLingerMs: 300, ...options.limits });
    this.#keyPool = new KeyPool({ limits, nowMs: () => 0 });
    const dependencies: LinkDependencies = {
      keyPool: this.#keyPool,
      admissions: this.#makeAdmissions(),
      observer: {
        linked: () => {
          this.linkedCount += 1;
        },
        linkFailed: (failure) => {
          this.failures.push(failure);
        },
        firewallFound: () => {},
      },
      limits,
      stalls: new StallWatch({ stallMsMax: limits.stallMsMax, nowMs: () => 0 }),
      traffic: { clientBytes: 0, serverBytes: 0 },
      nowMs: () => 0,
      stopping: this.stopping.signal,
    };
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#carry(socket, dependencies);
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    return this;
  }

  async connect(): Promise<FakeSpiceClient> {
    const { port } = this.#server.address() as AddressInfo;
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    this.#clients.add(socket);
    await new Promise<void>((resolve) => {
      socket.once("connect", resolve);
    });
    return new FakeSpiceClient(socket);
  }

  /** Waits until no connection is carried, and no socket is left here or at these servers. */
  async becomesEmpty(...servers: readonly FakeSpiceServer[]): Promise<void> {
    const isEmpty = (): true | null => {
      const left = servers.reduce((count, server) => count + server.sockets.size, 0);
      return this.running === 0 && this.#accepted.size === 0 && left === 0 ? true : null;
    };
    for (const server of servers) {
      server.closeAbandoned();
    }
    await eventually("an empty bench", isEmpty, { timeoutMs: 4_000 });
    if (this.faults.length > 0) {
      throw new Error("a connection was a bug", { cause: this.faults[0] });
    }
    for (const channel of this.channels) {
      if (channel.ends.length !== 1) {
        throw new Error(`a channel ended ${channel.ends.length} times`);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopping.abort();
    this.#keyPool.stop();
    for (const socket of [...this.#clients, ...this.#accepted]) {
      socket.destroy();
    }
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #carry(stream: Socket, dependencies: LinkDependencies): void {
    this.#accepted.add(stream);
    stream.once("close", () => this.#accepted.delete(stream));
    const { way, clue } = this;
    const connection = { ref: "connection", clientAddress: "127.0.0.1", stream, way, clue };
    this.onConnection?.(connection);
    this.running += 1;
    carryConnection(connection, dependencies)
      .catch((error: unknown) => {
        this.faults.push(error);
      })
      .finally(() => {
        this.running -= 1;
      });
  }

  #makeAdmissions(): Admissions {
    return {
      foresee: async (clue) => {
        this.clues.push(clue);
        return this.#options.foresee === undefined ? ok(null) : this.#options.foresee(clue);
      },
      admit: async (presented) => {
        this.presented.push(presented);
        const admitted = (await this.#options.admit?.(presented)) ?? fail(REFUSED);
        if (!admitted.ok) {
          return admitted;
        }
        const channel = new BenchChannel(admitted.value.sessionId, admitted.value.target);
        this.channels.push(channel);
        return ok(channel);
      },
    };
  }
}

export async function startLinkBench(options: LinkBenchOptions = {}): Promise<LinkBench> {
  return new LinkBench(options).listen();
}

const REFUSED: Refusal = { code: "ticket.unknown", detail: "by the bench", holdMs: 0 };
