/**
 * TLS on an accepted socket. Promises that a broken handshake ends one connection and is counted,
 * that TLS errors after the handshake close the connection, and that each write of SPICE stays a
 * record of its own.
 */
import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import type { DataPlaneLimits } from "../limits.ts";
import type { Arrival } from "./arrival.ts";

export interface SecureOptions {
  readonly context: SecureContext;
  readonly limits: Pick<DataPlaneLimits, "tlsHandshakeDeadlineMs">;
  /** The handshake is done; nothing was read of what follows it. */
  readonly onSecured: (stream: TLSSocket) => void;
}

/** Shakes hands as the server; what the socket has read already counts as the client's hello. */
export function secureArrival(arrival: Arrival, raw: Socket, options: SecureOptions): void {
  const { context, limits, onSecured } = options;
  arrival.beginPhase("tls", limits.tlsHandshakeDeadlineMs);
  const stream = new TLSSocket(raw, { isServer: true, secureContext: context });
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.syscall === undefined) {
      arrival.refuse({ code: "tls.failed", detail: error.message });
    } else {
      // Not TLS but the connection broke: what that means depends on the phase.
      arrival.lose(error.message);
    }
    stream.destroy();
  };
  stream.on("error", onError);
  // Why: a TLS error after the handshake is no 'error' of a socket that no tls.Server made, and
  // would leave it open and mute.
  stream.on("_tlsError", onError);
  const onEnd = (): void => {
    arrival.refuse({ code: "tls.failed", detail: "ended in the middle of the handshake" });
  };
  stream.once("end", onEnd);
  stream.once("secure", () => {
    stream.off("end", onEnd);
    if (arrival.isWaiting) {
      onSecured(stream);
    }
  });
}

/**
 * Makes each write a TLS record of its own (or several), by taking away the stream's way to put
 * waiting writes together. Who writes then decides where records end: see Pump, which must.
 */
export function keepWritesApart(stream: TLSSocket): void {
  Object.defineProperty(stream, "_writev", { value: null });
}
