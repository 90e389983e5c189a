/**
 * HTTP CONNECT: the way of clients whose console file names the relay as its proxy. The host that
 * they ask for is a pseudo host whose label tells of the session before SPICE starts. Promises that
 * the tunnel ends here: no byte ever goes to another host.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { labelOfPseudoHost } from "#shared/ticket/session-label.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { Arrival } from "./arrival.ts";
import { lookAtFirstBytes, SPICE_FIRST } from "./first-bytes.ts";
import { encodeHttpAnswer, type HttpAnswer, makeHttpParser } from "./http-answer.ts";

/** A client's tunnel is open and it speaks something that is not SPICE in clear. */
export interface ConnectTunnel {
  readonly arrival: Arrival;
  readonly socket: Socket;
  readonly label: string;
}

export interface ConnectWayOptions {
  readonly limits: Pick<
    DataPlaneLimits,
    "clientPhaseDeadlineMs" | "refusalLingerMs" | "httpHeadBytesMax" | "httpHeadersMax"
  >;
  /** Puts TLS on it. */
  readonly onTunnel: (tunnel: ConnectTunnel) => void;
  /** SPICE in clear inside the tunnel. */
  readonly onPlain: (arrival: Arrival, socket: Socket) => void;
}

/** One parser for all connections. */
export class ConnectWay {
  readonly #options: ConnectWayOptions;
  readonly #arrivals = new WeakMap<Duplex, { arrival: Arrival; socket: Socket }>();
  readonly #parser;

  constructor(options: ConnectWayOptions) {
    this.#options = options;
    this.#parser = makeHttpParser({
      limits: options.limits,
      onRequest: (_request, stream) => {
        this.#answer(stream, { ...WRONG_METHOD, headers: { Allow: "CONNECT" } }, "another method");
      },
      onInvalid: (code, stream) => {
        this.#answer(stream, NO_HTTP, code);
      },
      onLost: (stream) => {
        const detail = "ended in the middle of an HTTP request";
        this.#arrivals.get(stream)?.arrival.refuse({ code: "link.closed", detail });
      },
    });
    this.#parser.on("connect", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      this.#connect(request, stream, head);
    });
  }

  /** Reads the request of a connection. */
  take(arrival: Arrival, socket: Socket): void {
    this.#arrivals.set(socket, { arrival, socket });
    arrival.beginPhase("http", this.#options.limits.clientPhaseDeadlineMs);
    this.#parser.emit("connection", socket);
    socket.resume();
  }

  #connect(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const taken = this.#arrivals.get(stream);
    if (taken?.arrival.isWaiting !== true) {
      stream.destroy();
      return;
    }
    const { arrival, socket } = taken;
    const label = labelOfAuthority(request.url ?? "");
    if (label === null) {
      this.#answer(stream, WRONG_HOST, "not a console's host");
      return;
    }
    if (head.length > 0) {
      socket.unshift(head);
    }
    const { limits, onPlain, onTunnel } = this.#options;
    arrival.beginPhase("first bytes", limits.clientPhaseDeadlineMs);
    socket.write(ESTABLISHED);
    lookAtFirstBytes(socket, (text) => {
      if (!arrival.isWaiting) {
        return;
      }
      if (text.length < SPICE_FIRST.length) {
        arrival.refuse({ code: "link.closed", detail: "the tunnel ended at once" });
      } else if (text === SPICE_FIRST) {
        onPlain(arrival, socket);
      } else {
        onTunnel({ arrival, socket, label });
      }
    });
  }

  #answer(stream: Duplex, answer: HttpAnswer, detail: string): void {
    const { lingerMs, bytes } = {
      lingerMs: this.#options.limits.refusalLingerMs,
      bytes: encodeHttpAnswer(answer),
    };
    this.#arrivals
      .get(stream)
      ?.arrival.answer({ code: "link.http-invalid", detail }, { stream, bytes, lingerMs });
  }
}

/** The session's label in "host:port", or null when the host is none of ours. */
export function labelOfAuthority(authority: string): string | null {
  const match = AUTHORITY_PATTERN.exec(authority);
  const [, host = "", port = ""] = match ?? [];
  return Number(port) >= 1 && Number(port) <= PORT_MAX ? labelOfPseudoHost(host) : null;
}

const AUTHORITY_PATTERN = /^([^:/?#@\s]{1,255}):(\d{1,5})$/;
const PORT_MAX = 65_535;

/** As HTTP/1.0, which is what spice-gtk asks in; without a body, so what follows is the tunnel. */
const ESTABLISHED = "HTTP/1.0 200 Connection established\r\n\r\n";

const WRONG_HOST: HttpAnswer = {
  status: 403,
  text: "This is a Kerbside relay, not a proxy: open a console file that it was named in.",
};
const WRONG_METHOD: HttpAnswer = {
  status: 405,
  text: "This port takes HTTP CONNECT from SPICE clients only: open a console file with one.",
};
const NO_HTTP: HttpAnswer = {
  status: 400,
  text: "This port takes HTTP CONNECT from SPICE clients: send a valid request.",
};
