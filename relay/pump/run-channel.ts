/**
 * Both directions of one channel, from linked to gone. Promises that it resolves once, that both
 * streams are destroyed then, and that nothing hangs: when one side ends, what is under way to the
 * other may flow off for a bounded time; when the session ends, both end at once.
 */
import type { Duplex } from "node:stream";
import type { FirewallMode } from "#shared/policy/policy.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import type { HeaderKind } from "#shared/spice/header.ts";
import type { ChannelEnd } from "../sessions/ports.ts";
import { ChannelFirewall, type ChannelFirewallOptions } from "./firewall.ts";
import { MessageJudge } from "./message-judge.ts";
import { Pump } from "./pump.ts";
import type { Stallable, StallWatch } from "./stall-watch.ts";

/** Bytes forwarded by all channels together, for metrics. */
export interface TrafficTotals {
  clientBytes: number;
  serverBytes: number;
}

export interface RunChannelOptions {
  readonly client: Duplex;
  readonly server: Duplex;
  readonly channel: ChannelName;
  /** What both sides agreed on. */
  readonly headerKind: HeaderKind;
  readonly firewall: FirewallMode;
  /** Aborting ends both sides at once; the reason is a ChannelEnd. */
  readonly signal: AbortSignal;
  readonly endLingerMs: number;
  /** Ends the channel when one side takes nothing for too long. */
  readonly stalls: StallWatch;
  /** Milliseconds of any clock. */
  readonly nowMs: () => number;
  /** The client leg is TLS with SPICE directly in it (see PumpOptions). */
  readonly splitsLastMessage: boolean;
  readonly onConnectionId: (connectionId: number) => void;
  /** Something other than housekeeping flowed, either way. Called once a second at most. */
  readonly onActivity: () => void;
  readonly onFinding: ChannelFirewallOptions["onFinding"];
  readonly traffic: TrafficTotals;
}

/** Carries the channel until it ends, and says how it ended. Never rejects. */
export async function runChannel(options: RunChannelOptions): Promise<ChannelEnd> {
  return new Promise((resolve) => {
    new ChannelRun(options, resolve).start();
  });
}

type SideName = "client" | "server";
type Cause = Pick<ChannelEnd, "by" | "code" | "detail">;

interface Side {
  readonly name: SideName;
  readonly stream: Duplex;
  /** Forwards what this side sends. */
  readonly pump: Pump;
  /** Nothing more comes from it. */
  hasEnded: boolean;
  /** All that was written to it has left, and it knows that no more follows. */
  hasFinished: boolean;
  isClosed: boolean;
  error: Error | null;
}

class ChannelRun implements Stallable {
  readonly #options: RunChannelOptions;
  readonly #resolve: (end: ChannelEnd) => void;
  readonly #client: Side;
  readonly #server: Side;
  readonly #firewall: ChannelFirewall;
  #activityAtMs = -Infinity;
  #cause: Cause | null = null;
  #linger: NodeJS.Timeout | null = null;
  #isDone = false;

  constructor(options: RunChannelOptions, resolve: (end: ChannelEnd) => void) {
    this.#options = options;
    this.#resolve = resolve;
    const { channel, firewall: mode, onFinding } = options;
    this.#firewall = new ChannelFirewall({ channel, mode, onFinding });
    this.#client = this.#makeSide("client");
    this.#server = this.#makeSide("server");
  }

  start(): void {
    const { signal } = this.#options;
    signal.addEventListener("abort", this.#onAbort);
    if (signal.aborted) {
      this.#onAbort();
      return;
    }
    this.#watch(this.#client, this.#server);
    this.#watch(this.#server, this.#client);
    this.#options.stalls.watch(this);
    this.#client.pump.start();
    this.#server.pump.start();
  }

  heldSinceMs(): number | null {
    const client = this.#client.pump.heldSinceMs;
    const server = this.#server.pump.heldSinceMs;
    return client === null || server === null ? (client ?? server) : Math.min(client, server);
  }

  stalled(): void {
    // What the server sends is held by the client, and the other way round.
    const by = this.#server.pump.heldSinceMs === this.heldSinceMs() ? "client" : "server";
    this.#cause ??= { by, code: "channel.stalled", detail: `the ${by} takes nothing` };
    this.#finish();
  }

  #makeSide(name: SideName): Side {
    const { client, server, headerKind, splitsLastMessage, nowMs, traffic } = this.#options;
    const stream = name === "client" ? client : server;
    const pump = new Pump({
      from: stream,
      to: name === "client" ? server : client,
      headerKind,
      judge: this.#makeJudge(name),
      splitsLastMessage: splitsLastMessage && name === "server",
      nowMs,
      onForwarded: (byteCount) => {
        traffic[`${name}Bytes`] += byteCount;
      },
      onActivity: this.#onActivity,
      onViolation: (code, detail) => {
        this.#violated(name, { by: name, code, detail });
      },
    });
    const state = { hasEnded: false, hasFinished: false, isClosed: false, error: null };
    return { name, stream, pump, ...state };
  }

