/** The words of the control link's state machine: its states, inputs and effects. */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import type { Result } from "#shared/base/result.ts";
import type {
  Command,
  Hello,
  HubMessage,
  LinkKeys,
  NumberedEvent,
  RelayMessage,
  Welcome,
} from "#shared/control/contract.ts";
import type { Load, LoadLevel } from "#shared/control/load.ts";
import type { RelayAnswer, RelayRequest, RequestFailure } from "#shared/control/relay-requests.ts";
import type { ControlLogName } from "./control-log.ts";

type LinkPhase =
  | { readonly name: "waiting"; readonly retryAtMs: number }
  | { readonly name: "connecting"; readonly deadlineMs: number }
  | { readonly name: "greeting"; readonly deadlineMs: number }
  | { readonly name: "adopting"; readonly deadlineMs: number; readonly welcome: Welcome }
  | {
      readonly name: "linked";
      readonly version: number;
      readonly sinceMs: number;
      readonly pingAtMs: number;
      readonly leaseEndsAtMs: number;
    }
  | { readonly name: "stopped" };

export interface QueuedPush {
  readonly seq: number;
  readonly command: Command;
}

/** A message of events that the hub has not acknowledged. */
interface OpenBatch {
  readonly stream: string;
  readonly lastSeq: number;
  readonly deadlineMs: number;
}

interface OpenRequest {
  readonly requestId: string;
  readonly deadlineMs: number;
}

interface OpenLookup {
  readonly requestId: string;
  readonly deadlineMs: number;
}

/** How loaded the relay is, and what the present connection's hub was told of that. */
export interface LoadTelling {
  /** Null: nothing is known yet. */
  readonly now: { readonly load: Load; readonly channelsMax: number } | null;
  readonly told: {
    readonly load: Load;
    readonly level: LoadLevel;
    readonly atMs: number;
  } | null;
}

/** Why the control plane does not want this relay, or this relay the control plane. */
export interface LinkRefusal {
  readonly code: string;
  readonly detail: string;
}

/** All times are milliseconds of one monotonic clock. */
export interface LinkState {
  readonly phase: LinkPhase;
  /** The hub's epoch that `appliedSeq` belongs to; null before the first welcome. */
  readonly epoch: string | null;
  readonly appliedSeq: number;
  /** Why the latest refused pushes were refused, so that a lost ack can be said again. */
  readonly refusals: ReadonlyMap<number, string>;
  /** Received and not begun; forgotten with the connection, because the hub sends them again. */
  readonly queue: readonly QueuedPush[];
  readonly applying: { readonly epoch: string; readonly seq: number } | null;
  readonly openBatches: readonly OpenBatch[];
  readonly lookups: readonly OpenLookup[];
  readonly requests: readonly OpenRequest[];
  /** When the hub was last heard over a link that was welcomed; null: never. */
  readonly heardAtMs: number | null;
  /** Failed attempts since the last link that lasted. */
  readonly failures: number;
  /** Whether the relay drains, and what the present connection's hub was told of that. */
  readonly draining: { readonly now: boolean; readonly told: boolean };
  readonly load: LoadTelling;
  /** The last refusal, until there is a link again. */
  readonly refusal: LinkRefusal | null;
}

export type LinkInput =
  | { readonly kind: "start" }
  | { readonly kind: "tick" }
  | { readonly kind: "opened" }
  /** The socket is gone, or never came to be. */
  | { readonly kind: "closed"; readonly detail: string }
  /** The control plane does not want this relay now: an answer that a quick retry cannot change. */
  | ({ readonly kind: "refused" } & LinkRefusal)
  | { readonly kind: "message"; readonly message: HubMessage }
  | { readonly kind: "malformed"; readonly detail: string }
  /** A heartbeat's answer. */
  | { readonly kind: "pong" }
  /** The welcome's keys are in use; a detail says why they cannot be. */
  | { readonly kind: "adopted"; readonly failure: string | null }
  | {
      readonly kind: "applied";
      readonly epoch: string;
      readonly seq: number;
      readonly refusal: string | null;
    }
  /** The spool has events that `deliver` may not have seen. */
  | { readonly kind: "spooled" }
  /** The answer to `deliver`; not sent when there is nothing to deliver. */
  | {
      readonly kind: "batch";
      readonly stream: string;
      readonly events: readonly NumberedEvent[];
    }
  | { readonly kind: "lookup"; readonly requestId: string; readonly ticketHash: string }
  | { readonly kind: "request"; readonly requestId: string; readonly request: RelayRequest }
  /** The relay began or ceased to drain. */
  | { readonly kind: "serving"; readonly draining: boolean }
  /** How loaded the relay is now; measured every few seconds, told when it matters. */
  | { readonly kind: "load"; readonly load: Load; readonly channelsMax: number }
  | { readonly kind: "stop" };

/** What the state machine puts into a hello; the shell adds what the relay is, and its clock. */
type HelloFacts = Pick<Hello, "epoch" | "appliedSeq" | "versions" | "draining" | "load">;

export type LinkEffect =
  | { readonly kind: "connect" }
  | { readonly kind: "hello"; readonly hello: HelloFacts }
  | { readonly kind: "send"; readonly message: RelayMessage }
  | { readonly kind: "ping" }
  | { readonly kind: "close"; readonly reason: string }
  | { readonly kind: "adopt"; readonly welcome: Welcome }
  /** In the place of the welcome's keys. What is applied afterwards may need them. */
  | { readonly kind: "adopt-keys"; readonly keys: LinkKeys }
  | {
      readonly kind: "apply";
      readonly epoch: string;
      readonly seq: number;
      readonly command: Command;
    }
  /** What the control plane has stored; trim the spool to it. */
  | { readonly kind: "reconcile"; readonly stream: string | null; readonly storedSeq: number }
  | { readonly kind: "record-snapshot" }
  | { readonly kind: "acknowledged"; readonly stream: string; readonly seq: number }
  /** Answer with `batch`: the spool's next events after this number (0: from its start). */
  | { readonly kind: "deliver"; readonly afterSeq: number }
  | {
      readonly kind: "settle";
      readonly requestId: string;
      readonly result: Result<string, TicketRefusalReason>;
    }
  | {
      readonly kind: "answered";
      readonly requestId: string;
      readonly result: Result<RelayAnswer, RequestFailure>;
    }
  | {
      readonly kind: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly name: ControlLogName;
      readonly fields: Readonly<Record<string, string | number | null>>;
    };

/** When it is, and one random number in [0, 1) for the back-off. */
export interface LinkContext {
  readonly nowMs: number;
  readonly chance: number;
}

export interface LinkStep {
  readonly state: LinkState;
  readonly effects: readonly LinkEffect[];
}
