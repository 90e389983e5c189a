/**
 * The ways in for SPICE clients: TLS, plain (which only refuses), HTTP CONNECT, and WebSocket on
 * the TLS port. It binds no port; it is given accepted sockets and makes of each a byte stream with
 * what is known of it, or refuses it. Promises that every socket closes in the end, that each one
 * ends in exactly one of the two outcomes, and that hostile bytes end one connection. It reads no
 * byte of SPICE but the first four, except on connections that it refuses.
 */
import type { Socket } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { Admissions, SessionClue } from "../sessions/ports.ts";
import { Arrival, type ArrivalOutcomes, type Origin } from "./arrival.ts";
import type { WayIn } from "./client-connection.ts";
import { ConnectWay } from "./connect-way.ts";
import { FIRST_BYTES, HTTP_GET_FIRST, lookAtFirstBytes } from "./first-bytes.ts";
import { refusePlain } from "./plain-way.ts";
import { makeServerContext, type TlsIdentity } from "./tls-settings.ts";
import { keepWritesApart, secureArrival } from "./tls-way.ts";
import { WebWay } from "./web-way.ts";

/** What clients of a port speak. */
export type PortKind = "tls" | "plain" | "connect";

export interface ClientPortsOptions extends ArrivalOutcomes {
  readonly tls: TlsIdentity;
  readonly admissions: Pick<Admissions, "foresee">;
  readonly limits: Pick<
    DataPlaneLimits,
    | "tlsHandshakeDeadlineMs"
    | "clientPhaseDeadlineMs"
    | "refusalLingerMs"
    | "keepAliveIdleMs"
    | "httpHeadBytesMax"
    | "httpHeadersMax"
    | "webSocketMessageBytesMax"
    | "webSocketPingIntervalMs"
  >;
  /** Origins whose pages may open web consoles; asked at each upgrade. */
  readonly webOrigins: () => readonly string[];
}

export class ClientPorts {
  readonly #options: ClientPortsOptions;
  readonly #arrivals = new Set<Arrival>();
  readonly #web: WebWay;
  readonly #connect: ConnectWay;
  #context: SecureContext;
  #isClosed = false;
  #idle: (() => void)[] = [];

  /** @throws when the certificate does not fit its key. */
  constructor(options: ClientPortsOptions) {
    const { limits } = options;
    this.#options = options;
    this.#context = makeServerContext(options.tls);
    this.#web = new WebWay(options);
    this.#connect = new ConnectWay({
      limits,
      onTunnel: ({ arrival, socket, label }) => {
        this.#secure(arrival, socket, { way: "connect", clue: { kind: "label", label } });
      },
      onPlain: (arrival, socket) => {
        void refusePlain(arrival, socket, limits);
      },
    });
  }

  /** Connections that are not closed yet, handed on or not. */
  get connectionCount(): number {
    return this.#arrivals.size;
  }

  /** Takes an accepted socket that nobody has read from; it may be paused, or gone already. */
  take(kind: PortKind, socket: Socket, origin: Origin): void {
    const { limits, onRefused } = this.#options;
    if (socket.destroyed) {
      onRefused(origin.ref, "link.closed", "closed before it was taken");
      return;
    }
    const arrival = this.#track(socket, origin);
    if (this.#isClosed) {
      arrival.refuse(CLOSED);
      return;
    }
    // Why: what is under way to a client that has sent its end must still reach it.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, limits.keepAliveIdleMs);
    switch (kind) {
      case "tls":
        this.#secure(arrival, socket, { way: "tls", clue: null });
        return;
      case "plain":
        void refusePlain(arrival, socket, limits);
        return;
      case "connect":
        this.#connect.take(arrival, socket);
    }
  }

  /** Uses another certificate for the handshakes to come; throws when it does not fit its key. */
  replaceIdentity(tls: TlsIdentity): void {
    this.#context = makeServerContext(tls);
  }

  /** Takes no more and drops what was not handed on; handed-on connections live on. */
  close(): void {
    this.#isClosed = true;
    for (const arrival of this.#arrivals) {
      arrival.drop(CLOSED);
    }
  }

  /** Resolves when the last connection is gone. */
  async drained(): Promise<void> {
    if (this.#arrivals.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }

  /** Ends every connection now. */
  destroyAll(): void {
    for (const arrival of this.#arrivals) {
      arrival.destroy();
    }
  }

  #track(socket: Socket, origin: Origin): Arrival {
    const arrival = new Arrival(socket, origin, this.#options);
    this.#arrivals.add(arrival);
    socket.on("close", () => {
      this.#arrivals.delete(arrival);
      if (this.#arrivals.size === 0) {
        for (const resolve of this.#idle.splice(0)) {
          resolve();
        }
      }
    });
    return arrival;
  }

  #secure(arrival: Arrival, socket: Socket, known: Known): void {
    const { limits } = this.#options;
    const onSecured = (stream: TLSSocket): void => {
      arrival.beginPhase("first bytes", limits.clientPhaseDeadlineMs);
      lookAtFirstBytes(stream, (text) => {
        this.#handOn(arrival, stream, { ...known, text });
      });
    };
    secureArrival(arrival, socket, { context: this.#context, limits, onSecured });
  }

  /** Whatever is neither SPICE nor HTTP is SPICE too: its link then has the right error for it. */
  #handOn(arrival: Arrival, stream: TLSSocket, first: Known & { readonly text: string }): void {
    if (first.text.length < FIRST_BYTES) {
      const detail = `closed after ${first.text.length} of ${FIRST_BYTES} bytes`;
      arrival.refuse({ code: "link.closed", detail });
    } else if (first.text === HTTP_GET_FIRST) {
      this.#web.take(arrival, stream);
    } else {
      keepWritesApart(stream);
      arrival.handOn(stream, first.way, first.clue);
    }
  }
}

/** What the way in tells of a connection before its TLS stream says anything. */
interface Known {
  readonly way: WayIn;
  readonly clue: SessionClue | null;
}

const CLOSED: Failure = { code: "relay.stopping", detail: "the ways in are closed" };
