/**
 * The ports between the data plane and everything that may fail without it: the byte loop and the
 * handshake know these interfaces and nothing of the control link, so that no outage of the control
 * plane reaches a living channel.
 */
import type { FirewallFinding, TicketRefusalReason } from "#shared/audit/events.ts";
import type { Result } from "#shared/base/result.ts";
import type { Command, RelayEvent } from "#shared/control/contract.ts";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import type { FirewallMode } from "#shared/policy/policy.ts";
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

/** What of the control plane's pushes is about grants and sessions. */
export type SessionCommand = Exclude<Command, { kind: "drain" }>;

/** Carries out what the control plane pushes. Idempotent: a push may come twice. */
export interface CommandHandler {
  /** Null when applied; else why it can never be (a bad signature, another relay's grant). */
  apply(command: SessionCommand): Promise<Failure | null>;
}

/** How old what the control plane ordered may be. */
export interface ControlContact {
  /** Milliseconds since it was last heard; Infinity when it never was. */
  silentMs(): number;
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

/** What of it an account needs; the ticket is not kept. */
export type PresentedChannel = Pick<Presented, "channel" | "channelId" | "clientAddress">;

/** What may tell of a connection's session before its SPICE ticket does. */
export type SessionClue =
  /** The pseudo host of an HTTP CONNECT (shared/ticket/session-label.ts). Not a credential. */
  | { readonly kind: "label"; readonly label: string }
  /** The token of a web console: a ticket, judged like one, used up by nothing but its main channel. */
  | { readonly kind: "token"; readonly token: string }
  /** A later channel's connection id, which only its session's client was told. */
  | { readonly kind: "connection-id"; readonly connectionId: number };

/** Where to dial, with the hypervisor's password in clear (memory only). */
export interface DialTarget {
  readonly host: string;
  readonly port: number | null;
  readonly tlsPort: number | null;
  readonly ca: string | null;
  readonly hostSubject: string | null;
  /** `http://[user:password@]host:port` of a proxy to dial through, or null. */
  readonly proxy: string | null;
  readonly password: string;
}

/** How to reach a target, without what it takes to enter. */
export type DialRoute = Omit<DialTarget, "password">;

/** Why a client is refused, and how long its answer is withheld (0 for the first mistakes). */
export interface Refusal extends Failure {
  readonly holdMs: number;
}

/** Decides who comes in. The handshake's only way to the sessions. */
export interface Admissions {
  /**
   * The session that a clue tells of, so that its server can be dialled before the ticket comes and
   * offered exactly. Reserves nothing and uses nothing up; null when the clue tells of none, which
   * is no refusal. A token that is no usable ticket is a refusal.
   * @param from who gave the clue, for the account of a refusal.
   */
  foresee(
    clue: SessionClue,
    from?: Pick<Presented, "channel" | "clientAddress">,
  ): Promise<Result<ForeseenSession | null, Refusal>>;
  /** Judges the ticket and reserves the channel; on success the caller must call `end` once. */
  admit(presented: Presented): Promise<Result<AdmittedChannel, Refusal>>;
}

/**
 * A session that a clue told of. Without the password: most clues are no credentials, and only an
 * admission may bring it to where a stranger's bytes are read.
 */
export interface ForeseenSession {
  readonly sessionId: string;
  readonly target: DialRoute;
}

/** A reserved channel of a living session. */
export interface AdmittedChannel {
  readonly sessionId: string;
  readonly channelRef: string;
  /** Until it is opened: an open channel has no use for a password. */
  readonly target: DialTarget;
  readonly firewall: FirewallMode;
  /** Aborted when the session or the channel is to end; the reason is a ChannelEnd. */
  readonly signal: AbortSignal;
  /** The main channel's MAIN_INIT told the connection id that later channels must name. */
  learnConnectionId(connectionId: number): void;
  /** Both legs are linked: the channel is open. */
  opened(): void;
  /** Something other than housekeeping flowed, either way. Called once a second at most. */
  touch(): void;
  /** Idempotent. `refused` when it never opened. */
  end(end: ChannelEnd): void;
}

/** Ends that the relay itself decides on, and that are nobody's error. */
export type SessionStop =
  | "terminated"
  | "taken-over"
  | "idle"
  | "duration-exceeded"
  | "outside-hours"
  | "control-lost"
  | "drained";

/** Why and with what a channel ended. */
export interface ChannelEnd {
  readonly by: "client" | "server" | "relay";
  readonly code: ErrorCode | SessionStop | "closed";
  readonly detail: string;
  /** Bytes from the client and from the server. */
  readonly clientBytes: number;
  readonly serverBytes: number;
  /** What the firewall found, enforced or only observed; absent: nothing. */
  readonly findings?: readonly FirewallFinding[];
}
