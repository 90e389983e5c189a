/**
 * What is told of one session: its events for the audit trail and its summaries for log and
 * metrics. Promises that `session.opened` is told once, and keeps the totals that the end tells.
 */
import { FIREWALL_FINDINGS_MAX, type SessionEndReason } from "#shared/audit/events.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import type { SessionObserver } from "./observer.ts";
import type { ChannelEnd, EventSink, PresentedChannel } from "./ports.ts";

/** Why a session ends; the first one that is given stays. */
export interface Ending {
  readonly reason: SessionEndReason;
  readonly detail: string;
}

/** What the account has to know of a channel. */
export interface AccountedChannel {
  readonly presented: PresentedChannel;
  readonly channelRef: string;
  readonly admittedAtMs: number;
  readonly opened: boolean;
}

export interface SessionAccountOptions {
  readonly grant: Grant;
  readonly events: EventSink;
  readonly observer: SessionObserver;
  readonly nowMs: () => number;
}

/** The account of one session. */
export class SessionAccount {
  readonly #options: SessionAccountOptions;
  readonly #startedAtMs: number;
  #isOpen = false;
  #clientBytes = 0;
  #serverBytes = 0;

  constructor(options: SessionAccountOptions) {
    this.#options = options;
    this.#startedAtMs = options.nowMs();
  }

  /** A channel was linked. */
  channelOpened({ presented }: AccountedChannel): void {
    const { channel, channelId, clientAddress } = presented;
    const { events, observer, grant } = this.#options;
    const { sessionId } = grant;
    if (channel === "main" && !this.#isOpen) {
      this.#isOpen = true;
      events.record({ type: "session.opened", sessionId, clientAddress });
    }
    events.record({ type: "channel.opened", sessionId, channel, channelId, clientAddress });
    observer.channelOpened(channel);
  }

  /** A channel has ended, or was refused after it had been admitted. */
  channelEnded(channel: AccountedChannel, end: ChannelEnd): void {
    this.#clientBytes += end.clientBytes;
    this.#serverBytes += end.serverBytes;
    const { events, observer, grant, nowMs } = this.#options;
    const { sessionId } = grant;
    const { clientAddress, channelId, channel: name } = channel.presented;
    const where = { sessionId, channel: name, channelId };
    const { findings = [], ...rest } = end;
    const detail = shortText(end.detail);
    if (channel.opened) {
      const reason = end.code === "closed" ? `${end.by}-closed` : end.code;
      const { clientBytes, serverBytes } = end;
      events.record({ type: "channel.closed", ...where, reason, clientBytes, serverBytes });
    } else {
      const { code } = end;
      events.record({ type: "channel.refused", ...where, clientAddress, code, detail });
    }
    const { channelRef, opened } = channel;
    const durationMs = nowMs() - channel.admittedAtMs;
    const summary = { ...where, clientAddress, channelRef, opened, durationMs };
    observer.channelEnded({ ...rest, ...summary, detail });
    if (findings.length > 0) {
      const found = { mode: grant.policy.firewall, findings: capped(findings) };
      events.record({ type: "channel.firewall", ...where, ...found });
      observer.channelFirewall({ ...where, clientAddress, channelRef, ...found });
    }
  }

  /** The session is over. */
  ended(ending: Ending): void {
    const { events, observer, grant, nowMs } = this.#options;
    const { sessionId } = grant;
    const totals = { clientBytes: this.#clientBytes, serverBytes: this.#serverBytes };
    const summary = { sessionId, reason: ending.reason, detail: ending.detail, ...totals };
    events.record({ type: "session.ended", ...summary });
    observer.sessionEnded({ ...summary, durationMs: nowMs() - this.#startedAtMs });
  }
}

/** What fits into the contract's short text. */
export function shortText(text: string): string {
  return text.slice(0, SHORT_TEXT_CHARACTERS_MAX);
}

function capped<Finding>(findings: readonly Finding[]): Finding[] {
  return findings.slice(0, FIREWALL_FINDINGS_MAX);
}

const SHORT_TEXT_CHARACTERS_MAX = 1024;
