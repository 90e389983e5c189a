/**
 * One living session: its channels, its deadlines, and how it ends. Promises that each channel ends
 * once, that `session.ended` comes once and after the last channel's event, that a session which is
 * ending takes no further channel, and that its policy's times hold without anybody's help. It
 * never waits for the network: it aborts, and the channels end.
 */
import { assert } from "#shared/base/assert.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { awaitsReturn, sessionEndReason } from "./admission-rules.ts";
import { type Deadlines, OwnDeadlines } from "./deadlines.ts";
import { silenceAllowedMs } from "./enforcement.ts";
import type { SessionObserver } from "./observer.ts";
import type {
  AdmittedChannel,
  ChannelEnd,
  ControlContact,
  DialTarget,
  EventSink,
  Presented,
  PresentedChannel,
  SessionStop,
} from "./ports.ts";
import { type Ending, SessionAccount, shortText } from "./session-account.ts";

export interface LivingSessionOptions {
  readonly grant: Grant;
  /** shared/ticket/session-label.ts */
  readonly label: string;
  readonly target: DialTarget;
  readonly events: EventSink;
  readonly observer: SessionObserver;
  /** The deadlines' clock. */
  readonly nowMs: () => number;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly contact: ControlContact;
  readonly deadlines: Deadlines;
  /** How long the other channels may live after the main channel. */
  readonly mainGraceMs: number;
  /** The connection id that later channels must name has changed; null: none. */
  readonly onConnectionId: (connectionId: number | null, before: number | null) => void;
  /** A channel is gone: its room is free. */
  readonly onChannelGone: () => void;
  /** The last channel is gone and `session.ended` is recorded. */
  readonly onEnded: () => void;
}

interface LivingChannel {
  readonly presented: PresentedChannel;
  readonly channelRef: string;
  readonly abort: AbortController;
  readonly admittedAtMs: number;
  opened: boolean;
}

/** A session from the admission of its main channel to the end of its last channel. */
export class LivingSession {
  readonly #options: LivingSessionOptions;
  readonly #account: SessionAccount;
  readonly #channels = new Set<LivingChannel>();
  readonly #armed: OwnDeadlines<DeadlineKind>;
  /** The main channel, from its admission to its end. */
  #main: LivingChannel | null = null;
  #learnedId: number | null = null;
  #touchedAtMs = 0;
  /** The client was lost and may come back: what the session ends with if it does not. */
  #loss: Ending | null = null;
  #ending: Ending | null = null;
  #isOver = false;

  constructor(options: LivingSessionOptions) {
    this.#options = options;
    this.#account = new SessionAccount(options);
    this.#armed = new OwnDeadlines(options.deadlines);
  }

  get sessionId(): string {
    return this.#options.grant.sessionId;
  }

  get grant(): Grant {
    return this.#options.grant;
  }

  get label(): string {
    return this.#options.label;
  }

  get target(): DialTarget {
    return this.#options.target;
  }

  /** The connection id that later channels must name, or null before MAIN_INIT. */
  get learnedId(): number | null {
    return this.#learnedId;
  }

  get isEnding(): boolean {
    return this.#ending !== null;
  }

  /** Its client was lost and has not come back yet. */
  get awaitsClient(): boolean {
    return this.#loss !== null && this.#main === null && !this.isEnding;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  /** Makes room for one channel. The caller has judged that it may come. */
  reserve(presented: Presented, channelRef: string): AdmittedChannel {
    assert(!this.isEnding, "an ending session takes no channel");
    const { channel: name, channelId, clientAddress } = presented;
    const channel: LivingChannel = {
      presented: { channel: name, channelId, clientAddress },
      channelRef,
      abort: new AbortController(),
      admittedAtMs: this.#options.nowMs(),
      opened: false,
    };
    if (name === "main") {
      assert(this.#main === null, "a session has one main channel");
      // A client that is back has given up what is left of its earlier channels.
      this.#abortAll({ ...NOTHING_MOVED, by: "client", detail: "the client came back" });
      this.#main = channel;
    }
    this.#channels.add(channel);
    return this.#handleOf(channel);
  }

  /** Ends every channel at once; the first reason given stays the session's. */
  endAll(code: SessionStop | "relay.stopping", detail: string): void {
    const end: ChannelEnd = { ...NOTHING_MOVED, by: "relay", code, detail: shortText(detail) };
    this.#ending ??= { reason: sessionEndReason(end, true), detail: end.detail };
    this.#abortAll(end);
    this.#finishWhenEmpty();
  }

  /** The relay is drained: the session has to be gone from here by then. */
  leaveBy(atMs: number): void {
    this.#armed.arm("drain", atMs, () => {
      this.endAll("drained", "the relay was drained and its deadline passed");
    });
  }

  /** The relay is drained no more. */
  stay(): void {
    this.#armed.disarm("drain");
  }

