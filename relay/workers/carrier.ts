/**
 * What carries connections, put together: the ways in, the links and the pumps, over any Admissions.
 * A worker process has one; without worker processes the control process has it. It knows no port,
 * no key of the relay and no session but through the Admissions it is given.
 */
import type { Socket } from "node:net";
import { carryConnection, type LinkDependencies } from "../handshake/link-channel.ts";
import { KeyPool } from "../handshake/key-pool.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { ClientConnection } from "../listen/client-connection.ts";
import type { Origin } from "../listen/arrival.ts";
import { ClientPorts, type PortKind } from "../listen/client-ports.ts";
import { makeServerContext, type TlsIdentity } from "../listen/tls-settings.ts";
import type { TrafficTotals } from "../pump/run-channel.ts";
import { StallWatch } from "../pump/stall-watch.ts";
import type { Admissions } from "../sessions/ports.ts";
import { type CarrierMetrics, countHeldRefusals } from "../telemetry/carrier-metrics.ts";
import { LineBudget } from "../telemetry/line-budget.ts";
import { createLinkObserver } from "../telemetry/link-observer.ts";
import { type LineLog, LOG_LINES } from "../telemetry/log.ts";

export interface CarrierOptions {
  readonly tls: TlsIdentity;
  readonly limits: DataPlaneLimits;
  readonly webOrigins: readonly string[];
  readonly admissions: Admissions;
  readonly metrics: CarrierMetrics;
  readonly traffic: TrafficTotals;
  readonly log: LineLog;
  readonly nowMs: () => number;
  /** Both legs of a connection are linked. */
  readonly onLinked: (ref: string) => void;
  /** A connection is closed; called once for each that was taken. */
  readonly onClosed: (ref: string) => void;
}

/** Carries the connections that it is given until it is stopped. */
export class Carrier {
  readonly #options: CarrierOptions;
  readonly #ports: ClientPorts;
  readonly #keyPool: KeyPool;
  readonly #stopping = new AbortController();
  readonly #dependencies: LinkDependencies;
  #webOrigins: readonly string[];

  /** @throws when the certificate does not fit its key */
  constructor(options: CarrierOptions) {
    const { limits, nowMs, metrics, log, traffic, webOrigins } = options;
    this.#options = options;
    this.#webOrigins = webOrigins;
    const admissions = countHeldRefusals(options.admissions, metrics);
    // Before anything is started that would have to be stopped again.
    makeServerContext(options.tls);
    this.#keyPool = new KeyPool({ limits, nowMs });
    const observer = createLinkObserver({ log, metrics, onLinked: options.onLinked });
    const stopping = this.#stopping.signal;
    const keyPool = this.#keyPool;
    const foreignOrigins = new LineBudget(FOREIGN_ORIGINS_PER_MINUTE, nowMs);
    const stalls = new StallWatch({ stallMsMax: limits.stallMsMax, nowMs });
    const carried = { limits, stalls, traffic, nowMs };
    this.#dependencies = { keyPool, admissions, observer, stopping, ...carried };
    this.#ports = new ClientPorts({
      tls: options.tls,
      admissions,
      limits,
      webOrigins: () => this.#webOrigins,
      onConnection: (connection) => {
        metrics.connectionsAccepted.inc({ way: connection.way });
        this.#carry(connection);
      },
      onRefused: (_ref, code, detail) => {
        metrics.links.inc({ code, way: "none" });
        // A console's page that is not allowed here looks like a dead relay to its users.
        const isTold = code === "link.origin-refused" && foreignOrigins.spend();
        log[isTold ? "info" : "debug"]({ outcome: code, detail }, LOG_LINES.connectionRefused);
      },
    });
  }

  /** Takes a connection that was accepted, and owns its socket from then on. */
  take(kind: PortKind, socket: Socket, about: Origin): void {
    socket.on("close", () => {
      this.#options.onClosed(about.ref);
    });
    this.#ports.take(kind, socket, about);
  }

  /** Uses another certificate for the handshakes to come; throws when it does not fit its key. */
  replaceIdentity(tls: TlsIdentity): void {
    this.#ports.replaceIdentity(tls);
  }

  /** Origins whose pages may open web consoles from now on. */
  setWebOrigins(origins: readonly string[]): void {
    this.#webOrigins = origins;
  }

  /** Ends what is not admitted yet. Admitted channels go on until their sessions end. */
  stop(): void {
    this.#ports.close();
    this.#stopping.abort();
  }

  /** Ends everything now. */
  destroy(): void {
    this.stop();
    this.#ports.destroyAll();
    this.#keyPool.stop();
  }

  /** Awaits nothing: the frame would hold the connection's clue, which may be a ticket. */
  #carry(connection: ClientConnection): void {
    carryConnection(connection, this.#dependencies).catch((error: unknown) => {
      // A bug of ours ended this connection; the others must not pay for it.
      this.#options.metrics.faults.inc();
      this.#options.log.error({ err: error }, LOG_LINES.relayFault);
    });
  }
}

/** A page tries again every few seconds; more lines would tell nothing new, and anybody may ask. */
const FOREIGN_ORIGINS_PER_MINUTE = 10;
