/** What carries connections for the control process: workers, or the control process itself. */
import type { Socket } from "node:net";
import type { Origin } from "../listen/arrival.ts";
import type { PortKind } from "../listen/client-ports.ts";
import type { TlsIdentity } from "../listen/tls-settings.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { Admissions } from "../sessions/ports.ts";
import type { MetricsJson } from "../telemetry/aggregate.ts";
import type { Usage } from "../telemetry/load-meter.ts";
import type { LineLog } from "../telemetry/log.ts";

export interface CrewOptions {
  readonly tls: TlsIdentity;
  readonly limits: DataPlaneLimits;
  readonly webOrigins: readonly string[];
  readonly admissions: Admissions;
  readonly log: LineLog;
  /** Milliseconds of a clock that nobody sets. */
  readonly nowMs: () => number;
  /** Both legs of a connection are linked. */
  readonly onLinked: (ref: string) => void;
  /** A connection is closed, or will be without having been carried. */
  readonly onClosed: (ref: string) => void;
}

export interface WorkerStatus {
  readonly name: string;
  readonly pid: number | null;
  readonly isReady: boolean;
  readonly connections: number;
}

export interface Crew {
  /** Takes a connection that was accepted, and owns its socket from then on. */
  take(kind: PortKind, socket: Socket, about: Origin): void;
  /** Throws when the certificate does not fit its key. */
  replaceIdentity(tls: TlsIdentity): void;
  setWebOrigins(origins: readonly string[]): void;
  /** Ends what is not admitted yet. Admitted channels go on until their sessions end. */
  stop(): void;
  /** Ends everything; resolves when it is gone. */
  destroy(): Promise<void>;
  /** The crew's metrics and `own` ones as Prometheus text. */
  metricsText(own: () => Promise<MetricsJson>): Promise<string>;
  workers(): readonly WorkerStatus[];
  /** What the crew has used besides the control process; what lost workers had used stays in it. */
  usage(): Usage;
}
