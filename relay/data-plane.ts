/**
 * The data plane as one thing: ports, gate, workers, sessions, telemetry. It needs the control plane
 * for nothing but the ports (interfaces) passed in, and goes on carrying what it carries without it.
 */
import { availableParallelism } from "node:os";
import type { RandomBytes } from "#shared/base/ids.ts";
import type { Load } from "#shared/control/load.ts";
import { type DataPlaneLimits, withLimits } from "./limits.ts";
import { certificateEndMs, type TlsIdentity } from "./listen/tls-settings.ts";
import type { StartTimer } from "./sessions/deadlines.ts";
import type { KeyRing } from "./sessions/key-ring.ts";
import type { CommandHandler, ControlContact, EventSink, GrantLookup } from "./sessions/ports.ts";
import { Registry } from "./sessions/registry.ts";
import { type Health, type HealthServer, startHealthServer } from "./telemetry/health-server.ts";
import { LoadMeter, ProcessMeter } from "./telemetry/load-meter.ts";
import { type Log, LOG_LINES } from "./telemetry/log.ts";
import { createMetrics, createProcessRegistry, type Metrics } from "./telemetry/metrics.ts";
import { createObserver } from "./telemetry/observer.ts";
import { Acceptor, type Address } from "./workers/acceptor.ts";
import type { Crew, CrewOptions, WorkerStatus } from "./workers/crew.ts";
import { OwnCrew } from "./workers/own-crew.ts";
import { SourceGate } from "./workers/source-gate.ts";
import { WorkerPool } from "./workers/worker-pool.ts";

export interface DataPlaneOptions {
  readonly tls: TlsIdentity;
  /** The TLS port, and the host of all ports. Port 0 takes any free port. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Answers NEED_SECURED; null or absent: no such port. */
  readonly plainPort?: number | null;
  /** Takes HTTP CONNECT; null or absent: no such port. */
  readonly connectPort?: number | null;
  /** On loopback; 0 takes any free port, null serves neither metrics nor health. */
  readonly healthPort: number | null;
  /** Processes that carry connections; 0 or absent: this process carries them itself. */
  readonly workers?: number;
  /** What worker processes get of this process's environment. */
  readonly workerEnvironment?: Readonly<Record<string, string>>;
  /** Origins whose pages may open web consoles, before `setWebOrigins`. */
  readonly webOrigins?: readonly string[];
  readonly events: EventSink;
  readonly lookup: GrantLookup;
  readonly contact: ControlContact;
  readonly keyRing: KeyRing;
  /** Whether the control link is up, for `/healthz`. */
  readonly isLinked: () => boolean;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Milliseconds of a clock that nobody sets, for what lasts; absent: `nowMs`. */
  readonly steadyMs?: () => number;
  /** What sleeps until a session's next deadline, by that clock; absent: Node's own timer. */
  readonly startTimer?: StartTimer;
  readonly randomBytes: RandomBytes;
  readonly limits?: Partial<DataPlaneLimits>;
}

export interface DataPlane {
  /** Where SPICE clients are served over TLS. */
  readonly address: Address;
  readonly plainAddress: Address | null;
  readonly connectAddress: Address | null;
  readonly healthPort: number | null;
  /** Carries out what the control plane pushes. */
  readonly commands: CommandHandler;
  readonly metrics: Metrics;
  readonly status: Health["status"];
  readonly isDraining: boolean;
  /** The ids of the sessions that live here now. */
  snapshot(): string[];
  counts(): { readonly sessions: number; readonly channels: number; readonly connections: number };
  workers(): readonly WorkerStatus[];
  /** How loaded it was since the last look. */
  load(): Load;
  /** How many denials it knows, and how new the newest is. */
  denials(): { readonly count: number; readonly revision: number };
  /** Ends a session's channels at once; an unknown id is a no-op. */
  terminate(sessionId: string, reason: string): void;
  /** Uses another certificate for the TLS handshakes to come; throws when it does not fit. */
  replaceIdentity(tls: TlsIdentity): void;
  /** Replaces the origins whose pages may open web consoles. */
  setWebOrigins(origins: readonly string[]): void;
  /**
   * Takes no new session. Living ones go on until the deadline, then end with `relay-drained`; null:
   * as long as they like. Resolves when none is left, or when `resume` was called.
   */
  drain(deadlineMs: number | null): Promise<void>;
  /** Takes new sessions again. */
  resume(): void;
  /**
   * Accepts no more, ends every session with `relay-stopped`, waits for the sockets to close until
   * the deadline, then destroys what is left. Idempotent.
   */
  stop(deadlineMs: number): Promise<void>;
}

