/**
 * The ports between the data plane and everything that may fail without it: the byte loop and the
 * handshake know these interfaces and nothing of the control link, so that no outage of the control
 * plane reaches a living channel.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import type { Result } from "#shared/base/result.ts";
import type { Command, RelayEvent } from "#shared/control/contract.ts";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import type { ChannelName } from "#shared/spice/channel-names.ts";

/** Takes facts for the control plane. Never blocks and never throws; it spools and is bounded. */
export interface EventSink {
  record(event: RelayEvent): void;
}

/** Asks the control plane for the grant of a ticket that came before its grant. */
export interface GrantLookup {
  /** The grant's JWS, or why there is none. Settles within LOOKUP_DEADLINE_MS. */
  lookup(ticketHash: string): Promise<Result<string, TicketRefusalReason>>;
}

/** Carries out what the control plane pushes. Idempotent: a push may come twice. */
export interface CommandHandler {
  /** Null when applied; else why it can never be (a bad signature, another relay's grant). */
  apply(command: Command): Promise<Failure | null>;
}

/** What a client presented when it linked a channel. */
export interface Presented {
  /** The SPICE password as decrypted: a ticket, if all is well. */
  readonly password: string;
  readonly channel: ChannelName;
  readonly channelId: number;
  /** Zero for the first channel of a session (spice-protocol, SpiceLinkMess.connection_id). */
  readonly connectionId: number;
  readonly clientAddress: string;
}

/** Where to dial, with the hypervisor's password in clear (memory only). */
export interface DialTarget {
  readonly host: string;
  readonly port: number | null;
  readonly tlsPort: number | null;
  readonly ca: string | null;
  readonly hostSubject: string | null;
  readonly password: string;
}

/** Decides who comes in. The handshake's only way to the sessions. */
export interface Admissions {
  /** Judges the ticket and reserves the channel; on success the caller must call `end` once. */
  admit(presented: Presented): Promise<Result<AdmittedChannel, Failure>>;
}

/** A reserved channel of a living session. */
export interface AdmittedChannel {
  readonly sessionId: string;
  readonly channelRef: string;
  readonly target: DialTarget;
  /** Aborted when the session or the channel is to end; the reason is a ChannelEnd. */
  readonly signal: AbortSignal;
  /** The main channel's MAIN_INIT told the connection id that later channels must name. */
  learnConnectionId(connectionId: number): void;
  /** Both legs are linked: the channel is open. */
  opened(): void;
  /** Idempotent. `refused` when it never opened. */
  end(end: ChannelEnd): void;
}

/** Why and with what a channel ended. */
export interface ChannelEnd {
  readonly by: "client" | "server" | "relay";
  readonly code: ErrorCode | "closed" | "terminated";
  readonly detail: string;
  /** Bytes from the client and from the server. */
  readonly clientBytes: number;
  readonly serverBytes: number;
}
