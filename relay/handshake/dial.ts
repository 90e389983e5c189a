/**
 * Opens the connection to a hypervisor: TCP over IPv4 or IPv6, then TLS whenever the target has a
 * TLS port. TLS never falls back to plain. The target's CA, when it names one, is the only anchor;
 * its host subject, when it names one, is checked in the host name's stead, after the chain.
 */
import { connect, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { checkServerIdentity, connect as connectTls, type PeerCertificate } from "node:tls";
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import { matchesSubject } from "#shared/spice/host-subject.ts";
import type { DialTarget } from "../sessions/ports.ts";
import { certificateSubject } from "./certificate-subject.ts";

export interface DialOptions {
  /** For name, connection and TLS together. */
  readonly deadlineMs: number;
  readonly keepAliveIdleMs: number;
  /** Aborting ends the attempt at once; the failure is then `server.unreachable`. */
  readonly signal: AbortSignal;
}

/** A connected, and where wanted secured, stream; half-open is allowed on it. */
export async function dialTarget(
  target: DialTarget,
  options: DialOptions,
): Promise<Result<Duplex, Failure>> {
  if (target.ca !== null && !target.ca.includes(PEM_CERTIFICATE)) {
    // Why here: to Node an empty CA means the public roots, the opposite of what was asked for.
    return fail({ code: "server.tls-failed", detail: "the target's CA holds no certificate" });
  }
  if (options.signal.aborted) {
    return fail({ code: "server.unreachable", detail: GIVEN_UP });
  }
  const attempt: Attempt = { stage: "connecting", mismatch: false, sockets: [] };
  const outcome = Promise.withResolvers<Result<Duplex, Failure>>();
  const settle = (code: ErrorCode, detail: string): void => {
    outcome.resolve(fail({ code, detail }));
  };
  const timer = setTimeout(() => {
    settle("server.deadline", `${attempt.stage}: nothing within ${options.deadlineMs} ms`);
  }, options.deadlineMs);
  const onAbort = (): void => {
    settle("server.unreachable", GIVEN_UP);
  };
  options.signal.addEventListener("abort", onAbort);
  start(target, { attempt, options, resolve: outcome.resolve });
  const result = await outcome.promise;
  clearTimeout(timer);
  options.signal.removeEventListener("abort", onAbort);
  if (!result.ok) {
    for (const socket of attempt.sockets) {
      socket.destroy();
    }
  }
  return result;
}

interface Attempt {
  stage: "connecting" | "securing";
  mismatch: boolean;
  readonly sockets: Socket[];
}

interface Dialling {
  readonly attempt: Attempt;
  readonly options: DialOptions;
  readonly resolve: (result: Result<Duplex, Failure>) => void;
}

function start(target: DialTarget, dialling: Dialling): void {
  const port = target.tlsPort ?? target.port;
  assert(port !== null, "a target has a port");
  const socket = connect({
    host: target.host,
    port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: dialling.options.keepAliveIdleMs,
  });
  watch(socket, dialling);
  socket.once("connect", () => {
    if (target.tlsPort === null) {
      dialling.resolve(ok(socket));
    } else {
      secure(target, socket, dialling);
    }
  });
}

function secure(target: DialTarget, socket: Socket, dialling: Dialling): void {
  const { attempt, resolve } = dialling;
  attempt.stage = "securing";
  try {
    const secured = connectTls({
      socket,
      minVersion: "TLSv1.2",
      rejectUnauthorized: true,
      ...(target.ca === null ? {} : { ca: target.ca }),
      ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
      checkServerIdentity: (_host, certificate) => {
        const error = judgeIdentity(target, certificate);
        attempt.mismatch = error !== undefined && target.hostSubject !== null;
        return error;
      },
    });
    watch(secured, dialling);
    secured.once("secureConnect", () => {
      resolve(ok(secured));
    });
  } catch (error) {
    // A CA text that OpenSSL cannot read throws before any byte is sent.
    resolve(fail({ code: "server.tls-failed", detail: describe(error) }));
  }
}

function watch(socket: Socket, { attempt, resolve }: Dialling): void {
  attempt.sockets.push(socket);
  socket.on("error", (error) => {
    resolve(fail({ code: failureCode(attempt), detail: describe(error) }));
  });
  socket.once("close", () => {
    resolve(fail({ code: failureCode(attempt), detail: "the server closed the connection" }));
  });
}

function failureCode(attempt: Attempt): ErrorCode {
  if (attempt.mismatch) {
    return "server.subject-mismatch";
  }
  return attempt.stage === "securing" ? "server.tls-failed" : "server.unreachable";
}

function judgeIdentity(target: DialTarget, certificate: PeerCertificate): Error | undefined {
  if (target.hostSubject === null) {
    return checkServerIdentity(target.host, certificate);
  }
  const subject = certificateSubject(certificate.raw);
  const matches = subject !== null && matchesSubject(target.hostSubject, subject);
  return matches ? undefined : new Error("the certificate's subject is another one");
}

/** System error codes and OpenSSL's words; neither holds a secret. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) {
    return [...new Set(error.errors.map(describe))].join(", ").slice(0, DETAIL_CHARACTERS_MAX);
  }
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, DETAIL_CHARACTERS_MAX);
}

const GIVEN_UP = "the client or its session ended first";
const PEM_CERTIFICATE = "-----BEGIN CERTIFICATE-----";
const DETAIL_CHARACTERS_MAX = 256;
