/** Joins the operator's socket to a running relay. */
import type { Result } from "#shared/base/result.ts";
import type { KeysStatus } from "../control/upkeep.ts";
import type { ControlLink } from "../control/link.ts";
import type { DataPlane } from "../data-plane.ts";
import type { Drains } from "../drains.ts";
import type { LineLog } from "../telemetry/log.ts";
import { startOperatorServer } from "./operator-server.ts";
import { operatorSocketPath } from "./relay-status.ts";

export interface OperatedRelay {
  readonly stateDir: string;
  readonly relayId: string;
  readonly name: string;
  readonly version: string;
  readonly plane: DataPlane;
  readonly link: Pick<ControlLink, "isLinked" | "version" | "refusal">;
  readonly drains: Drains;
  readonly keys: () => KeysStatus;
  /** The value is the new key's fingerprint, the failure a sentence. */
  readonly rotateKey: () => Promise<Result<string, string>>;
  readonly log: LineLog;
}

/** Opens the socket; the value closes it. Without one the relay serves all the same. */
export async function openOperator(relay: OperatedRelay): Promise<() => void> {
  const { stateDir, relayId, name, version, plane, link, drains, log } = relay;
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
        name,
        version,
        pid: process.pid,
        status: plane.status,
        drain: drains.own,
        ordered: drains.ordered,
        ports: {
          tls: plane.address.port,
          plain: plane.plainAddress?.port ?? null,
          connect: plane.connectAddress?.port ?? null,
          health: plane.healthPort,
        },
        ...relay.keys(),
        linked: link.isLinked,
        controlVersion: link.version,
        refusal: link.refusal,
        denials: plane.denials(),
        ...plane.counts(),
        workers: [...plane.workers()],
      }),
      drain: (deadlineMs) => void drains.begin(deadlineMs, { isEnding: false }),
      resume: () => void drains.end(),
      rotateKey: relay.rotateKey,
    });
  } catch (error) {
    log.warn({ detail: error instanceof Error ? error.message : String(error) }, NO_SOCKET);
    return () => {};
  }
}

const NO_SOCKET = "operator.no-socket";
