/** What every service is given: its ports to the world, and who is asking. */
import type { ActorKind } from "#shared/audit/events.ts";
import type { RandomBytes } from "#shared/base/ids.ts";
import type { Result } from "#shared/base/result.ts";
import type { Command } from "#shared/control/contract.ts";
import type { Load } from "#shared/control/load.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import type { Permission } from "../identity/permissions.ts";
import type { Database } from "../repositories/database.ts";

export interface ServiceContext {
  readonly database: Database;
  readonly settings: ServiceSettings;
  readonly hubs: Hubs;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly randomBytes: RandomBytes;
  /** Where work may go on after the answer: how the runtime is told to wait for it. */
  readonly defer?: (work: Promise<unknown>) => void;
}

/** The part of the configuration that services use (see Config in env.ts). */
export interface ServiceSettings {
  readonly publicUrl: string;
  readonly ticketRoot: Uint8Array<ArrayBuffer>;
  readonly grantSigningKey: {
    readonly kty: "OKP";
    readonly crv: "Ed25519";
    readonly x: string;
    readonly d: string;
    readonly kid: string;
  };
  readonly secretsKey: Uint8Array<ArrayBuffer>;
  readonly caCertificate: string;
  readonly caKey: string;
  /** Origins whose pages may open web consoles. */
  readonly webOrigins: readonly string[];
}

/** The relays' hubs, as services see them. */
export interface Hubs {
  /**
   * Puts a command into the relay's outbox and waits for its acknowledgement, at most
   * PUSH_ACK_DEADLINE_MS. A grant that was not acknowledged is withdrawn from the outbox and never
   * delivered; `withdraw` and `terminate` stay in it, also for a relay that is away. `deny` and
   * `drain` are what a welcome tells as well, out of the database: store first, then push.
   */
  push(relayId: string, command: Command): Promise<Result<null, PushFailure>>;
  /** Ends the relay's link, if it has one, and tells it why. Never throws. */
  expel(relayId: string, bar: RelayBar): Promise<void>;
  /** What the relay's hub knows at this moment; null when it does not answer. */
  report(relayId: string): Promise<LinkReport | null>;
}

/** Why a relay that is enrolled may not be linked. */
export type RelayBar = "relay.disabled" | "relay.deleted";

/** A relay's link as its hub sees it. */
export interface LinkReport {
  readonly linked: boolean;
  /** When the relay was heard last, heartbeats included. */
  readonly heardAtMs: number | null;
  /** Its load as it said last; null: it has not said it on this link. */
  readonly load: Load | null;
  /** Pushes that it has not acknowledged. */
  readonly waiting: number;
}

export interface PushFailure {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** Who asks, for rights and for the audit trail. */
export interface Caller {
  readonly actorKind: ActorKind;
  readonly actorId: string | null;
  readonly permissions: ReadonlySet<Permission>;
  readonly address: string | null;
  readonly requestId: string | null;
}
