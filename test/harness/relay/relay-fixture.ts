/** A whole data plane on loopback, with a control plane that is a few functions. */
import { randomBytes } from "node:crypto";
import { fail, type Result } from "#shared/base/result.ts";
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { type DataPlane, startDataPlane } from "../../../relay/data-plane.ts";
import type { DataPlaneLimits } from "../../../relay/limits.ts";
import { createLog } from "../../../relay/telemetry/log.ts";
import { type FakeControl, type Issued, type IssueOptions, makeControl } from "./fake-control.ts";
import { type ClientChannelOptions, FakeSpiceClient } from "./fake-spice-client.ts";
import { type FakeSpiceServer, MAIN_INIT_MESSAGE_BYTES, SESSION_ID } from "./fake-spice-server.ts";
import type { ServedChannel } from "./fake-spice-server.ts";
import { RecordedEvents } from "./recorded-events.ts";
import { makeIdentity, type TestIdentity } from "./test-identity.ts";

export interface RelayFixtureOptions {
  readonly limits?: Partial<DataPlaneLimits>;
  readonly lookup?: (ticketHash: string) => Promise<Result<string, TicketRefusalReason>>;
  readonly nowMs?: () => number;
  /** How long the control plane has been silent; absent: it never is. */
  readonly silentMs?: () => number;
  readonly identity?: TestIdentity;
  /** Worker processes; 0 by default: the test's process carries the connections. */
  readonly workers?: number;
  /** What worker processes have in their environment. */
  readonly workerEnvironment?: Readonly<Record<string, string>>;
  readonly plainPort?: number | null;
  readonly connectPort?: number | null;
  readonly webOrigins?: readonly string[];
}

/** Close it with `await using`: it stops the relay and destroys its clients. */
export class RelayFixture implements AsyncDisposable {
  readonly plane: DataPlane;
  readonly control: FakeControl;
  readonly events: RecordedEvents;
  readonly identity: TestIdentity;
  readonly logLines: string[];
  readonly lookups: string[];
  readonly #clients: FakeSpiceClient[] = [];

  constructor(parts: {
    readonly plane: DataPlane;
    readonly control: FakeControl;
    readonly events: RecordedEvents;
    readonly identity: TestIdentity;
    readonly logLines: string[];
    readonly lookups: string[];
  }) {
    this.plane = parts.plane;
    this.control = parts.control;
    this.events = parts.events;
    this.identity = parts.identity;
    this.logLines = parts.logLines;
    this.lookups = parts.lookups;
  }

  /** Issues a ticket for a server and pushes its grant. */
  async grant(server: FakeSpiceServer | null, options: IssueOptions = {}): Promise<Issued> {
    const port = server === null ? {} : { port: server.port };
    const target = { ...port, ...options.target };
    const issued = await this.control.issue({ ...options, target });
    const refusal = await this.plane.commands.apply({ kind: "grant", grant: issued.grant });
    if (refusal !== null) {
      throw new Error(`${refusal.code}: ${refusal.detail}`);
    }
    return issued;
  }

  async connect(): Promise<FakeSpiceClient> {
    const { port } = this.plane.address;
    const client = await FakeSpiceClient.connect(port, this.identity.ca);
    this.#clients.push(client);
    return client;
  }

  /** A linked channel and the server's end of it. */
  async open(
    server: FakeSpiceServer,
    ticket: string,
    options: ClientChannelOptions = {},
  ): Promise<{ readonly client: FakeSpiceClient; readonly served: ServedChannel }> {
    const client = await this.connect();
    const result = await client.link(ticket, options);
    if (result !== "OK") {
      throw new Error(`link refused: ${String(result)}`);
    }
    const served = await server.nextChannel();
    if (served.channel === "main") {
      await client.read(MAIN_INIT_MESSAGE_BYTES);
    }
    return { client, served };
  }

  /** A session with a main channel, and one further channel of it if named. */
  async openSession(server: FakeSpiceServer): Promise<{
    readonly issued: Issued;
    readonly main: { readonly client: FakeSpiceClient; readonly served: ServedChannel };
    join(options: ClientChannelOptions): ReturnType<RelayFixture["open"]>;
  }> {
    const issued = await this.grant(server);
    const main = await this.open(server, issued.ticket);
    return {
      issued,
      main,
      join: (options) => this.open(server, issued.ticket, { connectionId: SESSION_ID, ...options }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) {
      client.destroy();
    }
    await this.plane.stop(2_000);
  }
}

/** Starts a relay that nobody but the test talks to. */
export async function startRelay(options: RelayFixtureOptions = {}): Promise<RelayFixture> {
  const nowMs = options.nowMs ?? Date.now;
  const identity = options.identity ?? (await makeIdentity());
  const control = await makeControl(nowMs);
  const events = new RecordedEvents();
  const logLines: string[] = [];
  const lookups: string[] = [];
  const plane = await startDataPlane({
    tls: { cert: identity.cert, key: identity.key },
    listen: { host: "127.0.0.1", port: 0 },
    plainPort: options.plainPort ?? null,
    connectPort: options.connectPort ?? null,
    healthPort: 0,
    workers: options.workers ?? 0,
    workerEnvironment: options.workerEnvironment ?? {},
    webOrigins: options.webOrigins ?? [],
    events,
    lookup: {
      lookup: async (ticketHash) => {
        lookups.push(ticketHash);
        return options.lookup === undefined ? fail("unknown") : options.lookup(ticketHash);
      },
    },
    contact: { silentMs: options.silentMs ?? (() => 0) },
    keyRing: control.ring,
    isLinked: () => true,
    log: createLog({ level: "debug", stream: { write: (line) => void logLines.push(line) } }),
    nowMs,
    randomBytes,
    limits: { refusalLingerMs: 300, endLingerMs: 500, ...options.limits },
  });
  return new RelayFixture({ plane, control, events, identity, logLines, lookups });
}
