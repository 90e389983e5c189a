/**
 * Makes one link: client link, perhaps the server's half ahead, ticket, admission, the server, and
 * only then the client's OK. Promises that a refused client has caused no more than a link message
 * at a hypervisor; that a client is told OK only when the hypervisor has let it in (else the true
 * SPICE error); that an admitted channel which does not open is ended once; and that nothing of a
 * link outlives it: no timer, no listener, no stream but the client's, no key and no password.
 */
import type { Duplex } from "node:stream";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { headerKind, type LinkCapabilities } from "#shared/spice/capabilities.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import type { HeaderKind } from "#shared/spice/header.ts";
import { encodeLinkResult, LINK_ERROR } from "#shared/spice/link.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { ClientConnection } from "../listen/client-connection.ts";
import type {
  Admissions,
  AdmittedChannel,
  ChannelEnd,
  ForeseenSession,
  Refusal,
} from "../sessions/ports.ts";
import { ByteSource } from "./byte-source.ts";
import { type ClientLink, exchangeTicket, readClientLink } from "./client-leg.ts";
import type { KeyPool } from "./key-pool.ts";
import { cluesOf, isSameServer, offerFor, withFullHeaders } from "./link-decisions.ts";
import { type ClientStage, tellRefusal } from "./refusal.ts";
import { ServerLeg } from "./server-leg.ts";

/** Told of links as they end; must neither throw nor wait. */
export interface LinkRunObserver {
  /** Both legs are linked, so long after the way in handed the connection on. */
  linked(connection: ClientConnection, durationMs: number): void;
  linkFailed(failure: Failure, connection: ClientConnection): void;
}

export interface LinkRunDependencies {
  readonly keyPool: Pick<KeyPool, "take">;
  readonly admissions: Admissions;
  readonly observer: LinkRunObserver;
  readonly limits: DataPlaneLimits;
  readonly nowMs: () => number;
  /** Aborted when the relay stops: links that were not admitted yet end at once. */
  readonly stopping: AbortSignal;
}

/** A channel whose legs are both linked; each stream's next byte is its first message. */
export interface LinkedChannel {
  readonly admitted: AdmittedChannel;
  readonly channel: ChannelName;
  readonly headerKind: HeaderKind;
  readonly server: Duplex;
}

/**
 * Links the connection's channel. Null when that did not come about, and all were told. Rejects
 * only for a bug of ours. The caller destroys the client's stream, and ends the channel it is given.
 */
export async function linkConnection(
  connection: ClientConnection,
  dependencies: LinkRunDependencies,
): Promise<LinkedChannel | null> {
  const run = new LinkRun(connection, dependencies);
  try {
    return await run.link();
  } finally {
    run.letGo();
  }
}

/** What the server was found to do before the client's ticket came. */
interface Ahead {
  readonly session: ForeseenSession;
  readonly leg: ServerLeg;
  readonly reached: Result<LinkCapabilities, Failure>;
}

/** A client that is in. */
interface Admission {
  readonly admitted: AdmittedChannel;
  readonly link: ClientLink;
  readonly offer: LinkCapabilities;
  /** Of this very session and server; else null. */
  readonly ahead: Ahead | null;
}

class LinkRun {
  readonly #connection: ClientConnection;
  readonly #dependencies: LinkRunDependencies;
  readonly #source: ByteSource;
  readonly #startedAtMs: number;
  /** The attempt at a server; an earlier one, and one that is not taken, is abandoned. */
  #leg: ServerLeg | null = null;

  constructor(connection: ClientConnection, dependencies: LinkRunDependencies) {
    this.#connection = connection;
    this.#dependencies = dependencies;
    this.#source = new ByteSource(connection.stream);
    this.#startedAtMs = dependencies.nowMs();
    this.#source.gone.addEventListener("abort", this.#dropServer);
  }

