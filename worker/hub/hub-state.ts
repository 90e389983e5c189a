/**
 * What a hub knows, what can happen to it, and what it can do about it: the types of the reducer,
 * and which part of the state outlives the hub's memory.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import type { ControlClose } from "#shared/control/close-codes.ts";
import type {
  Hello,
  HubMessage,
  LinkKeys,
  NumberedEvent,
  RelayMessage,
  Welcome,
} from "#shared/control/contract.ts";
import type { Result } from "#shared/base/result.ts";
import { RELINK_MS_MAX } from "#shared/control/limits.ts";
import type { Load, LoadLevel } from "#shared/control/load.ts";
import type { RelayAnswer, RelayRequest, RequestFailure } from "#shared/control/relay-requests.ts";
import type { PushFailure } from "../services/context.ts";
import type { OutboxEntry, PushedCommand } from "./outbox-entry.ts";

/** Everything that decides; times are milliseconds since 1970. */
export interface HubState {
  /** The life of the pushes' numbers. */
  readonly epoch: string;
  /** The number of the next push that is sent. */
  readonly nextSeq: number;
  readonly nextId: number;
  /** Pushes that are not acknowledged, by id. Their commands are in the outbox's table. */
  readonly outbox: readonly OutboxEntry[];
  readonly link: HubLink;
  readonly presence: Presence;
  readonly expiry: Expiry | null;
}

/** When to look for sessions that nobody opened in time; null in the state: none was granted. */
export interface Expiry {
  readonly atMs: number;
  /** Whether a look is under way that no grant has come after. */
  readonly looking: boolean;
}

/** The one socket that counts. Inputs from any other are ignored. */
export type HubLink =
  | { readonly phase: "none" }
  | { readonly phase: "awaiting-hello"; readonly linkId: string; readonly deadlineMs: number }
  | {
      readonly phase: "greeting";
      readonly linkId: string;
      readonly deadlineMs: number;
      readonly version: number;
      readonly hello: Hello;
    }
  | LinkedLink;

export interface LinkedLink {
  readonly phase: "linked";
  readonly linkId: string;
  readonly version: number;
  readonly instanceId: string;
  /** Whether the relay says that it takes no new sessions. */
  readonly draining: boolean;
  /** Whether the control plane drains it. */
  readonly ordered: boolean;
  readonly channelsMax: number;
  /** What it said last of its load; null: nothing yet. */
  readonly load: ReportedLoad | null;
  /** When the relay last said anything but a heartbeat. */
  readonly heardAtMs: number;
  /** Whether a message of events is being stored. */
  readonly storing: boolean;
  readonly lookupsOpen: number;
  readonly requestsOpen: number;
}

/** A relay's load, and what the database was told of it last. */
export interface ReportedLoad {
  readonly load: Load;
  readonly written: {
    readonly load: Load;
    readonly level: LoadLevel;
    readonly atMs: number;
  } | null;
}

/** What the database says about the relay, and what is still owed to it. */
export type Presence =
  | { readonly kind: "offline" }
  | { readonly kind: "online" }
  | {
      readonly kind: "lost";
      /** Why, for the audit trail. */
      readonly code: string;
      /** When its sessions count as ended, unless it is back by then. */
      readonly endAtMs: number;
      /** Whether the database shows it offline. */
      readonly marked: boolean;
      readonly retryAtMs: number;
      /** Whether an effect for this is under way. */
      readonly busy: boolean;
    };

export type HubInput =
  | { readonly kind: "connected"; readonly linkId: string }
  | { readonly kind: "message"; readonly linkId: string; readonly message: RelayMessage }
  | { readonly kind: "malformed"; readonly linkId: string; readonly detail: string }
  | { readonly kind: "closed"; readonly linkId: string; readonly code: string }
  | {
      readonly kind: "greeted";
      readonly linkId: string;
      readonly welcome: WelcomeFacts | null;
      /** The database has the relay, and it is not to be linked. */
      readonly refusal?: LinkRefusal;
    }
  /** The relay is not to be linked any more. */
  | ({ readonly kind: "expel" } & LinkRefusal)
  | {
      readonly kind: "events-stored";
      readonly linkId: string;
      readonly stream: string;
      /** Null: they could not be stored now. */
      readonly storedSeq: number | null;
    }
  /** `done` is false when it could not be stored now. */
  | { readonly kind: "serving-stored"; readonly linkId: string; readonly done: boolean }
  | { readonly kind: "lookup-done"; readonly linkId: string; readonly answer: LookupAnswer }
  /** Somebody changed the keys that the relay must know. */
  | { readonly kind: "tell-keys"; readonly waiterId: string }
  /** Null: they could not be read now. */
  | {
      readonly kind: "keys-loaded";
      readonly linkId: string;
      readonly waiterId: string;
      readonly keys: LinkKeys | null;
    }
  | {
      readonly kind: "request-served";
      readonly linkId: string;
      readonly requestId: string;
      readonly result: Result<RelayAnswer, RequestFailure>;
    }
  | {
      readonly kind: "push";
      readonly waiterId: string;
      readonly command: PushedCommand;
    }
  | { readonly kind: "presence-saved"; readonly step: "marked" | "ended"; readonly done: boolean }
  /** `nextMs`: when the next one can expire; `done` is false when nobody could look. */
  | {
      readonly kind: "sessions-expired";
      readonly done: boolean;
      readonly nextMs: number | null;
    }
  /** The database shows the relay online: somebody asks whether it is. */
  | { readonly kind: "shown-online" }
  /** Something that was waited for may be due; `heartbeatAtMs` is the last automatic answer. */
  | { readonly kind: "tick"; readonly heartbeatAtMs: number | null };