  #handleOf(channel: LivingChannel): AdmittedChannel {
    return {
      sessionId: this.sessionId,
      channelRef: channel.channelRef,
      target: this.target,
      firewall: this.grant.policy.firewall,
      signal: channel.abort.signal,
      learnConnectionId: (connectionId) => {
        this.#learn(channel, connectionId);
      },
      opened: () => {
        this.#open(channel);
      },
      touch: () => {
        this.#touchedAtMs = this.#options.nowMs();
      },
      end: (end) => {
        this.#end(channel, end);
      },
    };
  }

  #learn(channel: LivingChannel, connectionId: number): void {
    // The first MAIN_INIT counts; zero would let any channel in before it.
    if (channel === this.#main && connectionId !== 0 && this.#learnedId === null) {
      this.#setConnectionId(connectionId);
    }
  }

  #setConnectionId(connectionId: number | null): void {
    const before = this.#learnedId;
    this.#learnedId = connectionId;
    if (before !== connectionId) {
      this.#options.onConnectionId(connectionId, before);
    }
  }

  #open(channel: LivingChannel): void {
    assert(!channel.opened, "a channel opens once");
    if (!this.#channels.has(channel)) {
      return;
    }
    channel.opened = true;
    this.#touchedAtMs = this.#options.nowMs();
    this.#account.channelOpened(channel);
    if (channel === this.#main) {
      this.#mainOpened();
    }
  }

  #mainOpened(): void {
    if (this.isEnding) {
      return;
    }
    const isReturn = this.#loss !== null;
    this.#loss = null;
    this.#armed.disarm("window");
    this.#watchIdle();
    if (!isReturn) {
      this.#boundTime();
      this.#watchControl();
    }
  }

  /** What is armed here runs on while the session waits for its client. */
  #boundTime(): void {
    const { policy, notAfterMs } = this.grant;
    const { durationS } = policy;
    const nowMs = this.#options.nowMs();
    if (durationS !== null) {
      this.#armed.arm("duration", nowMs + durationS * 1000, () => {
        this.endAll("duration-exceeded", `its policy allows ${durationS} s`);
      });
    }
    if (notAfterMs !== null) {
      // From here on by the steady clock, which nobody sets.
      this.#armed.arm("hours", nowMs + notAfterMs - this.#options.wallMs(), () => {
        this.endAll("outside-hours", "the hours that its policies allow are over");
      });
    }
  }

  /** One deadline, moved on when it finds that the control plane was heard since. */
  #watchControl(): void {
    const allowedMs = silenceAllowedMs(this.grant);
    if (allowedMs === null) {
      return;
    }
    const leftMs = allowedMs - this.#options.contact.silentMs();
    if (leftMs <= 0) {
      const detail = `nothing was heard from the control plane for ${allowedMs / 1000} s`;
      this.endAll("control-lost", detail);
    } else {
      this.#armed.arm("control", this.#options.nowMs() + leftMs, () => {
        this.#watchControl();
      });
    }
  }

  /** One deadline, moved on when it finds that something flowed: touches are many and cost nothing. */
  #watchIdle(): void {
    const { idleS } = this.grant.policy;
    if (idleS === null) {
      return;
    }
    const idleAtMs = this.#touchedAtMs + idleS * 1000 + TOUCH_LATENESS_MS;
    this.#armed.arm("idle", idleAtMs, () => {
      if (this.#touchedAtMs + idleS * 1000 + TOUCH_LATENESS_MS > this.#options.nowMs()) {
        this.#watchIdle();
      } else {
        this.endAll("idle", `nothing moved for ${idleS} s`);
      }
    });
  }

  #end(channel: LivingChannel, end: ChannelEnd): void {
    if (!this.#channels.delete(channel)) {
      return;
    }
    this.#account.channelEnded(channel, end);
    this.#options.onChannelGone();
    if (channel === this.#main) {
      this.#main = null;
      this.#setConnectionId(null);
      this.#mainEnded(channel, end);
    }
    this.#finishWhenEmpty();
  }

  #mainEnded(channel: LivingChannel, end: ChannelEnd): void {
    const { opened } = channel;
    if (this.isEnding || (this.#loss !== null && !opened && this.#armed.isArmed("window"))) {
      // A client that tried in vain to come back may try again until its window is over.
      return;
    }
    const detail = opened ? end.detail : `${end.code}: ${end.detail}`;
    const ending = { reason: sessionEndReason(end, opened), detail: shortText(detail) };
    const { reconnectWindowS } = this.grant.policy;
    if (awaitsReturn(end, { opened, reconnectWindowS })) {
      this.#awaitReturn(ending, reconnectWindowS);
    } else {
      this.#ending = this.#loss ?? ending;
    }
    if (this.#channels.size > 0) {
      // Why wait: a client that closes ends each channel itself, and that is the truer account.
      const last: ChannelEnd = { ...NOTHING_MOVED, by: end.by, detail: "the main channel ended" };
      this.#armed.arm("grace", this.#options.nowMs() + this.#options.mainGraceMs, () => {
        this.#abortAll(last);
      });
    }
  }

  #awaitReturn(ending: Ending, windowS: number): void {
    this.#loss = ending;
    // Without channels nothing can move: the window bounds the wait.
    this.#armed.disarm("idle");
    this.#armed.arm("window", this.#options.nowMs() + windowS * 1000, () => {
      if (this.#main === null) {
        this.#ending ??= ending;
        this.#finishWhenEmpty();
      }
    });
  }

  #abortAll(end: ChannelEnd): void {
    this.#armed.disarm("grace");
    for (const channel of this.#channels) {
      channel.abort.abort(end);
    }
  }

  #finishWhenEmpty(): void {
    if (this.#ending === null || this.#channels.size > 0 || this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#armed.disarmAll();
    this.#account.ended(this.#ending);
    this.#options.onEnded();
  }
}

type DeadlineKind = "grace" | "window" | "idle" | "duration" | "hours" | "control" | "drain";

const NOTHING_MOVED = { code: "closed", clientBytes: 0, serverBytes: 0 } as const;
/**
 * How late it may be known that something flowed: a channel tells it once a second at most, and a
 * worker process passes it on as often. No session ends before it could be known.
 */
const TOUCH_LATENESS_MS = 2_000;