/** Starts to serve; rejects when a port cannot be bound or the certificate does not fit. */
export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const limits = withLimits(options.limits);
  const gate = new SourceGate(limits);
  const parts: { crew?: Crew; health?: HealthServer | null } = {};
  const state: ServingState = { status: "serving" };
  const processRegistry = createProcessRegistry();
  const shown: ShownCertificate = { endsAtMs: certificateEndMs(options.tls) };
  const metrics: Metrics = createMetrics(processRegistry, {
    connections: () => gate.connectionCount,
    certificateEndsAtMs: () => shown.endsAtMs,
    workers: () => parts.crew?.workers().filter(({ isReady }) => isReady).length ?? 0,
    counts: () => registry.counts(),
  });
  const observer = createObserver(options.log, metrics);
  const steadyMs = options.steadyMs ?? options.nowMs;
  const registry = new Registry({ ...options, observer, limits, steadyMs });
  const common = { ...options, limits, gate, metrics, registry, state, shown, steadyMs };
  try {
    parts.crew = await startCrew(common);
    const { crew } = parts;
    parts.health = await openHealth(common, crew);
    const acceptor = await openPorts(common, crew);
    return new RunningDataPlane({ ...common, crew, acceptor, health: parts.health });
  } catch (error) {
    parts.health?.close();
    await parts.crew?.destroy();
    throw error;
  }
}

interface Common extends DataPlaneOptions {
  readonly limits: DataPlaneLimits;
  readonly gate: SourceGate;
  readonly metrics: Metrics;
  readonly registry: Registry;
  readonly state: ServingState;
  readonly shown: ShownCertificate;
  readonly steadyMs: () => number;
}

interface ShownCertificate {
  /** Milliseconds since 1970. */
  endsAtMs: number;
}

interface ServingState {
  status: Health["status"];
}

interface Running extends Common {
  readonly crew: Crew;
  readonly acceptor: Acceptor;
  readonly health: HealthServer | null;
}

class RunningDataPlane implements DataPlane {
  readonly address: Address;
  readonly plainAddress: Address | null;
  readonly connectAddress: Address | null;
  readonly healthPort: number | null;
  readonly commands: CommandHandler;
  readonly metrics: Metrics;
  readonly #running: Running;
  readonly #sweeper: NodeJS.Timeout;
  readonly #processMeter = new ProcessMeter();
  readonly #loadMeter: LoadMeter;
  #stopped: Promise<void> | null = null;

  constructor(running: Running) {
    const { acceptor, registry } = running;
    this.#running = running;
    this.address = acceptor.address("tls") as Address;
    this.plainAddress = acceptor.address("plain");
    this.connectAddress = acceptor.address("connect");
    this.healthPort = running.health?.port ?? null;
    this.commands = registry;
    this.metrics = running.metrics;
    this.#sweeper = setInterval(() => registry.sweep(), SWEEP_INTERVAL_MS);
    this.#sweeper.unref();
    this.#loadMeter = this.#meterLoad();
    const { address, healthPort } = this;
    const plainPort = this.plainAddress?.port ?? null;
    const connectPort = this.connectAddress?.port ?? null;
    const workers = running.crew.workers().length;
    running.log.info(
      { ...address, plainPort, connectPort, healthPort, workers },
      LOG_LINES.relayListening,
    );
  }

  get status(): Health["status"] {
    return this.#running.state.status;
  }

  get isDraining(): boolean {
    return this.#running.registry.isDraining;
  }

  snapshot(): string[] {
    return this.#running.registry.snapshot();
  }

  counts(): ReturnType<DataPlane["counts"]> {
    const { registry, gate } = this.#running;
    return { ...registry.counts(), connections: gate.connectionCount };
  }

  workers(): readonly WorkerStatus[] {
    return this.#running.crew.workers();
  }

  load(): Load {
    return this.#loadMeter.look();
  }

  denials(): ReturnType<DataPlane["denials"]> {
    return this.#running.registry.denials();
  }

  terminate(sessionId: string, reason: string): void {
    this.#running.registry.terminate(sessionId, reason);
  }

  replaceIdentity(tls: TlsIdentity): void {
    this.#running.crew.replaceIdentity(tls);
    this.#running.shown.endsAtMs = certificateEndMs(tls);
  }