  async link(): Promise<LinkedChannel | null> {
    const admission = await this.#untilStopping(async () => this.#admit());
    if (admission === null) {
      return null;
    }
    const { admitted } = admission;
    admitted.signal.addEventListener("abort", this.#dropServer);
    try {
      const opened = await this.#open(admission);
      if (opened.ok) {
        return opened.value;
      }
      await this.#endUnopened(admitted, opened.error);
      return null;
    } catch (error) {
      admitted.end(endWith({ code: "internal.error", detail: "a bug" }, "relay"));
      throw error;
    } finally {
      admitted.signal.removeEventListener("abort", this.#dropServer);
    }
  }

  /** Idempotent. */
  letGo(): void {
    this.#source.gone.removeEventListener("abort", this.#dropServer);
    this.#source.release();
    this.#dropServer();
  }

  /** Until a client is admitted it belongs to no session whose end would end it too. */
  async #untilStopping<Value>(work: () => Promise<Value>): Promise<Value> {
    const { stopping } = this.#dependencies;
    const drop = (): void => {
      this.#connection.stream.destroy();
      this.#source.giveUp();
    };
    stopping.addEventListener("abort", drop);
    if (stopping.aborted) {
      drop();
    }
    try {
      return await work();
    } finally {
      stopping.removeEventListener("abort", drop);
    }
  }

  /** Null when the client was refused, and told so. */
  async #admit(): Promise<Admission | null> {
    const { keyPool, admissions, limits } = this.#dependencies;
    const { stream, clientAddress } = this.#connection;
    const deadlineMs = limits.clientPhaseDeadlineMs;
    const linked = await readClientLink(this.#source, deadlineMs);
    if (!linked.ok) {
      return this.#refuse("reply", linked.error);
    }
    const link = linked.value;
    const ahead = await this.#reachAhead(link);
    if (!ahead.ok) {
      return this.#refuse("reply", ahead.error, ahead.error.holdMs);
    }
    const offer = offerFor(link.channel, ahead.value?.reached ?? null);
    const key = await keyPool.take();
    if (key === null) {
      const detail = "too many links wait for a key";
      return this.#refuse("reply", { code: "relay.full", detail });
    }
    const password = await exchangeTicket(this.#source, stream, { link, key, offer, deadlineMs });
    if (!password.ok) {
      return this.#refuse("result", password.error);
    }
    const { channel, channelId, connectionId } = link;
    const which = { channel, channelId, connectionId, clientAddress };
    const admitted = await admissions.admit({ password: password.value, ...which });
    if (!admitted.ok) {
      return this.#refuse("result", admitted.error, admitted.error.holdMs);
    }
    const isForeseen = ahead.value !== null && isSameServer(ahead.value.session, admitted.value);
    return { admitted: admitted.value, link, offer, ahead: isForeseen ? ahead.value : null };
  }

  /** Reaches the server of a session that is known already; null when none is. */
  async #reachAhead(link: ClientLink): Promise<Result<Ahead | null, Refusal>> {
    const { admissions } = this.#dependencies;
    const from = { channel: link.channel, clientAddress: this.#connection.clientAddress };
    for (const clue of cluesOf(this.#connection.clue, link)) {
      const foreseen = await admissions.foresee(clue, from);
      if (!foreseen.ok) {
        return foreseen;
      }
      const session = foreseen.value;
      if (session !== null) {
        const leg = this.#newLeg();
        return ok({ session, leg, reached: await leg.reach(session.target, link) });
      }
    }
    return ok(null);
  }

  /** Gets the hypervisor's consent, then tells the client. */
  async #open(admission: Admission): Promise<Result<LinkedChannel, Failure>> {
    const { admitted, link, offer } = admission;
    const agreed = headerKind(link.capabilities, offer);
    const server = await this.#enterServer(admission, agreed);
    if (!server.ok) {
      return server;
    }
    this.#connection.stream.write(encodeLinkResult(LINK_ERROR.OK));
    admitted.opened();
    const { observer, nowMs } = this.#dependencies;
    observer.linked(this.#connection, nowMs() - this.#startedAtMs);
    return ok({ admitted, channel: link.channel, headerKind: agreed, server: server.value });
  }

  async #enterServer(
    { admitted, link, ahead }: Admission,
    agreed: HeaderKind,
  ): Promise<Result<Duplex, Failure>> {
    const stated = agreed === "mini" ? link : withFullHeaders(link);
    const leg = ahead?.leg ?? this.#newLeg();
    if (admitted.signal.aborted) {
      leg.abandon();
    }
    const reached = ahead?.reached ?? (await leg.reach(admitted.target, stated));
    if (!reached.ok) {
      return reached;
    }
    if (headerKind(stated.capabilities, reached.value) !== agreed) {
      return fail({ code: "server.capability-missing", detail: "MINI_HEADER" });
    }
    const entered = await leg.enter(admitted.target.password);
    if (!entered.ok) {
      return entered;
    }
    if (admitted.signal.aborted || this.#source.gone.aborted) {
      return fail({ code: "link.closed", detail: "given up" });
    }
    this.#leg = null;
    return ok(leg.take());
  }

  /** The session ended first, or the client left, or the server failed: in this order. */
  async #endUnopened(admitted: AdmittedChannel, failure: Failure): Promise<void> {
    if (admitted.signal.aborted) {
      const end = admitted.signal.reason as ChannelEnd;
      admitted.end(end);
      await this.#refuse("result", { code: "relay.stopping", detail: end.detail });
      return;
    }
    if (this.#source.gone.aborted) {
      const left: Failure = { code: "link.closed", detail: "the client left during dialling" };
      admitted.end(endWith(left, "client"));
      this.#dependencies.observer.linkFailed(left, this.#connection);
      return;
    }
    // The session's account must not wait for the client to fetch its refusal.
    admitted.end(endWith(failure, "server"));
    await this.#refuse("result", failure);
  }

  async #refuse(stage: ClientStage, failure: Failure, holdMs = 0): Promise<null> {
    const { observer, limits } = this.#dependencies;
    const { stream } = this.#connection;
    // A stranger that is made to wait must not keep a connection at a hypervisor meanwhile.
    this.#dropServer();
    observer.linkFailed(failure, this.#connection);
    const client = { stream, source: this.#source };
    await tellRefusal(client, { stage, failure, holdMs }, limits.refusalLingerMs);
    return null;
  }

  /** The one server leg from now on. */
  #newLeg(): ServerLeg {
    this.#dropServer();
    const leg = new ServerLeg(this.#dependencies.limits);
    this.#leg = leg;
    if (this.#source.gone.aborted) {
      leg.abandon();
    }
    return leg;
  }

  readonly #dropServer = (): void => {
    this.#leg?.abandon();
  };
}

function endWith(failure: Failure, by: ChannelEnd["by"]): ChannelEnd {
  return { by, ...failure, clientBytes: 0, serverBytes: 0 };
}
