/**
 * One client connection, from its first byte to its last: client link, ticket, admission, server
 * leg, and only then the client's OK and the pump. Promises that nothing is dialled for a refused
 * client, that a client is told OK only when the hypervisor has let it in (else the true SPICE
 * error), that an admitted channel ends exactly once, and that the stream is destroyed in the end.
 */
import type { Duplex } from "node:stream";
import type { Failure } from "#shared/errors/catalogue.ts";
import { encodeLinkResult, LINK_ERROR } from "#shared/spice/link.ts";
import type { DataPlaneLimits } from "../limits.ts";
import type { ClientConnection } from "../listen/client-connection.ts";
import { runChannel, type TrafficTotals } from "../pump/run-channel.ts";
import type { Admissions, AdmittedChannel, ChannelEnd } from "../sessions/ports.ts";
import { ByteSource } from "./byte-source.ts";
import {
  type ClientLink,
  type ClientStage,
  encodeRefusal,
  exchangeTicket,
  readClientLink,
} from "./client-leg.ts";
import { dialTarget } from "./dial.ts";
import type { KeyPool } from "./key-pool.ts";
import { linkServer } from "./server-leg.ts";

/** Told how each connection's link ended; must neither throw nor wait. */
export interface LinkObserver {
  linked(durationMs: number): void;
  linkFailed(failure: Failure, clientAddress: string): void;
}

export interface LinkDependencies {
  readonly keyPool: KeyPool;
  readonly admissions: Admissions;
  readonly observer: LinkObserver;
  readonly limits: DataPlaneLimits;
  readonly traffic: TrafficTotals;
  readonly nowMs: () => number;
  /** Aborted when the relay stops: links that were not admitted yet end at once. */
  readonly stopping: AbortSignal;
}

/** Carries one connection to its end. Rejects only for a bug of ours, the stream destroyed. */
export async function carryConnection(
  connection: ClientConnection,
  dependencies: LinkDependencies,
): Promise<void> {
  const { stream } = connection;
  // Why: whoever listens to the stream comes and goes; an error must never find nobody.
  stream.on("error", ignoreError);
  try {
    await new LinkRun(connection, dependencies).run();
  } finally {
    stream.destroy();
  }
}

class LinkRun {
  readonly #connection: ClientConnection;
  readonly #dependencies: LinkDependencies;
  readonly #source: ByteSource;
  readonly #startedAtMs: number;

  constructor(connection: ClientConnection, dependencies: LinkDependencies) {
    this.#connection = connection;
    this.#dependencies = dependencies;
    this.#source = new ByteSource(connection.stream);
    this.#startedAtMs = dependencies.nowMs();
  }

  async run(): Promise<void> {
    const admission = await this.#admit();
    if (admission === null) {
      return;
    }
    const { channel, link } = admission;
    let end: ChannelEnd = endWith({ code: "internal.error", detail: "a bug" }, "relay");
    try {
      end = await this.#carry(channel, link);
    } finally {
      channel.end(end);
    }
  }

