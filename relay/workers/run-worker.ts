/**
 * A worker process: carries the connections that its control process hands it. It has the TLS
 * identity, the limits and the web origins, and asks for everything else. Signals are its control
 * process's matter; it ends when that is gone, told or not, and at once when it fails.
 */
import type { Socket } from "node:net";
import type { TrafficTotals } from "../pump/run-channel.ts";
import { createCarrierMetrics } from "../telemetry/carrier-metrics.ts";
import { ProcessMeter } from "../telemetry/load-meter.ts";
import type { LineLog } from "../telemetry/log.ts";
import { createProcessRegistry } from "../telemetry/metrics.ts";
import { Carrier } from "./carrier.ts";
import type { ControlMessage, WorkerConfiguration, WorkerMessage } from "./messages.ts";
import { RemoteAdmissions } from "./remote-admissions.ts";

/** Runs until the control process is gone; the process must have an IPC channel. */
export function runWorker(): void {
  // A terminal and a supervisor signal the whole group; the control process decides what it means.
  process.on("SIGINT", ignoreSignal);
  process.on("SIGTERM", ignoreSignal);
  process.on("disconnect", () => process.exit(0));
  process.on("uncaughtException", (error) => {
    process.stderr.write(`A worker of the relay failed: ${error.stack ?? error.message}\n`);
    process.exit(EXIT_FAILED);
  });
  const worker = new Worker();
  process.on("message", (message, handle) => {
    // The control process made this one: it is trusted.
    worker.receive(message as ControlMessage, handle as Socket | undefined);
  });
}

class Worker {
  readonly #registry = createProcessRegistry();
  #carrier: Carrier | null = null;
  #admissions: RemoteAdmissions | null = null;

  receive(message: ControlMessage, socket: Socket | undefined): void {
    switch (message.type) {
      case "configure":
        this.#configure(message.configuration);
        break;
      case "connection":
        this.#take(message, socket);
        break;
      case "foreseen":
      case "admitted":
      case "refused":
        this.#admissions?.answered(message);
        break;
      case "end-channel":
        this.#admissions?.endChannel(message.channelRef, message.end);
        break;
      case "replace-identity":
        this.#carrier?.replaceIdentity(message.tls);
        break;
      case "web-origins":
        this.#carrier?.setWebOrigins(message.origins);
        break;
      case "collect-metrics":
        void this.#tellMetrics(message.requestId);
        break;
      case "stop":
        this.#carrier?.stop();
        break;
    }
  }

  #configure(configuration: WorkerConfiguration): void {
    const { limits, tls, webOrigins, logLevel } = configuration;
    const traffic: TrafficTotals = { clientBytes: 0, serverBytes: 0 };
    const admissions = new RemoteAdmissions({ send: tell, deadlineMs: limits.admissionDeadlineMs });
    this.#admissions = admissions;
    this.#carrier = new Carrier({
      tls,
      limits,
      webOrigins,
      admissions,
      metrics: createCarrierMetrics(this.#registry, traffic),
      traffic,
      log: makeLog(logLevel),
      // Why not the time of day: a clock that is set would stop the rates of the firewall.
      nowMs: () => performance.now(),
      onLinked: (ref) => tell({ type: "linked", ref }),
      onClosed: (ref) => tell({ type: "closed", ref }),
    });
    const meter = new ProcessMeter();
    setInterval(() => {
      const bytes = traffic.clientBytes + traffic.serverBytes;
      tell({ type: "heartbeat", usage: { bytes, ...meter.read() } });
      admissions.tellTouched();
    }, limits.workerBeatIntervalMs);
    tell({ type: "ready" });
  }

  #take(message: Extract<ControlMessage, { type: "connection" }>, socket?: Socket): void {
    const { kind, ref, clientAddress } = message;
    if (socket === undefined || this.#carrier === null) {
      // It closed on its way here.
      tell({ type: "closed", ref });
      return;
    }
    // What a process passes on loses these; the ways in rely on a half-open end.
    socket.allowHalfOpen = true;
    this.#carrier.take(kind, socket, { ref, clientAddress });
  }

  async #tellMetrics(requestId: number): Promise<void> {
    const metrics = await this.#registry.getMetricsAsJSON();
    const facts = metrics as unknown as Extract<WorkerMessage, { type: "metrics" }>["metrics"];
    tell({ type: "metrics", requestId, metrics: facts });
  }
}

/** The control process may have just gone; `disconnect` follows then. */
function tell(message: WorkerMessage): void {
  process.send?.(message, undefined, {}, ignoreSendError);
}

/** Lines go to the control process, which writes the relay's one log. */
function makeLog(logLevel: string): LineLog {
  const from = LEVELS.indexOf(logLevel as (typeof LEVELS)[number]);
  const write = (level: (typeof LEVELS)[number]) => (fields: object, name: string) => {
    if (from !== -1 && LEVELS.indexOf(level) >= from) {
      tell({ type: "log", level, name, fields: plain(fields) });
    }
  };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
}

/** Errors say nothing in JSON; their message and stack are put in their place. */
function plain(fields: object): Record<string, unknown> {
  const entries = Object.entries(fields).map(([key, value]) => {
    const isError = value instanceof Error;
    return [key, isError ? { message: value.message, stack: value.stack } : (value as unknown)];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function ignoreSignal(): void {
  // See runWorker.
}

function ignoreSendError(): void {
  // See tell.
}

const LEVELS = ["debug", "info", "warn", "error"] as const;
const EXIT_FAILED = 1;
