/**
 * One TCP connection from its acceptance until it is handed on or refused. Promises exactly one of
 * the two, that every phase before it has a deadline, that a refused connection's socket closes
 * and that no timer outlives it. It must not look at bytes.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import type { SessionClue } from "../sessions/ports.ts";
import type { ClientConnection, WayIn } from "./client-connection.ts";

/** What is known of a connection from its acceptance. */
export interface Origin {
  readonly ref: string;
  readonly clientAddress: string;
}

/** What becomes of an arrival. Neither may throw. */
export interface ArrivalOutcomes {
  /** Takes the connection and owns it from then on. */
  readonly onConnection: (connection: ClientConnection) => void;
  /** It ended before that; `detail` holds no secret. */
  readonly onRefused: (ref: string, code: ErrorCode, detail: string) => void;
}

/** What an arrival is waiting for. */
export type ArrivalPhase = "tls" | "first bytes" | "http" | "token" | "link";

/** The last words to a client that is refused. */
export interface Answer {
  /** Where to write; what still comes from it is read and dropped. */
  readonly stream: Duplex;
  readonly bytes: string | Uint8Array;
  readonly lingerMs: number;
  /** How long to withhold it; absent: not at all. */
  readonly holdMs?: number;
}

export class Arrival {
  readonly #raw: Socket;
  readonly #origin: Origin;
  readonly #outcomes: ArrivalOutcomes;
  #phase: ArrivalPhase = "first bytes";
  #timer: NodeJS.Timeout | null = null;
  #state: "waiting" | "refused" | "handed-on" = "waiting";

  constructor(raw: Socket, origin: Origin, outcomes: ArrivalOutcomes) {
    this.#raw = raw;
    this.#origin = origin;
    this.#outcomes = outcomes;
    // Why: whoever listens to the socket comes and goes; an error must never find nobody.
    raw.on("error", ignoreError);
    raw.on("close", () => {
      this.lose(`left while ${WAITING[this.#phase]}`);
      this.#clearTimer();
    });
  }

  get clientAddress(): string {
    return this.#origin.clientAddress;
  }

  /** Neither handed on nor refused yet. */
  get isWaiting(): boolean {
    return this.#state === "waiting";
  }

  /** Ends the phase before; the next phase, hand-on or refusal must come within `deadlineMs`. */
  beginPhase(phase: ArrivalPhase, deadlineMs: number): void {
    this.#phase = phase;
    this.#after(deadlineMs, () => {
      const detail = `${WAITING[phase]}: nothing within ${deadlineMs} ms`;
      this.refuse({ code: LATE_CODES[phase], detail });
    });
  }

  /** The stream is the next owner's. */
  handOn(stream: Duplex, way: WayIn, clue: SessionClue | null): void {
    if (this.#state !== "waiting") {
      stream.destroy();
      return;
    }
    this.#state = "handed-on";
    this.#clearTimer();
    stream.on("error", ignoreError);
    this.#outcomes.onConnection({ ...this.#origin, stream, way, clue });
  }

  /** Its client is gone. Does nothing when the arrival was handed on or refused before. */
  lose(detail: string): void {
    this.refuse({ code: LOST_CODES[this.#phase], detail });
  }

  /** Closes without a word. Does nothing when the arrival was handed on or refused before. */
  refuse(failure: Failure): void {
    if (this.#settle(failure)) {
      this.#raw.destroy();
    }
  }

  /** Writes the answer, lets the client fetch it and closes. Does nothing when settled before. */
  answer(failure: Failure, answer: Answer): void {
    if (!this.#settle(failure)) {
      return;
    }
    const { stream, holdMs = 0 } = answer;
    // Why: a closed socket with unread bytes is reset, and a reset overtakes the answer; and only
    // who reads learns that the client left. So what comes is read, but by nobody who would act on
    // it or keep it.
    stream.removeAllListeners("data");
    stream.on("data", ignoreBytes);
    stream.resume();
    if (holdMs > 0) {
      const leave = (): void => {
        this.#raw.destroy();
      };
      stream.once("end", leave);
      this.#after(holdMs, () => {
        stream.off("end", leave);
        this.#writeAndClose(answer);
      });
    } else {
      this.#writeAndClose(answer);
    }
  }

  /** Ends a connection that was not handed on, be it waiting or lingering. */
  drop(failure: Failure): void {
    this.refuse(failure);
    if (this.#state === "refused") {
      this.#raw.destroy();
    }
  }

  /** Ends the connection, whoever owns it. */
  destroy(): void {
    this.#raw.destroy();
  }

  #settle(failure: Failure): boolean {
    if (this.#state !== "waiting") {
      return false;
    }
    this.#state = "refused";
    this.#clearTimer();
    this.#outcomes.onRefused(this.#origin.ref, failure.code, failure.detail);
    return true;
  }

  #writeAndClose({ stream, bytes, lingerMs }: Answer): void {
    const closeWhenDone = (): void => {
      if (stream.readableEnded && stream.writableFinished) {
        this.#raw.destroy();
      }
    };
    this.#after(lingerMs, () => {
      this.#raw.destroy();
    });
    stream.once("end", closeWhenDone);
    stream.once("finish", closeWhenDone);
    stream.end(bytes);
  }

  #after(delayMs: number, action: () => void): void {
    this.#clearTimer();
    if (!this.#raw.destroyed) {
      this.#timer = setTimeout(action, delayMs);
    }
  }

  #clearTimer(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }
}

function ignoreError(): void {
  // The 'close' that follows is what everyone waits for.
}

function ignoreBytes(): void {
  // Read only so that the close is no reset.
}

const WAITING: Readonly<Record<ArrivalPhase, string>> = {
  tls: "shaking hands over TLS",
  "first bytes": "its first bytes were awaited",
  http: "its HTTP request was awaited",
  token: "its token was judged",
  link: "its link message was awaited",
};

const LOST_CODES: Readonly<Record<ArrivalPhase, ErrorCode>> = {
  tls: "tls.failed",
  "first bytes": "link.closed",
  http: "link.closed",
  token: "link.closed",
  link: "link.closed",
};

const LATE_CODES: Readonly<Record<ArrivalPhase, ErrorCode>> = {
  tls: "tls.failed",
  "first bytes": "link.deadline",
  http: "link.deadline",
  token: "link.deadline",
  link: "link.deadline",
};