  #makeJudge(direction: SideName): MessageJudge {
    const { channel, headerKind, onConnectionId } = this.#options;
    const firewall = this.#firewall;
    return new MessageJudge({ channel, direction, headerKind, firewall, onConnectionId });
  }

  readonly #onActivity = (nowMs: number): void => {
    const sinceMs = nowMs - this.#activityAtMs;
    // A clock that was set back must not silence the channel.
    if (sinceMs >= ACTIVITY_INTERVAL_MS || sinceMs < 0) {
      this.#activityAtMs = nowMs;
      this.#options.onActivity();
    }
  };

  #watch(side: Side, other: Side): void {
    side.stream.on("error", (error) => {
      side.error ??= error;
    });
    // `on` although each comes once: what `once` adds to a listener stays as long as the channel.
    side.stream.on("end", () => {
      side.hasEnded = true;
      this.#ending({ by: side.name, code: "closed", detail: "" }, other);
    });
    side.stream.on("finish", () => {
      side.hasFinished = true;
      this.#finishWhenDone();
    });
    side.stream.on("close", () => {
      this.#closed(side, other);
    });
    if (side.stream.destroyed) {
      this.#closed(side, other);
    }
  }

  #closed(side: Side, other: Side): void {
    side.isClosed = true;
    side.hasEnded = true;
    // Nobody is left to read what the other side sends: it is read and dropped, because closing a
    // socket with unread bytes resets it and loses what was under way to its peer.
    other.pump.stop();
    other.stream.resume();
    const detail = side.error === null ? "" : side.error.message;
    this.#ending({ by: side.name, code: "closed", detail }, other);
  }

  #violated(name: SideName, cause: Cause): void {
    const [side, other] =
      name === "client" ? [this.#client, this.#server] : [this.#server, this.#client];
    const isOurs = cause.code === "internal.error";
    this.#cause ??= isOurs ? { ...cause, by: "relay" } : cause;
    side.stream.destroy();
    this.#closed(side, other);
  }

  /** One side gives no more: the other gets what is under way, and then its end. */
  #ending(cause: Cause, other: Side): void {
    this.#cause ??= cause;
    other.stream.end();
    this.#linger ??= setTimeout(() => {
      this.#finish();
    }, this.#options.endLingerMs);
    this.#finishWhenDone();
  }

  #finishWhenDone(): void {
    const isOver = (side: Side): boolean => side.isClosed || (side.hasEnded && side.hasFinished);
    if (isOver(this.#client) && isOver(this.#server)) {
      this.#finish();
    }
  }

  readonly #onAbort = (): void => {
    this.#cause ??= this.#options.signal.reason as ChannelEnd;
    this.#finish();
  };

  #finish(): void {
    if (this.#isDone) {
      return;
    }
    this.#isDone = true;
    this.#options.stalls.forget(this);
    if (this.#linger !== null) {
      clearTimeout(this.#linger);
    }
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    for (const side of [this.#client, this.#server]) {
      side.pump.stop();
      side.stream.destroy();
    }
    const { by, code, detail } = this.#cause ?? { by: "relay", code: "closed", detail: "" };
    const findings = this.#firewall.findings();
    this.#resolve({
      by,
      code,
      detail,
      clientBytes: this.#client.pump.forwardedBytes,
      serverBytes: this.#server.pump.forwardedBytes,
      ...(findings.length === 0 ? {} : { findings }),
    });
  }
}

/** Whoever measures idleness does so in seconds. */
const ACTIVITY_INTERVAL_MS = 1_000;
