/**
 * A whole data plane on which faults are staged: one session lives through all of them, and after
 * each the relay must be as it was before.
 */
import type { Duplex } from "node:stream";
import { expect } from "vitest";
import type { WayIn } from "../../../relay/listen/client-connection.ts";
import { eventually } from "../../harness/deadline.ts";
import { startRelayOfAllWays } from "../../harness/relay/client-ways.ts";
import {
  encodeMessage,
  type FakeServerOptions,
  type FakeSpiceServer,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import type { RelayFixture, RelayFixtureOptions } from "../../harness/relay/relay-fixture.ts";
import { type ResourceMark, ResourceWatch } from "../../harness/relay/resource-watch.ts";
import { makeIdentity, type TestIdentity } from "../../harness/relay/test-identity.ts";

export type Session = Awaited<ReturnType<RelayFixture["openSession"]>>;

/** Far away: what ends is ended by the fault. */
export const NEVER_MS = 600_000;
/** For a peer that does nothing; long enough to reach the phase under test on a busy machine. */
export const SHORT_MS = 400;

/** No deadline but those of the phase under test ends anything. */
export const PATIENT = {
  tlsHandshakeDeadlineMs: NEVER_MS,
  clientPhaseDeadlineMs: NEVER_MS,
  serverConnectDeadlineMs: NEVER_MS,
  serverLinkDeadlineMs: NEVER_MS,
  lookupDeadlineMs: NEVER_MS,
  refusalLingerMs: 100,
  endLingerMs: 100,
  // So few that places which are not given back are soon missed.
  connectionsPerSourceMax: 12,
  handshakesPerSourceMax: 8,
  connectionsMax: 12,
} as const;

/** What one connection's link came to, as it is counted. */
export interface Counted {
  /** An error code or "linked". */
  readonly code: string;
  readonly way: WayIn | "none";
}

/** What the relay was like at a moment. */
interface Before {
  readonly resources: ResourceMark;
  readonly links: ReadonlyMap<string, number>;
  readonly acceptedCount: number;
}

/** One relay, and a session that nothing may disturb. */
export class FaultStage implements AsyncDisposable {
  static async start(options: RelayFixtureOptions = {}): Promise<FaultStage> {
    const relay = await startRelayOfAllWays({
      identity: await sharedIdentity(),
      ...options,
      limits: { ...PATIENT, ...options.limits },
    });
    const server = await startFakeServer();
    return new FaultStage(relay, server, await relay.openSession(server));
  }

  readonly relay: RelayFixture;
  readonly watch = new ResourceWatch();
  readonly living: Session;
  readonly #server: FakeSpiceServer;
  readonly #peers: Duplex[] = [];
  readonly #servers: FakeSpiceServer[] = [];

  private constructor(relay: RelayFixture, server: FakeSpiceServer, living: Session) {
    this.relay = relay;
    this.living = living;
    this.#server = server;
  }

  /** A peer of the test's, destroyed when the row is over. */
  own<Stream extends Duplex>(stream: Stream): Stream {
    this.#peers.push(stream);
    return stream;
  }

  /** A hypervisor for one cell. */
  async serve(options: FakeServerOptions = {}): Promise<FakeSpiceServer> {
    const server = await startFakeServer(options);
    this.#servers.push(server);
    return server;
  }

  async before(): Promise<Before> {
    return {
      resources: this.watch.mark(),
      links: await this.#links(),
      acceptedCount: await this.#acceptedCount(),
    };
  }

  /** Waits until the way in of so many connections since then was understood. */
  async haveCome(before: Before, count: number): Promise<void> {
    await eventually(
      "the connections have come",
      async () => ((await this.#acceptedCount()) - before.acceptedCount >= count ? true : null),
      { intervalMs: 2 },
    );
  }

  /**
   * Waits until everything that came since then is gone: first all of the relay's, while the peers
   * stay as the fault left them; then the peers. And checks how it was counted.
   */
  async isAsBefore(before: Before, counted: readonly Counted[]): Promise<void> {
    await this.#onlyLivingIsLeft();
    await this.watch.relayIsAsAt(before.resources);
    await this.#isCounted(before, counted);
    await this.clear();
    await this.watch.socketsAreAsAt(before.resources);
    await expectAlive(this.living);
    expect(this.relay.logLines.join("")).not.toContain("relay.fault");
  }

  /** `code way` of each link that ended or was made since then. */
  async countedSince(before: Before): Promise<string[]> {
    const now = await this.#links();
    return [...now]
      .flatMap(([name, count]) =>
        Array.from({ length: count - (before.links.get(name) ?? 0) }, () => name),
      )
      .sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.watch[Symbol.dispose]();
    await this.clear();
    await this.relay[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }

  /** A link may be counted after its client's connection is gone. */
  async #isCounted(before: Before, counted: readonly Counted[]): Promise<void> {
    let names: string[] = [];
    await eventually(
      "each is counted",
      async () => {
        names = await this.countedSince(before);
        return names.length >= counted.length ? true : null;
      },
      { intervalMs: 2, timeoutMs: 2_000 },
    ).catch(() => {});
    expect(names).toEqual(counted.map(({ code, way }) => `${code} ${way}`).sort());
  }

  async #onlyLivingIsLeft(): Promise<void> {
    const expected = { sessions: 1, channels: 1, connections: 1 };
    let counts = {};
    await eventually(
      "only the living session",
      () => {
        const { sessions, channels, connections } = this.relay.plane.counts();
        counts = { sessions, channels, connections };
        return sessions === 1 && channels === 1 && connections === 1 ? true : null;
      },
      { intervalMs: 2, timeoutMs: 4_000 },
    ).catch(() => {});
    expect(counts).toEqual(expected);
  }

  /** Closes the test's ends; to be called after each row, so that one's failure is not the next's. */
  async clear(): Promise<void> {
    for (const peer of this.#peers.splice(0)) {
      peer.destroy();
    }
    for (const server of this.#servers.splice(0)) {
      await server[Symbol.asyncDispose]();
    }
  }

  async #acceptedCount(): Promise<number> {
    const counts = await labelledCounts(this.relay, "connections_accepted_total", ["way"]);
    return [...counts.values()].reduce((sum, count) => sum + count, 0);
  }

  async #links(): Promise<Map<string, number>> {
    return labelledCounts(this.relay, "links_total", ["code", "way"]);
  }
}

