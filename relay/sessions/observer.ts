/**
 * What log and metrics learn from the sessions: one summary for each unit of work that ended. The
 * audit trail has its own port (EventSink); nothing here leaves the relay.
 */
import type { SessionEndReason, TicketRefusalReason } from "#shared/audit/events.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";
import type { ChannelEnd } from "./ports.ts";

export interface ChannelSummary extends ChannelEnd {
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
  ticketRefused(reason: TicketRefusalReason, channel: ChannelName, clientAddress: string): void;
  /** Refused by policy or for want of room, before it was admitted. */
  channelRefused(code: ErrorCode, channel: ChannelName, clientAddress: string): void;
  channelOpened(channel: ChannelName): void;
  channelEnded(summary: ChannelSummary): void;
  sessionEnded(summary: SessionSummary): void;
}
