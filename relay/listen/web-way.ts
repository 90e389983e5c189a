/**
 * HTTP inside the TLS port: the way of web consoles, `GET /console?token=<ticket>` upgraded to a
 * WebSocket with the subprotocol `binary`, one for each channel. Promises that nothing is upgraded
 * for a page of a foreign origin or without a usable ticket, that the token reaches no log and no
 * answer, and that any other request gets one helpful sentence.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type ServerOptions, WebSocketServer } from "ws";
import { errorRow, type Failure } from "#shared/errors/catalogue.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { Admissions, Refusal } from "../sessions/ports.ts";
import type { Arrival } from "./arrival.ts";
import { encodeHttpAnswer, type HttpAnswer, makeHttpParser } from "./http-answer.ts";
import { judgeUpgrade, SUBPROTOCOL } from "./judge-upgrade.ts";
import { WebSocketStream } from "./web-socket-stream.ts";

export interface WebWayOptions {
  readonly limits: Pick<
    DataPlaneLimits,
    | "clientPhaseDeadlineMs"
    | "refusalLingerMs"
    | "httpHeadBytesMax"
    | "httpHeadersMax"
    | "webSocketMessageBytesMax"
    | "webSocketPingIntervalMs"
  >;
  readonly admissions: Pick<Admissions, "foresee">;
  /** Origins whose pages may open web consoles; asked at each upgrade. */
  readonly webOrigins: () => readonly string[];
}

interface Upgrade {
  readonly arrival: Arrival;
  readonly request: IncomingMessage;
  readonly stream: Duplex;
  readonly head: Buffer;
  readonly token: string;
}

/** One parser and one WebSocket server for all connections. */
export class WebWay {
  readonly #options: WebWayOptions;
  readonly #arrivals = new WeakMap<Duplex, Arrival>();
  readonly #parser;
  readonly #webSockets;

  constructor(options: WebWayOptions) {
    const { limits } = options;
    this.#options = options;
    this.#parser = makeHttpParser({
      limits,
      onRequest: (request, stream) => {
        this.#judge(request, stream, null);
      },
      onInvalid: (code, stream) => {
        this.#answer(stream, NO_HTTP, { code: "link.http-invalid", detail: code });
      },
      onLost: (stream) => {
        const detail = "ended in the middle of an HTTP request";
        this.#arrivals.get(stream)?.refuse({ code: "link.closed", detail });
      },
    });
    this.#parser.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      this.#judge(request, stream, head);
    });
    this.#webSockets = new WebSocketServer(webSocketOptions(limits));
    this.#webSockets.on("wsClientError", (error, stream) => {
      this.#answer(stream, NO_HTTP, { code: "link.http-invalid", detail: error.message });
    });
  }

  /** Reads the request of a connection that began with "GET ". */
  take(arrival: Arrival, stream: TLSSocket): void {
    this.#arrivals.set(stream, arrival);
    arrival.beginPhase("http", this.#options.limits.clientPhaseDeadlineMs);
    this.#parser.emit("connection", stream);
    stream.resume();
  }

  #judge(request: IncomingMessage, stream: Duplex, head: Buffer | null): void {
    const arrival = this.#arrivals.get(stream);
    if (arrival?.isWaiting !== true) {
      return;
    }
    const judged = judgeUpgrade(request, this.#options.webOrigins());
    if (!judged.ok) {
      const { answer, failure } = judged.error;
      this.#answer(stream, answer, failure);
      return;
    }
    if (head === null) {
      const failure: Failure = { code: "link.http-invalid", detail: "no upgrade" };
      this.#answer(stream, NO_HTTP, failure);
      return;
    }
    void this.#admit({ arrival, request, stream, head, token: judged.value });
  }

  async #admit(upgrade: Upgrade): Promise<void> {
    const { arrival, stream, token } = upgrade;
    const { admissions, limits } = this.#options;
    arrival.beginPhase("token", limits.clientPhaseDeadlineMs);
    const stopWatching = watchForEnd(stream, () => {
      arrival.refuse({ code: "link.closed", detail: "ended while its token was judged" });
    });
    try {
      // Which channel it will be is only told by its link message; a console opens main first.
      const from = { channel: "main", clientAddress: arrival.clientAddress } as const;
      const foreseen = await admissions.foresee({ kind: "token", token }, from);
      stopWatching();
      if (!foreseen.ok) {
        this.#answer(stream, answerTo(foreseen.error), foreseen.error, foreseen.error.holdMs);
      } else if (arrival.isWaiting) {
        this.#open(upgrade);
      }
    } catch {
      // Why no message: nobody knows what a bug puts into it, and a token was at hand.
      arrival.refuse({ code: "internal.error", detail: "a bug while a web console was let in" });
    }
  }

  #open({ arrival, request, stream, head, token }: Upgrade): void {
    const { webSocketPingIntervalMs: pingIntervalMs } = this.#options.limits;
    this.#webSockets.handleUpgrade(request, stream, head, (socket) => {
      const bytes = new WebSocketStream(socket, { transport: stream, pingIntervalMs });
      arrival.handOn(bytes, "websocket", { kind: "token", token });
    });
  }

  #answer(stream: Duplex, answer: HttpAnswer, failure: Failure, holdMs = 0): void {
    const { refusalLingerMs: lingerMs } = this.#options.limits;
    const bytes = encodeHttpAnswer(answer);
    const { code, detail } = failure;
    this.#arrivals.get(stream)?.answer({ code, detail }, { stream, bytes, lingerMs, holdMs });
  }
}

/**
 * Reads ahead, to the stream's high-water mark, because only who reads learns that the other side
 * ended or broke the connection. Returns how to stop; what was read stays in the stream.
 */
function watchForEnd(stream: Duplex, onEnd: () => void): () => void {
  const readAhead = (): void => {
    stream.read(0);
  };
  stream.on("readable", readAhead);
  stream.once("end", onEnd);
  return () => {
    stream.off("readable", readAhead);
    stream.off("end", onEnd);
  };
}

/** The type lacks closeTimeout, which ws documents. */
function webSocketOptions(
  limits: WebWayOptions["limits"],
): ServerOptions & { readonly closeTimeout: number } {
  return {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.webSocketMessageBytesMax,
    // What is text is not accepted anyway.
    skipUTF8Validation: true,
    closeTimeout: limits.refusalLingerMs,
    handleProtocols: () => SUBPROTOCOL,
  };
}

/** The client's own fault is a bad credential; anything else may pass. */
function answerTo({ code }: Refusal): HttpAnswer {
  const { fault, hint } = errorRow(code);
  return fault === "client"
    ? { status: 401, text: hint, headers: { "WWW-Authenticate": "Kerbside-Ticket" } }
    : { status: 503, text: hint };
}

const NO_HTTP: HttpAnswer = {
  status: 400,
  text: "Send a valid WebSocket upgrade for /console with a console's token.",
};