/** What a welcome holds that only the services know. */
export type WelcomeFacts = Omit<Welcome, "type" | "version" | "versions" | "epoch" | "nowMs">;

/** Why a relay that proved its identity is not linked. */
export interface LinkRefusal {
  readonly close: ControlClose;
  readonly detail: string;
}

export interface LookupAnswer {
  readonly requestId: string;
  readonly grant: string | null;
  readonly reason: TicketRefusalReason | null;
}

/** Performed in order by the shell. */
export type HubEffect =
  | { readonly kind: "send"; readonly linkId: string; readonly message: HubMessage }
  /** Sends the command that the outbox keeps under this id, and keeps its number. */
  | {
      readonly kind: "send-push";
      readonly linkId: string;
      readonly id: number;
      readonly seq: number;
    }
  | { readonly kind: "close"; readonly linkId: string; readonly close: ControlClose }
  | { readonly kind: "store-push"; readonly id: number; readonly waiterId: string }
  | { readonly kind: "delete-push"; readonly id: number }
  /** A new epoch has begun: no row has been sent in it. */
  | { readonly kind: "forget-numbers" }
  /** Answers a caller of push; null is the acknowledgement. */
  | { readonly kind: "settle"; readonly waiterId: string; readonly failure: PushFailure | null }
  /** Marks the relay online and fetches the welcome's facts; answered by `greeted`. */
  | ({ readonly kind: "greet"; readonly linkId: string } & Greeting)
  /** Answered by `events-stored`. */
  | {
      readonly kind: "store-events";
      readonly linkId: string;
      readonly stream: string;
      readonly events: readonly NumberedEvent[];
    }
  /** Answered by `serving-stored`. */
  | { readonly kind: "store-serving"; readonly linkId: string; readonly draining: boolean }
  /** Answered by nothing: the next level is stored, whatever became of this one. */
  | {
      readonly kind: "store-load";
      readonly linkId: string;
      readonly load: Load;
      readonly level: LoadLevel;
    }
  /** Answered by `lookup-done`. */
  | {
      readonly kind: "look-up";
      readonly linkId: string;
      readonly requestId: string;
      readonly ticketHash: string;
    }
  /** Answered by `keys-loaded`, also when its link is gone. */
  | { readonly kind: "load-keys"; readonly linkId: string; readonly waiterId: string }
  /** Answered by `request-served`. */
  | {
      readonly kind: "serve-request";
      readonly linkId: string;
      readonly requestId: string;
      readonly request: RelayRequest;
    }
  /** Answered by `presence-saved`, both. */
  | { readonly kind: "mark-offline"; readonly code: string }
  | { readonly kind: "end-sessions" }
  /** Answered by `sessions-expired`. */
  | { readonly kind: "expire-sessions" }
  /** Audits that the relay was refused. */
  | { readonly kind: "audit-refusal"; readonly code: string; readonly detail: string };

/** What a relay said as it came, and what the hub saw of it. */
export interface Greeting {
  readonly hello: Hello;
  /** The version that both will speak. */
  readonly version: number;
  /** How far its clock is ahead of ours, in milliseconds; null: it did not say. */
  readonly skewMs: number | null;
  readonly level: LoadLevel | null;
}

/** When it is, and an epoch to use if one is needed: time and chance come from outside. */
export interface HubMoment {
  readonly nowMs: number;
  readonly spareEpoch: string;
}

export interface HubStep {
  readonly state: HubState;
  readonly effects: readonly HubEffect[];
}

/** A hub that was never used. */
export function initialHubState(epoch: string): HubState {
  return {
    epoch,
    nextSeq: 1,
    nextId: 1,
    outbox: [],
    link: { phase: "none" },
    presence: { kind: "offline" },
    expiry: null,
  };
}

/**
 * How long a relay that vanished may take to come back before its sessions count as ended: a
 * dropped connection is back after one or two tries, and people should see the truth in seconds.
 */
export const RELAY_LOST_GRACE_MS = 3_000;

/**
 * The same when it was the control plane that went: relays that have tried for a while wait longer
 * between their tries, and all come at once. Their sessions live on meanwhile.
 */
export const RESTART_GRACE_MS = RELINK_MS_MAX + 10_000;

/** How soon a presence that could not be stored is tried again. */
export const PRESENCE_RETRY_MS = 5_000;

/** How long after a grant to look for the session that never opened; the look tells the next. */
export const EXPIRY_FIRST_LOOK_MS = 60_000;
export const EXPIRY_RETRY_MS = 30_000;

/**
 * Grants that may be under way at once. What the relay has not taken yet waits here, where an order
 * to end something can still go before it. Applying a grant takes a millisecond or less.
 */
export const GRANTS_IN_FLIGHT_MAX = 32;

/** The commands of all waiting pushes together; with the row bound it keeps a hub's storage small. */
export const OUTBOX_BYTES_MAX = 16 * 1024 * 1024;
