/**
 * What log and metrics learn from the sessions: one summary for each unit of work that ended. The
 * audit trail has its own port (EventSink); nothing here leaves the relay.
 */
import type {
  FirewallFinding,
  SessionEndReason,
  TicketRefusalReason,
} from "#shared/audit/events.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import type { FirewallMode } from "#shared/policy/policy.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import type { ChannelEnd } from "./ports.ts";

export interface ChannelSummary extends Omit<ChannelEnd, "findings"> {
  readonly sessionId: string;
  readonly channelRef: string;
  readonly channel: ChannelName;
  readonly channelId: number;
  readonly clientAddress: string;
  /** False: it was admitted but never linked. */
  readonly opened: boolean;
  /** From admission to end. */
  readonly durationMs: number;
}

/** What the firewall found on one channel that has ended. */
export interface FirewallSummary {
  readonly sessionId: string;
  readonly channelRef: string;
  readonly channel: ChannelName;
  readonly channelId: number;
  readonly clientAddress: string;
  readonly mode: FirewallMode;
  readonly findings: readonly FirewallFinding[];
}

export interface SessionSummary {
  readonly sessionId: string;
  readonly reason: SessionEndReason;
  readonly detail: string;
  readonly durationMs: number;
  readonly clientBytes: number;
  readonly serverBytes: number;
}

/** Told synchronously; must neither throw nor wait. */
export interface SessionObserver {
  /** Of refusals that come in numbers, `count` at once: those that are alike and of one minute. */
  ticketRefused(
    reason: TicketRefusalReason,
    channel: ChannelName,
    clientAddress: string,
    count: number,
  ): void;
  /** Refused by policy or for want of room, before it was admitted. */
  channelRefused(
    code: ErrorCode,
    channel: ChannelName,
    refused: { readonly clientAddress: string; readonly count: number },
  ): void;
  channelOpened(channel: ChannelName): void;
  channelEnded(summary: ChannelSummary): void;
  /** After `channelEnded`, when there is a finding. */
  channelFirewall(summary: FirewallSummary): void;
  sessionEnded(summary: SessionSummary): void;
}
