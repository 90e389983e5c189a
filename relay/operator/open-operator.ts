/** Joins the operator's socket to a running relay. */
import type { DataPlane } from "../data-plane.ts";
import type { LineLog } from "../telemetry/log.ts";
import { startOperatorServer } from "./operator-server.ts";
import { operatorSocketPath } from "./relay-status.ts";

export interface OperatedRelay {
  readonly stateDir: string;
  readonly relayId: string;
  readonly version: string;
  readonly plane: DataPlane;
  readonly isLinked: () => boolean;
  readonly drain: (deadlineMs: number) => Promise<void>;
  readonly resume: () => void;
  readonly log: LineLog;
}

/** Opens the socket; the value closes it. Without one the relay serves all the same. */
export async function openOperator(relay: OperatedRelay): Promise<() => void> {
  const { stateDir, relayId, version, plane, isLinked, drain, resume, log } = relay;
  const path = operatorSocketPath(stateDir);
  if (!path.ok) {
    log.warn({ detail: path.error }, NO_SOCKET);
    return () => {};
  }
  try {
    return await startOperatorServer({
      path: path.value,
      status: () => ({
        relayId,
        version,
        pid: process.pid,
        status: plane.status,
        linked: isLinked(),
        ...plane.counts(),
        workers: [...plane.workers()],
      }),
      drain: (deadlineMs) => void drain(deadlineMs),
      resume,
    });
  } catch (error) {
    log.warn({ detail: error instanceof Error ? error.message : String(error) }, NO_SOCKET);
    return () => {};
  }
}

const NO_SOCKET = "operator.no-socket";