/** A counter's values, by its labels' values joined with spaces. */
export async function labelledCounts(
  relay: RelayFixture,
  name: string,
  labels: readonly string[],
): Promise<Map<string, number>> {
  const metric = relay.plane.metrics.registry.getSingleMetric(`kerbside_relay_${name}`);
  const { values } = (await metric?.get()) ?? { values: [] };
  return new Map(
    values.map((one) => {
      const given = one.labels as Readonly<Record<string, string>>;
      return [labels.map((label) => given[label]).join(" "), one.value];
    }),
  );
}

/** Bytes go through a session's main channel both ways. */
export async function expectAlive({ main }: Pick<Session, "main">): Promise<void> {
  const pong = encodeMessage(3, Buffer.alloc(12, 9));
  main.client.send(pong);
  expect(await main.served.peer.read(pong.length)).toEqual(pong);
  const ping = encodeMessage(4, Buffer.alloc(12, 8));
  main.served.peer.send(ping);
  expect(await main.client.read(ping.length)).toEqual(ping);
}

/** Writes the message again and again until nothing is taken any more; gives what was taken, in bytes. */
export async function pourUntilStill(stream: Duplex, message: Uint8Array): Promise<number> {
  let taken = 0;
  const pour = (): void => {
    while (taken < 2 * UNDER_WAY_BYTES_MAX && !stream.destroyed) {
      taken += message.length;
      if (!stream.write(message)) {
        stream.once("drain", pour);
        return;
      }
    }
  };
  pour();
  let last = -1;
  let stillFor = 0;
  return eventually(
    "the flow's standstill",
    () => {
      stillFor = taken === last ? stillFor + 1 : 0;
      last = taken;
      return stillFor >= STILL_LOOKS ? taken : null;
    },
    { intervalMs: 10 },
  );
}

/** Linux grows a loopback socket's buffers to 6 MiB each; there are four, and the relay's own. */
export const UNDER_WAY_BYTES_MAX = 48 * 1024 * 1024;
/** Looks that must find no change. */
const STILL_LOOKS = 20;

let identity: Promise<TestIdentity> | null = null;

/** One for a test file: it takes longer to make than everything else here. */
export async function sharedIdentity(): Promise<TestIdentity> {
  identity ??= makeIdentity();
  return identity;
}
