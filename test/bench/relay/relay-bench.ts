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
import { readCpuS, readResidentBytes } from "./process-usage.ts";
import type { RelayQuestion } from "./relay-process.ts";
import {
  type AddedLatency,
  printRelayReport,
  type ProcessParts,
  type RelayFigures,
  type Spread,
} from "./relay-report.ts";
import { median, percentile, rounded } from "./statistics.ts";

/** Measures everything, or one part of it, and prints it; `--json` prints one object. */
export async function runRelayBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string", default: "7" },
      gigabytes: { type: "string", default: "2" },
      channels: { type: "string", default: "100,1000,5000" },
      only: { type: "string" },
      group: { type: "string" },
    },
  });
  const { only } = values;
  if (only !== undefined && !isPart(only)) {
    throw new Error(`--only takes one of: ${PARTS.join(", ")}`);
  }
  const rounds = Number(values.rounds);
  const wants = (part: Part): boolean => only === undefined || only === part;
  const counts = values.channels.split(",").filter((text) => text !== "");
  const figures: RelayFigures = {
    ...(await measureSpeed(wants, { rounds, byteCount: Number(values.gigabytes) * 1e9 })),
    ...(wants("memory") ? await measureIdle(counts.map(Number), values.group) : {}),
    method: { rounds, pinned: isPinning(), haproxy: hasHaproxy() },
  };
  if (values.json) {
    console.log(JSON.stringify(figures));
  } else {
    printRelayReport(figures);
  }
}

const PARTS = ["throughput", "connect", "latency", "memory"] as const;
type Part = (typeof PARTS)[number];

function isPart(name: string): name is Part {
  return (PARTS as readonly string[]).includes(name);
}

/** What is measured beside HAProxy, all of it with the same relay. */
async function measureSpeed(
  wants: (part: Part) => boolean,
  throughput: { readonly rounds: number; readonly byteCount: number },
): Promise<Partial<RelayFigures>> {
  if (!wants("throughput") && !wants("connect") && !wants("latency")) {
    return {};
  }
  await using rig = await Rig.start({ withHaproxy: true });
  return {
    ...(wants("throughput") ? await measureThroughput(rig, throughput) : {}),
    ...(wants("connect") ? { connectMs: await measureConnect(rig) } : {}),
    ...(wants("latency") ? { addedLatencyMs: await measureLatency(rig) } : {}),
  };
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

  static async start(options: { readonly withHaproxy: boolean }): Promise<Rig> {
    await using stack = new AsyncDisposableStack();
    const identity = await makeIdentity();
    const server = stack.use(BenchProcess.start("./server-process.ts", "load"));
    const client = stack.use(BenchProcess.start("./client-process.ts", "load"));
    const relay = stack.use(BenchProcess.start("./relay-process.ts", "proxy"));
    const serverPort = await server.ask<number>({});
    const { cert, key } = identity;
    const start: RelayQuestion = { kind: "start", cert, key };
    const relayPort = await relay.ask<number>(start);
    let haproxy: RunningHaproxy | null = null;
    if (options.withHaproxy && hasHaproxy()) {
      haproxy = stack.use(await startHaproxy({ cert, key, serverPort }));
    } else if (options.withHaproxy) {
      console.error("haproxy is not installed (Debian: apt-get install haproxy): no ratios");
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
): Promise<Required<Pick<RelayFigures, "cpuPerGb" | "throughput">>> {
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

async function measureConnect(rig: Rig): Promise<NonNullable<RelayFigures["connectMs"]>> {
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

async function measureLatency(rig: Rig): Promise<NonNullable<RelayFigures["addedLatencyMs"]>> {
  const light = await measureExchanges(rig);
  const other = rig.startClient();
  const route = await rig.throughRelay();
  await ask(other, { kind: "flow", route, bytesPerMs: HEAVY_BYTES_PER_MS });
  const heavy = await measureExchanges(rig);
  await ask(other, { kind: "stop" });
  return { p50: light.p50, p99: light.p99, light, heavy };
}

async function measureExchanges(rig: Rig): Promise<AddedLatency> {
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

/**
 * A relay of its own, because memory that was once used is not always given back.
 * @param group the TLS group that clients ask for
 */
async function measureIdle(
  counts: readonly number[],
  group?: string,
): Promise<Required<Pick<RelayFigures, "idleChannelKb" | "idleChannelParts">>> {
  await using rig = await Rig.start({ withHaproxy: false });
  const makeRoute = async (): Promise<Route> => {
    const route = await rig.throughRelay();
    return group === undefined ? route : { ...route, group };
  };
  const warm = await Promise.all(Array.from({ length: WARM_UP_SESSIONS }, makeRoute));
  for (const route of warm) {
    await ask(rig.client, { kind: "hold", route, channelCount: SESSION_CHANNELS });
  }
  await ask(rig.client, { kind: "stop" });
  const empty = await readSettledBytes(rig.relay.pid);
  const kb: Record<string, number> = {};
  const parts: Record<string, ProcessParts> = {};
  let held = 0;
  for (const count of counts) {
    await holdMore(rig, makeRoute, { held, count });
    held = count;
    const resident = await readSettledBytes(rig.relay.pid);
    const perChannel = (part: keyof ProcessParts): number =>
      (resident[part] - empty[part]) / count / BYTES_PER_KB;
    const [control, workers] = [perChannel("control"), perChannel("workers")];
    kb[String(count)] = rounded(control + workers, 1);
    parts[String(count)] = { control: rounded(control, 1), workers: rounded(workers, 1) };
  }
  return { idleChannelKb: kb, idleChannelParts: parts };
}

/** Opens sessions until as many channels are held, some sessions at once. */
async function holdMore(
  rig: Rig,
  makeRoute: () => Promise<Route>,
  { held: before, count }: { readonly held: number; readonly count: number },
): Promise<void> {
  let held = before;
  while (held < count) {
    const batch = Math.min(PARALLEL_SESSIONS, Math.ceil((count - held) / SESSION_CHANNELS));
    const routes = await Promise.all(Array.from({ length: batch }, makeRoute));
    await Promise.all(
      routes.map(async (route, index) => {
        const left = count - held - index * SESSION_CHANNELS;
        const channelCount = Math.min(SESSION_CHANNELS, left);
        await ask(rig.client, { kind: "hold", route, channelCount });
      }),
    );
    held += Math.min(batch * SESSION_CHANNELS, count - held);
  }
}

/** After the collector's own idle work, which comes some seconds after the last allocation. */
async function readSettledBytes(pid: number): Promise<ProcessParts> {
  await new Promise((resolve) => {
    setTimeout(resolve, SETTLE_MS);
  });
  const [control = Number.NaN, ...workers] = await readResidentBytes(pid);
  return { control, workers: workers.reduce((total, bytes) => total + bytes, 0) };
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
/** The target is in these, not in KiB. */
const BYTES_PER_KB = 1_000;
