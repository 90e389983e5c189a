/**
 * One living session: its channels, its totals, and how it ends. Promises that each channel ends
 * once, that `session.ended` comes once and after the last channel's event, and that a session that
 * is ending takes no further channel. It never waits for the network: it aborts, the channels end.
 */
import type { SessionEndReason } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { sessionEndReason } from "./admission-rules.ts";
import type { SessionObserver } from "./observer.ts";
import type { AdmittedChannel, ChannelEnd, DialTarget, EventSink, Presented } from "./ports.ts";

export interface LivingSessionOptions {
  readonly grant: Grant;
  readonly target: DialTarget;
  readonly events: EventSink;
  readonly observer: SessionObserver;
  readonly nowMs: () => number;
  /** How long the other channels may live after the main channel. */
  readonly mainGraceMs: number;
  /** A channel is gone: its room is free. */
  readonly onChannelGone: () => void;
  /** The last channel is gone and `session.ended` is recorded. */
  readonly onEnded: () => void;
}

interface LivingChannel {
  readonly presented: Presented;
  readonly channelRef: string;
  readonly abort: AbortController;
  readonly admittedAtMs: number;
  opened: boolean;
}

interface Ending {
  readonly reason: SessionEndReason;
  readonly detail: string;
}

/** A session from the admission of its main channel to the end of its last channel. */
export class LivingSession {
  readonly #options: LivingSessionOptions;
  readonly #startedAtMs: number;
  readonly #channels = new Set<LivingChannel>();
  #learnedId: number | null = null;
  #ending: Ending | null = null;
  #grace: NodeJS.Timeout | null = null;
  #clientBytes = 0;
  #serverBytes = 0;

  constructor(options: LivingSessionOptions) {
    this.#options = options;
    this.#startedAtMs = options.nowMs();
  }

  get sessionId(): string {
    return this.#options.grant.sessionId;
  }

  get grant(): Grant {
    return this.#options.grant;
  }

  /** The connection id that later channels must name, or null before MAIN_INIT. */
  get learnedId(): number | null {
    return this.#learnedId;
  }

  get isEnding(): boolean {
    return this.#ending !== null;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  /** Makes room for one channel. The caller has judged that it may come. */
  reserve(presented: Presented, channelRef: string): AdmittedChannel {
    assert(!this.isEnding, "an ending session takes no channel");
    const channel: LivingChannel = {
      presented,
      channelRef,
      abort: new AbortController(),
      admittedAtMs: this.#options.nowMs(),
      opened: false,
    };
    this.#channels.add(channel);
    return {
      sessionId: this.sessionId,
      channelRef,
      target: this.#options.target,
      signal: channel.abort.signal,
      learnConnectionId: (connectionId) => {
        this.#learn(channel, connectionId);
      },
      opened: () => {
        this.#open(channel);
      },
      end: (end) => {
        this.#end(channel, end);
      },
    };
  }

  /** Ends every channel at once; the first reason given stays the session's. */
  endAll(code: "terminated" | "relay.stopping", detail: string): void {
    const end: ChannelEnd = { by: "relay", code, detail, clientBytes: 0, serverBytes: 0 };
    this.#ending ??= { reason: sessionEndReason(end, true), detail };
    this.#abortAll(end);
  }

  #learn(channel: LivingChannel, connectionId: number): void {
    // The first MAIN_INIT counts; zero would let any channel in before it.
    if (channel.presented.channel === "main" && connectionId !== 0) {
      this.#learnedId ??= connectionId;
    }
  }

  #open(channel: LivingChannel): void {
    assert(!channel.opened, "a channel opens once");
    if (!this.#channels.has(channel)) {
      return;
    }
    channel.opened = true;
    const { channel: name, channelId, clientAddress } = channel.presented;
    const { events, observer } = this.#options;
    const sessionId = this.sessionId;
    if (name === "main") {
      events.record({ type: "session.opened", sessionId, clientAddress });
    }
    events.record({ type: "channel.opened", sessionId, channel: name, channelId, clientAddress });
    observer.channelOpened(name);
  }

  #end(channel: LivingChannel, end: ChannelEnd): void {
    if (!this.#channels.delete(channel)) {
      return;
    }
    this.#clientBytes += end.clientBytes;
    this.#serverBytes += end.serverBytes;
    this.#recordChannelEnd(channel, end);
    this.#options.onChannelGone();
    if (channel.presented.channel === "main") {
      this.#mainEnded(channel, end);
    }
    if (this.#ending !== null && this.#channels.size === 0) {
      this.#finish(this.#ending);
    }
  }

  #recordChannelEnd(channel: LivingChannel, end: ChannelEnd): void {
    const { channel: name, channelId, clientAddress } = channel.presented;
    const sessionId = this.sessionId;
    const { events, observer } = this.#options;
    const detail = end.detail.slice(0, DETAIL_CHARACTERS_MAX);
    if (channel.opened) {
      const reason = end.code === "closed" ? `${end.by}-closed` : end.code;
      const { clientBytes, serverBytes } = end;
      const where = { sessionId, channel: name, channelId };
      events.record({ type: "channel.closed", ...where, reason, clientBytes, serverBytes });
    } else {
      const where = { sessionId, channel: name, channelId, clientAddress };
      events.record({ type: "channel.refused", ...where, code: end.code, detail });
    }
    observer.channelEnded({
      ...end,
      detail,
      sessionId,
      channelRef: channel.channelRef,
      channel: name,
      channelId,
      clientAddress,
      opened: channel.opened,
      durationMs: this.#options.nowMs() - channel.admittedAtMs,
    });
  }

  #mainEnded(channel: LivingChannel, end: ChannelEnd): void {
    const detail = channel.opened ? end.detail : `${end.code}: ${end.detail}`;
    this.#ending ??= {
      reason: sessionEndReason(end, channel.opened),
      detail: detail.slice(0, DETAIL_CHARACTERS_MAX),
    };
    if (this.#channels.size > 0) {
      // Why wait: a client that closes ends each channel itself, and that is the truer account.
      const last: ChannelEnd = { ...NOTHING_MOVED, by: end.by, detail: "the main channel ended" };
      this.#grace = setTimeout(() => {
        this.#abortAll(last);
      }, this.#options.mainGraceMs);
    }
  }

  #abortAll(end: ChannelEnd): void {
    for (const channel of this.#channels) {
      channel.abort.abort(end);
    }
  }

  #finish(ending: Ending): void {
    if (this.#grace !== null) {
      clearTimeout(this.#grace);
    }
    const summary = {
      sessionId: this.sessionId,
      reason: ending.reason,
      detail: ending.detail,
      clientBytes: this.#clientBytes,
      serverBytes: this.#serverBytes,
    };
    this.#options.events.record({ type: "session.ended", ...summary });
    const durationMs = this.#options.nowMs() - this.#startedAtMs;
    this.#options.observer.sessionEnded({ ...summary, durationMs });
    this.#options.onEnded();
  }
}

const NOTHING_MOVED = { code: "closed", clientBytes: 0, serverBytes: 0 } as const;
/** The contract's short text. */
const DETAIL_CHARACTERS_MAX = 1024;
