/**
 * `npm run bench -- relay`: the relay beside HAProxy, in turns, on the same core, with the same
 * certificate, source and sink; and the relay's own latency, connection time and memory. The method
 * is told in docs/performance/relay.md. Everything is on loopback and ends with this process.
 */
import { parseArgs } from "node:util";
import { makeIdentity, type TestIdentity } from "../../harness/relay/test-identity.ts";
import { BenchProcess } from "./bench-process.ts";
import type { ClientQuestion, Route } from "./client-process.ts";
import { isPinning } from "./cores.ts";
import { hasHaproxy, type RunningHaproxy, startHaproxy } from "./haproxy.ts";
import { readCpuS, readResidentKb } from "./process-usage.ts";
import type { RelayQuestion } from "./relay-process.ts";
import { printRelayReport, type RelayFigures, type Spread } from "./relay-report.ts";
import { median, percentile, rounded } from "./statistics.ts";

/** Measures everything and prints it; `--json` prints one object. */
export async function runRelayBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string", default: "7" },
      gigabytes: { type: "string", default: "2" },
      channels: { type: "string", default: "100,1000,5000" },
    },
  });
  await using rig = await Rig.start();
  const throughput = await measureThroughput(rig, {
    rounds: Number(values.rounds),
    byteCount: Number(values.gigabytes) * 1e9,
  });
  const connectMs = await measureConnect(rig);
  const addedLatencyMs = await measureLatency(rig);
  const counts = values.channels.split(",").filter((text) => text !== "");
  const idleChannelKb = await measureIdle(counts.map(Number));
  const figures: RelayFigures = {
    ...throughput,
    addedLatencyMs,
    connectMs,
    idleChannelKb,
    method: { rounds: Number(values.rounds), pinned: isPinning(), haproxy: rig.haproxy !== null },
  };
  if (values.json) {
    console.log(JSON.stringify(figures));
  } else {
    printRelayReport(figures);
  }
}

