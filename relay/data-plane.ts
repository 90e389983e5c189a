/**
 * The data plane as one thing: listener, links, sessions, telemetry. It needs the control plane for
 * nothing but the ports passed in, and goes on carrying what it carries without it.
 */
import type { RandomBytes } from "#shared/base/ids.ts";
import { carryConnection, type LinkDependencies } from "./handshake/link-channel.ts";
import { KeyPool } from "./handshake/key-pool.ts";
import { type DataPlaneLimits, withLimits } from "./limits.ts";
import type { ClientConnection } from "./listen/client-connection.ts";
import { startTlsListener, type TlsIdentity, type TlsListener } from "./listen/tls-listener.ts";
import type { TrafficTotals } from "./pump/run-channel.ts";
import type { KeyRing } from "./sessions/key-ring.ts";
import type { CommandHandler, EventSink, GrantLookup } from "./sessions/ports.ts";
import { Registry } from "./sessions/registry.ts";
import { type HealthServer, startHealthServer } from "./telemetry/health-server.ts";
import { type Log, LOG_LINES } from "./telemetry/log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { createObserver } from "./telemetry/observer.ts";

export interface DataPlaneOptions {
  readonly tls: TlsIdentity;
  /** Port 0 takes any free port. */
  readonly listen: { readonly host: string; readonly port: number };
  /** On loopback; 0 takes any free port, null serves neither metrics nor health. */
  readonly healthPort: number | null;
  readonly events: EventSink;
  readonly lookup: GrantLookup;
  readonly keyRing: KeyRing;
  /** Whether the control link is up, for `/healthz`. */
  readonly isLinked: () => boolean;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly randomBytes: RandomBytes;
  readonly limits?: Partial<DataPlaneLimits>;
}

export interface DataPlane {
  /** Where SPICE clients are served. */
  readonly address: { readonly host: string; readonly port: number };
  readonly healthPort: number | null;
  /** Carries out what the control plane pushes. */
  readonly commands: CommandHandler;
  readonly metrics: Metrics;
  /** The ids of the sessions that live here now. */
  snapshot(): string[];
  counts(): { readonly sessions: number; readonly channels: number; readonly connections: number };
  /** Ends a session's channels at once; an unknown id is a no-op. */
  terminate(sessionId: string, reason: string): void;
  /** Uses another certificate for the TLS handshakes to come; throws when it does not fit. */
  replaceIdentity(tls: TlsIdentity): void;
  /**
   * Accepts no more, ends every session with `relay-stopped`, waits for the sockets to close until
   * the deadline, then destroys what is left. Idempotent.
   */
  stop(deadlineMs: number): Promise<void>;
}

/** Starts to serve; rejects when a port cannot be bound or the certificate does not fit. */
export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const limits = withLimits(options.limits);
  const { nowMs, log } = options;
  const traffic: TrafficTotals = { clientBytes: 0, serverBytes: 0 };
  const stopping = new AbortController();
  const parts: { listener?: TlsListener } = {};
  const metrics: Metrics = createMetrics({
    connections: () => parts.listener?.connectionCount ?? 0,
    counts: () => registry.counts(),
    traffic,
  });
  const observer = createObserver(log, metrics);
  const registry = new Registry({ ...options, observer, limits });
  const keyPool = new KeyPool({ limits, nowMs });
  const dependencies: LinkDependencies = {
    keyPool,
    admissions: registry,
    observer,
    limits,
    traffic,
    nowMs,
    stopping: stopping.signal,
  };
  const health = await openHealth(options, { registry, metrics, stopping: stopping.signal });
  try {
    parts.listener = await startTlsListener({
      tls: options.tls,
      listen: options.listen,
      limits,
      onConnection: (connection) => {
        metrics.connectionsAccepted.inc();
        void carry(connection, dependencies, { metrics, log });
      },
      onRefused: (code, detail) => {
        metrics.links.inc({ code });
        log.debug({ outcome: code, detail }, LOG_LINES.connectionRefused);
      },
    });
  } catch (error) {
    health?.close();
    keyPool.stop();
    throw error;
  }
  const running = { listener: parts.listener, registry, keyPool, health, stopping, log, metrics };
  return makeDataPlane(running);
}

interface Running {
  readonly listener: TlsListener;
  readonly registry: Registry;
  readonly keyPool: KeyPool;
  readonly health: HealthServer | null;
  readonly stopping: AbortController;
  readonly log: Log;
  readonly metrics: Metrics;
}

function makeDataPlane(running: Running): DataPlane {
  const { listener, registry, health, log, metrics } = running;
  const { address } = listener;
  const healthPort = health?.port ?? null;
  const sweeper = setInterval(() => {
    registry.sweep();
  }, SWEEP_INTERVAL_MS);
  sweeper.unref();
  let stopped: Promise<void> | null = null;
  log.info({ ...address, healthPort }, LOG_LINES.relayListening);
  return {
    address,
    healthPort,
    commands: registry,
    metrics,
    snapshot: () => registry.snapshot(),
    counts: () => ({ ...registry.counts(), connections: listener.connectionCount }),
    terminate: (sessionId, reason) => {
      registry.terminate(sessionId, reason);
    },
    replaceIdentity: (tls) => {
      listener.replaceIdentity(tls);
    },
    stop: (deadlineMs) => {
      clearInterval(sweeper);
      stopped ??= stop(running, deadlineMs);
      return stopped;
    },
  };
}

async function stop(running: Running, deadlineMs: number): Promise<void> {
  const { listener, registry, keyPool, health, stopping, log } = running;
  listener.close();
  stopping.abort();
  const deadline = Promise.withResolvers<void>();
  const timer = setTimeout(deadline.resolve, deadlineMs);
  const drained = registry.stop().then(() => listener.drained());
  await Promise.race([drained, deadline.promise]);
  clearTimeout(timer);
  const leftCount = listener.connectionCount;
  listener.destroyAll();
  keyPool.stop();
  health?.close();
  log.info({ leftCount }, LOG_LINES.relayStopped);
}

async function carry(
  connection: ClientConnection,
  dependencies: LinkDependencies,
  telemetry: { readonly metrics: Metrics; readonly log: Log },
): Promise<void> {
  try {
    await carryConnection(connection, dependencies);
  } catch (error) {
    // A bug of ours ended this connection; the others must not pay for it.
    telemetry.metrics.faults.inc();
    telemetry.log.error({ err: error }, LOG_LINES.relayFault);
  }
}

async function openHealth(
  options: DataPlaneOptions,
  parts: {
    readonly registry: Registry;
    readonly metrics: Metrics;
    readonly stopping: AbortSignal;
  },
): Promise<HealthServer | null> {
  if (options.healthPort === null) {
    return null;
  }
  return startHealthServer({
    port: options.healthPort,
    registry: parts.metrics.registry,
    health: () => {
      const { sessions, channels } = parts.registry.counts();
      const status = parts.stopping.aborted ? "stopping" : "serving";
      return { status, linked: options.isLinked(), sessions, channels };
    },
  });
}

/** Expired grants are kept this much longer than needed at most. */
const SWEEP_INTERVAL_MS = 60_000;
