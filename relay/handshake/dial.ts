/**
 * Opens the connection to a hypervisor: TCP over IPv4 or IPv6, to it or to its HTTP proxy, then TLS
 * whenever the target has a TLS port. TLS never falls back to plain, nor a proxy to a direct
 * connection. Whom it trusts is decided in server-trust.ts. Promises that a failed or aborted
 * attempt leaves no socket and no timer, and that a successful one leaves nothing of the target
 * (its password least of all) referenced by the stream.
 */
import type { LookupFunction, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import { connectDirect } from "../pump/direct-socket.ts";
import type { DialRoute } from "../sessions/ports.ts";
import {
  type DialStage,
  plainWords,
  sayDialClosed,
  sayDialError,
  sayDialLate,
} from "./dial-words.ts";
import { parseProxyAddress, requestTunnel } from "./http-tunnel.ts";
import {
  identityCheck,
  namesCertificate,
  serverNameOf,
  trustAnchors,
  type IdentityCheck,
} from "./server-trust.ts";

export interface DialOptions {
  /** For name, connection, proxy and TLS together. */
  readonly deadlineMs: number;
  readonly keepAliveIdleMs: number;
  /** Aborting ends the attempt at once; the failure is then `server.unreachable`. */
  readonly signal: AbortSignal;
  /** Resolves names in the system resolver's stead; tests have no names of their own. */
  readonly lookup?: LookupFunction;
}

/**
 * A connected, and where wanted secured, stream; half-open is allowed on it, and its errors have a
 * listener. The look-up of a name runs in the thread pool that also makes keys: the deadline ends
 * the waiting for it, not the look-up itself.
 */
export async function dialTarget(
  route: DialRoute,
  options: DialOptions,
): Promise<Result<Duplex, Failure>> {
  if (route.ca !== null && !namesCertificate(route.ca)) {
    return fail({ code: "server.tls-failed", detail: "the target's CA holds no certificate" });
  }
  if (options.signal.aborted) {
    return fail({ code: "server.unreachable", detail: GIVEN_UP });
  }
  const attempt = new Attempt(route.proxy !== null);
  const timer = setTimeout(() => {
    attempt.fail("server.deadline", sayDialLate(attempt, options.deadlineMs));
  }, options.deadlineMs);
  const onAbort = (): void => {
    attempt.fail("server.unreachable", GIVEN_UP);
  };
  options.signal.addEventListener("abort", onAbort);
  start(route, attempt, options);
  const result = await attempt.outcome;
  clearTimeout(timer);
  options.signal.removeEventListener("abort", onAbort);
  attempt.letGo(!result.ok);
  return result;
}

/** Sockets of one attempt, and its one outcome: what comes first counts. */
class Attempt {
  readonly #sockets: Socket[] = [];
  readonly #settled = Promise.withResolvers<Result<Duplex, Failure>>();
  readonly isProxied: boolean;
  stage: DialStage = "connecting";
  identity: IdentityCheck | null = null;

  constructor(isProxied: boolean) {
    this.isProxied = isProxied;
  }

  get outcome(): Promise<Result<Duplex, Failure>> {
    return this.#settled.promise;
  }

  succeed(stream: Duplex): void {
    this.#settled.resolve(ok(stream));
  }

  fail(code: ErrorCode, detail: string): void {
    this.#settled.resolve(
      fail({ code, detail: plainWords(detail).slice(0, DETAIL_CHARACTERS_MAX) }),
    );
  }

  watch(socket: Socket): void {
    this.#sockets.push(socket);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  /** The sockets know nothing of this attempt any more. */
  letGo(isToDestroy: boolean): void {
    for (const socket of this.#sockets) {
      // Why: an error that comes after this must still find a listener.
      socket.on("error", ignoreError);
      socket.off("error", this.#onError);
      socket.off("close", this.#onClose);
      if (isToDestroy) {
        socket.destroy();
      }
    }
  }

  readonly #onError = (error: Error): void => {
    this.fail(this.#failureCode(), sayDialError(error, this));
  };

  readonly #onClose = (): void => {
    this.fail(this.#failureCode(), sayDialClosed(this));
  };

  #failureCode(): ErrorCode {
    const isMismatch = this.identity?.hasSubjectMismatch() ?? false;
    return isMismatch ? "server.subject-mismatch" : STAGE_CODES[this.stage];
  }
}

function start(route: DialRoute, attempt: Attempt, options: DialOptions): void {
  const port = route.tlsPort ?? route.port;
  assert(port !== null, "a target has a port");
  const proxy = route.proxy === null ? null : parseProxyAddress(route.proxy);
  if (route.proxy !== null && proxy === null) {
    attempt.fail("server.proxy-refused", "the target's proxy is not http://host:port");
    return;
  }
  const { host } = route;
  // A name with several addresses is tried as RFC 8305 says, which is Node's default.
  const socket = connectDirect({
    host: proxy?.host ?? host,
    port: proxy?.port ?? port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: options.keepAliveIdleMs,
    ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
  });
  attempt.watch(socket);
  socket.once("connect", () => {
    if (proxy === null) {
      reached(socket, route, attempt);
      return;
    }
    attempt.stage = "asking the proxy";
    const { authorization } = proxy;
    requestTunnel(socket, { host, port, authorization }, (answer) => {
      if (answer.ok) {
        reached(socket, route, attempt);
      } else {
        attempt.fail("server.proxy-refused", answer.error);
      }
    });
  });
}

/** The socket leads to the server. */
function reached(socket: Socket, route: DialRoute, attempt: Attempt): void {
  if (route.tlsPort === null) {
    attempt.succeed(socket);
    return;
  }
  attempt.stage = "securing";
  const identity = identityCheck(route.host, route.hostSubject);
  attempt.identity = identity;
  const servername = serverNameOf(route.host);
  try {
    const secured = connectTls({
      socket,
      secureContext: trustAnchors(route.ca),
      rejectUnauthorized: true,
      checkServerIdentity: identity.check,
      ...(servername === null ? {} : { servername }),
    });
    attempt.watch(secured);
    secured.once("secureConnect", () => {
      attempt.succeed(secured);
    });
  } catch (error) {
    // A CA text that OpenSSL cannot read throws before any byte is sent.
    attempt.fail("server.tls-failed", sayDialError(error, attempt));
  }
}

function ignoreError(): void {
  // The 'close' that follows tells whoever has the stream.
}

const STAGE_CODES: Readonly<Record<DialStage, ErrorCode>> = {
  connecting: "server.unreachable",
  "asking the proxy": "server.proxy-refused",
  securing: "server.tls-failed",
};
const GIVEN_UP = "the client or its session ended first";
const DETAIL_CHARACTERS_MAX = 256;