  setWebOrigins(origins: readonly string[]): void {
    this.#running.crew.setWebOrigins(origins);
  }

  async drain(deadlineMs: number | null): Promise<void> {
    const { registry, log, state } = this.#running;
    log.info({ deadlineMs, ...registry.counts() }, LOG_LINES.relayDraining);
    if (this.#stopped === null) {
      state.status = "draining";
    }
    await registry.drain(deadlineMs);
    if (this.isDraining) {
      log.info({}, LOG_LINES.relayDrained);
    }
  }

  resume(): void {
    const { registry, log, state } = this.#running;
    if (this.isDraining && this.#stopped === null) {
      registry.resume();
      state.status = "serving";
      log.info({}, LOG_LINES.relayResumed);
    }
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    return this.#stopped;
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { acceptor, crew, registry, gate, health, log, state } = this.#running;
    clearInterval(this.#sweeper);
    this.#processMeter.stop();
    state.status = "stopping";
    acceptor.close();
    crew.stop();
    const deadline = Promise.withResolvers<void>();
    const timer = setTimeout(deadline.resolve, deadlineMs);
    const emptied = registry.stop().then(() => gate.drained());
    await Promise.race([emptied, deadline.promise]);
    clearTimeout(timer);
    const leftCount = gate.connectionCount;
    await crew.destroy();
    health?.close();
    log.info({ leftCount }, LOG_LINES.relayStopped);
  }

  /** Of the control process and the crew together. */
  #meterLoad(): LoadMeter {
    const { crew, registry, steadyMs } = this.#running;
    return new LoadMeter({
      usage: () => {
        const own = this.#processMeter.read();
        const crews = crew.usage();
        return {
          bytes: crews.bytes,
          cpuMicros: own.cpuMicros + crews.cpuMicros,
          loopDelayMs: Math.max(own.loopDelayMs, crews.loopDelayMs),
        };
      },
      counts: () => registry.counts(),
      cpus: availableParallelism(),
      nowMs: steadyMs,
    });
  }
}

async function startCrew(common: Common): Promise<Crew> {
  const { gate, log, metrics, workers = 0, webOrigins, registry } = common;
  const crewOptions: CrewOptions = {
    ...common,
    nowMs: common.steadyMs,
    admissions: registry,
    webOrigins: webOrigins ?? [],
    onLinked: (ref) => gate.linked(ref),
    onClosed: (ref) => gate.leave(ref),
  };
  if (workers === 0) {
    return new OwnCrew(crewOptions, metrics.registry);
  }
  const pool = new WorkerPool({
    ...crewOptions,
    workerCount: workers,
    environment: common.workerEnvironment ?? {},
    logLevel: log.level,
    onWorkerLost: (cause) => metrics.workersLost.inc({ cause }),
    onFault: (error) => log.error({ err: error }, LOG_LINES.relayFault),
  });
  await pool.start();
  return pool;
}

function openPorts(common: Common, crew: Crew): Promise<Acceptor> {
  const { gate, limits, listen, log, metrics, workers = 0 } = common;
  return Acceptor.listen({
    host: listen.host,
    ports: {
      tls: listen.port,
      plain: common.plainPort ?? null,
      connect: common.connectPort ?? null,
    },
    limits,
    isHandingOver: workers > 0,
    gate,
    take: (kind, socket, about) => crew.take(kind, socket, about),
    onRefused: (code, clientAddress) => {
      metrics.gateRefusals.inc({ code });
      // At debug: strangers must not be able to fill the log.
      log.debug({ outcome: code, clientAddress }, LOG_LINES.connectionRefused);
    },
    onError: (error) => log.warn({ detail: error.message }, LOG_LINES.acceptFailed),
  });
}

async function openHealth(common: Common, crew: Crew): Promise<HealthServer | null> {
  const { healthPort, registry, metrics, isLinked, state } = common;
  if (healthPort === null) {
    return null;
  }
  return startHealthServer({
    port: healthPort,
    metrics: () => crew.metricsText(() => metrics.registry.getMetricsAsJSON()),
    health: () => {
      const { sessions, channels } = registry.counts();
      return { status: state.status, linked: isLinked(), sessions, channels };
    },
  });
}

/** Expired grants are kept this much longer than needed at most. */
const SWEEP_INTERVAL_MS = 60_000;