/** The processes of one run. Close it with `await using`. */
class Rig implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly identity: TestIdentity;
  readonly relay: BenchProcess;
  readonly client: BenchProcess;
  readonly serverPort: number;
  readonly relayPort: number;
  readonly haproxy: RunningHaproxy | null;

  private constructor(parts: {
    readonly stack: AsyncDisposableStack;
    readonly identity: TestIdentity;
    readonly relay: BenchProcess;
    readonly client: BenchProcess;
    readonly serverPort: number;
    readonly relayPort: number;
    readonly haproxy: RunningHaproxy | null;
  }) {
    this.#stack = parts.stack;
    this.identity = parts.identity;
    this.relay = parts.relay;
    this.client = parts.client;
    this.serverPort = parts.serverPort;
    this.relayPort = parts.relayPort;
    this.haproxy = parts.haproxy;
  }

  static async start(): Promise<Rig> {
    await using stack = new AsyncDisposableStack();
    const identity = await makeIdentity();
    const server = stack.use(BenchProcess.start("./server-process.ts", "load"));
    const client = stack.use(BenchProcess.start("./client-process.ts", "load"));
    const relay = stack.use(BenchProcess.start("./relay-process.ts", "proxy"));
    const serverPort = await server.ask<number>({});
    const { cert, key } = identity;
    const start: RelayQuestion = { kind: "start", cert, key };
    const relayPort = await relay.ask<number>(start);
    const haproxy = hasHaproxy() ? await startHaproxy({ cert, key, serverPort }) : null;
    if (haproxy === null) {
      console.error("haproxy is not installed (Debian: apt-get install haproxy): no ratios");
    } else {
      stack.use(haproxy);
    }
    const parts = { identity, relay, client, serverPort, relayPort, haproxy };
    return new Rig({ ...parts, stack: stack.move() });
  }

  /** A second process for load, beside the one that measures. */
  startClient(): BenchProcess {
    return this.#stack.use(BenchProcess.start("./client-process.ts", "load"));
  }

  /** The way through the relay, with a new session's ticket. */
  async throughRelay(): Promise<Route> {
    const question: RelayQuestion = { kind: "ticket", serverPort: this.serverPort };
    const password = await this.relay.ask<string>(question);
    return { port: this.relayPort, ca: this.identity.ca, password };
  }

  /** The way through HAProxy, or null without it. */
  get throughHaproxy(): Route | null {
    const { haproxy, identity } = this;
    return haproxy === null ? null : { port: haproxy.port, ca: identity.ca, password: PASSWORD };
  }

  get direct(): Route {
    return { port: this.serverPort, ca: null, password: PASSWORD };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function ask<Answer>(client: BenchProcess, question: ClientQuestion): Promise<Answer> {
  return client.ask<Answer>(question);
}

interface Round {
  readonly cpuPerGb: number;
  readonly gigabytesPerS: number;
}

async function measureThroughput(
  rig: Rig,
  options: { readonly rounds: number; readonly byteCount: number },
): Promise<Pick<RelayFigures, "cpuPerGb" | "throughput">> {
  const relay: Round[] = [];
  const haproxy: Round[] = [];
  for (let round = -1; round < options.rounds; round += 1) {
    const pair = [await rig.throughRelay(), rig.throughHaproxy] as const;
    const relayed = await measureRound(rig, rig.relay.pid, pair[0], options.byteCount);
    // The first round warms up caches, the compiler and the kernel's buffer sizes.
    if (round >= 0) {
      relay.push(relayed);
    }
    if (pair[1] !== null && rig.haproxy !== null) {
      const proxied = await measureRound(rig, rig.haproxy.pid, pair[1], options.byteCount);
      if (round >= 0) {
        haproxy.push(proxied);
      }
    }
  }
  const compare = (pick: (round: Round) => number): Spread => {
    const [ours, theirs] = [median(relay.map(pick)), median(haproxy.map(pick))];
    const each = relay.map((round, index) => pick(round) / pickOf(haproxy[index], pick));
    return {
      relay: rounded(ours, 3),
      haproxy: haproxy.length === 0 ? null : rounded(theirs, 3),
      ratio: haproxy.length === 0 ? null : rounded(ours / theirs, 3),
      ratioMin: haproxy.length === 0 ? null : rounded(Math.min(...each), 3),
      ratioMax: haproxy.length === 0 ? null : rounded(Math.max(...each), 3),
    };
  };
  return {
    cpuPerGb: compare((round) => round.cpuPerGb),
    throughput: compare((round) => round.gigabytesPerS),
  };
}

function pickOf(round: Round | undefined, pick: (round: Round) => number): number {
  return round === undefined ? Number.NaN : pick(round);
}

async function measureRound(
  rig: Rig,
  pid: number,
  route: Route,
  byteCount: number,
): Promise<Round> {
  const before = await readCpuS(pid);
  const elapsedMs = await ask<number>(rig.client, { kind: "bulk", route, byteCount });
  const cpuS = (await readCpuS(pid)) - before;
  return { cpuPerGb: cpuS / (byteCount / 1e9), gigabytesPerS: byteCount / 1e6 / elapsedMs };
}

async function measureConnect(rig: Rig): Promise<RelayFigures["connectMs"]> {
  const taken = { direct: [] as number[], relay: [] as number[], haproxy: [] as number[] };
  for (let count = -CONNECT_WARM_UP_COUNT; count < CONNECT_COUNT; count += 1) {
    const routes = {
      direct: rig.direct,
      relay: await rig.throughRelay(),
      haproxy: rig.throughHaproxy,
    };
    for (const name of ["direct", "relay", "haproxy"] as const) {
      const route = routes[name];
      if (route !== null) {
        const elapsedMs = await ask<number>(rig.client, { kind: "connect", route });
        taken[name].push(...(count < 0 ? [] : [elapsedMs]));
      }
    }
  }
  return {
    direct: rounded(median(taken.direct), 2),
    relay: rounded(median(taken.relay), 2),
    haproxy: taken.haproxy.length === 0 ? null : rounded(median(taken.haproxy), 2),
  };
}

async function measureLatency(rig: Rig): Promise<RelayFigures["addedLatencyMs"]> {
  const light = await measureExchanges(rig);
  const other = rig.startClient();
  const route = await rig.throughRelay();
  await ask(other, { kind: "flow", route, bytesPerMs: HEAVY_BYTES_PER_MS });
  const heavy = await measureExchanges(rig);
  await ask(other, { kind: "stop" });
  return { p50: light.p50, p99: light.p99, light, heavy };
}

async function measureExchanges(rig: Rig): Promise<RelayFigures["addedLatencyMs"]["light"]> {
  const proxied = rig.throughHaproxy;
  const routes = [rig.direct, await rig.throughRelay(), ...(proxied === null ? [] : [proxied])];
  const question: ClientQuestion = { kind: "exchange", routes, count: EXCHANGE_COUNT };
  const [direct = [], relay = [], haproxy = []] = await ask<number[][]>(rig.client, question);
  const added = (series: readonly number[], share: number): number =>
    rounded(percentile(series, share) - percentile(direct, share), 3);
  return {
    p50: added(relay, 0.5),
    p99: added(relay, 0.99),
    direct: { p50: rounded(median(direct), 3), p99: rounded(percentile(direct, 0.99), 3) },
    haproxy: haproxy.length === 0 ? null : { p50: added(haproxy, 0.5), p99: added(haproxy, 0.99) },
  };
}

/** A relay of its own, because memory that was once used is not always given back. */
async function measureIdle(counts: readonly number[]): Promise<RelayFigures["idleChannelKb"]> {
  await using rig = await Rig.start();
  const warm = await Promise.all(
    Array.from({ length: WARM_UP_SESSIONS }, () => rig.throughRelay()),
  );
  for (const route of warm) {
    await ask(rig.client, { kind: "hold", route, channelCount: SESSION_CHANNELS });
  }
  await ask(rig.client, { kind: "stop" });
  const emptyKb = await readSettledKb(rig.relay.pid);
  const figures: Record<string, number> = {};
  let held = 0;
  for (const count of counts) {
    while (held < count) {
      const batch = Math.min(PARALLEL_SESSIONS, Math.ceil((count - held) / SESSION_CHANNELS));
      const routes = await Promise.all(Array.from({ length: batch }, () => rig.throughRelay()));
      await Promise.all(
        routes.map(async (route, index) => {
          const left = count - held - index * SESSION_CHANNELS;
          const channelCount = Math.min(SESSION_CHANNELS, left);
          await ask(rig.client, { kind: "hold", route, channelCount });
        }),
      );
      held += Math.min(batch * SESSION_CHANNELS, count - held);
    }
    const residentKb = await readSettledKb(rig.relay.pid);
    figures[String(count)] = rounded((residentKb - emptyKb) / count, 1);
  }
  return figures;
}

/** After the collector's own idle work, which comes some seconds after the last allocation. */
async function readSettledKb(pid: number): Promise<number> {
  await new Promise((resolve) => {
    setTimeout(resolve, SETTLE_MS);
  });
  return readResidentKb(pid);
}

/** What the fake hypervisor wants. */
const PASSWORD = "sekret";
const CONNECT_WARM_UP_COUNT = 20;
const CONNECT_COUNT = 100;
const EXCHANGE_COUNT = 20_000;
/** 1.6 Gbit/s: a display that redraws as fast as a gigabit link and a half could carry it. */
const HEAVY_BYTES_PER_MS = 200_000;
const WARM_UP_SESSIONS = 10;
const SESSION_CHANNELS = 10;
const PARALLEL_SESSIONS = 8;
const SETTLE_MS = 10_000;