  /** Null when the client was refused, and told so. */
  async #admit(): Promise<{ channel: AdmittedChannel; link: ClientLink } | null> {
    const { keyPool, admissions, limits, stopping } = this.#dependencies;
    const { stream, clientAddress } = this.#connection;
    const drop = (): void => {
      stream.destroy();
    };
    stopping.addEventListener("abort", drop);
    try {
      const link = await readClientLink(this.#source, limits.clientPhaseDeadlineMs);
      if (!link.ok) {
        return await this.#refuse("reply", link.error);
      }
      const key = await keyPool.take();
      if (key === null) {
        const detail = "too many links wait for a key";
        return await this.#refuse("reply", { code: "relay.full", detail });
      }
      const { channel, channelId, connectionId } = link.value;
      const deadlineMs = limits.clientPhaseDeadlineMs;
      const password = await exchangeTicket(this.#source, stream, { key, channel, deadlineMs });
      if (!password.ok) {
        return await this.#refuse("result", password.error);
      }
      const which = { channel, channelId, connectionId, clientAddress };
      const admitted = await admissions.admit({ password: password.value, ...which });
      if (!admitted.ok) {
        return await this.#refuse("result", admitted.error);
      }
      return { channel: admitted.value, link: link.value };
    } finally {
      stopping.removeEventListener("abort", drop);
    }
  }

  async #carry(channel: AdmittedChannel, link: ClientLink): Promise<ChannelEnd> {
    const { stream } = this.#connection;
    const { limits, traffic, observer, nowMs } = this.#dependencies;
    const giveUp = AbortSignal.any([channel.signal, this.#source.gone]);
    const server = await this.#openServer(channel, link, giveUp);
    if (!("stream" in server)) {
      return this.#endUnopened(channel, server);
    }
    stream.write(encodeLinkResult(LINK_ERROR.OK));
    this.#source.release();
    channel.opened();
    observer.linked(nowMs() - this.#startedAtMs);
    return runChannel({
      client: stream,
      server: server.stream,
      channel: link.channel,
      signal: channel.signal,
      endLingerMs: limits.endLingerMs,
      onConnectionId: (connectionId) => {
        channel.learnConnectionId(connectionId);
      },
      traffic,
    });
  }

  /** The hypervisor's stream, linked; or why there is none. */
  async #openServer(
    channel: AdmittedChannel,
    link: ClientLink,
    giveUp: AbortSignal,
  ): Promise<{ readonly stream: Duplex } | Failure> {
    const { limits } = this.#dependencies;
    const dialled = await dialTarget(channel.target, {
      deadlineMs: limits.serverConnectDeadlineMs,
      keepAliveIdleMs: limits.keepAliveIdleMs,
      signal: giveUp,
    });
    if (!dialled.ok) {
      return dialled.error;
    }
    const stream = dialled.value;
    const drop = (): void => {
      stream.destroy();
    };
    giveUp.addEventListener("abort", drop);
    const deadlineMs = limits.serverLinkDeadlineMs;
    const { password } = channel.target;
    const linked = await linkServer(stream, { link, password, deadlineMs });
    giveUp.removeEventListener("abort", drop);
    if (linked.ok && !giveUp.aborted) {
      return { stream };
    }
    stream.destroy();
    return linked.ok ? { code: "link.closed", detail: "given up" } : linked.error;
  }

  /** The session ended first, or the client left, or the server failed: in this order. */
  async #endUnopened(channel: AdmittedChannel, failure: Failure): Promise<ChannelEnd> {
    const { observer } = this.#dependencies;
    const { clientAddress } = this.#connection;
    if (channel.signal.aborted) {
      const end = channel.signal.reason as ChannelEnd;
      channel.end(end);
      await this.#refuse("result", { code: "relay.stopping", detail: end.detail });
      return end;
    }
    if (this.#source.gone.aborted) {
      const left: Failure = { code: "link.closed", detail: "the client left during dialling" };
      observer.linkFailed(left, clientAddress);
      return endWith(left, "client");
    }
    // The session's account must not wait for the client to fetch its refusal.
    const end = endWith(failure, "server");
    channel.end(end);
    await this.#refuse("result", failure);
    return end;
  }

  /** Tells the client, lets it fetch that, and closes. */
  async #refuse(stage: ClientStage, failure: Failure): Promise<null> {
    const { observer, limits } = this.#dependencies;
    const { stream, clientAddress } = this.#connection;
    observer.linkFailed(failure, clientAddress);
    this.#source.release();
    const refusal = encodeRefusal(stage, failure);
    if (refusal !== null && !stream.destroyed) {
      await flushAndClose(stream, refusal, limits.refusalLingerMs);
    }
    return null;
  }
}

/** Writes the last bytes, then waits for the peer's end or the linger, whichever comes first. */
async function flushAndClose(stream: Duplex, bytes: Uint8Array, lingerMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, lingerMs);
    stream.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    // Unread bytes would turn the close into a reset, which can overtake the refusal.
    stream.once("end", () => {
      stream.destroy();
    });
    stream.resume();
    stream.end(bytes);
  });
}

function endWith(failure: Failure, by: ChannelEnd["by"]): ChannelEnd {
  return { by, ...failure, clientBytes: 0, serverBytes: 0 };
}

function ignoreError(): void {
  // The 'close' that follows is what everyone waits for.
}
