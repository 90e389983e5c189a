/** What every service is given: its ports to the world, and who is asking. */
import type { ActorKind } from "#shared/audit/events.ts";
import type { RandomBytes } from "#shared/base/ids.ts";
import type { Result } from "#shared/base/result.ts";
import type { Command } from "#shared/control/contract.ts";
import type { Load } from "#shared/control/load.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import type { LocalLogin } from "../identity/local-login.ts";
import type { KeystoneProvider, OidcProvider } from "../identity/provider-settings.ts";
import type { Permission, Role } from "../identity/permissions.ts";
import type { LimitAnswer, LimitRequest, LimitSource } from "../limits/limit-rules.ts";
import type { SecretsKeys } from "../identity/secrets-keys.ts";
import type { Database } from "../repositories/database.ts";
import type { WorkGate } from "../work-gate.ts";
import type { SigningKeyCache } from "./signing-key-cache.ts";

export interface ServiceContext {
  /** Lives as long as the isolate. */
  readonly signingKeys: SigningKeyCache;
  readonly database: Database;
  readonly settings: ServiceSettings;
  readonly hubs: Hubs;
  readonly limits: Limits;
  /** Where guesses at passwords wait for their turn; absent: all are judged at once. */
  readonly passwordGate?: WorkGate;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly randomBytes: RandomBytes;
  /** How requests leave for addresses that people have entered; absent: as all others do. */
  readonly egress?: (request: Request) => Promise<Response>;
  /** Where work may go on after the answer: how the runtime is told to wait for it. */
  readonly defer?: (work: Promise<unknown>) => void;
}

/** A private Ed25519 JWK. */
export interface PrivateSigningKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly d: string;
  readonly kid: string;
}

/** The part of the configuration that services use (see worker/config.ts). */
export interface ServiceSettings {
  readonly publicUrl: string;
  readonly ticketRoot: Uint8Array<ArrayBuffer>;
  /** The first key that signs grants, where the installation brought one. */
  readonly grantSigningKey: PrivateSigningKey | null;
  readonly secretsKeys: SecretsKeys;
  readonly caCertificate: string;
  /** The key of the first one; null once the database has it. */
  readonly caKey: string | null;
  /** Origins whose pages may open web consoles. */
  readonly webOrigins: readonly string[];
  /** What a scraper of the metrics sends; null: there is none. */
  readonly metricsToken: string | null;
  /** Who may log in by a password. */
  readonly localLogin: LocalLogin;
  readonly oidcProviders: readonly OidcProvider[];
  readonly keystone: KeystoneProvider | null;
  /** Reverse proxies in front that append to X-Forwarded-For; 0: the edge tells the address. */
  readonly trustedProxies: number;
  /** How long audit events are kept; null: for ever. */
  readonly auditRetentionMs: number | null;
  /** Whether webhooks may be addresses of private networks. */
  readonly webhookPrivateTargets: boolean;
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
  /**
   * Tells a linked relay its keys as the database has them. A failure is no reason to wait: a relay
   * that is away learns them when it comes back.
   */
  tellKeys(relayId: string): Promise<Result<null, PushFailure>>;
  /** Has the hub of a relay that is shown online see to it that this is so, sooner or later. */
  confirmOnline(relayId: string): Promise<void>;
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

/** The limiters that count attempts, as services see them. They answer also when they are away. */
export interface Limits {
  take(request: LimitRequest): Promise<LimitAnswer>;
  /** The attempt was right, and does not count. */
  settle(request: LimitRequest, from: LimitSource): Promise<void>;
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
  /** What a user proved with who they are; absent where nobody did. */
  readonly credential?: Credential;
}

/** Where a request came from. */
export type RequestOrigin = Pick<Caller, "address" | "requestId">;

/** Who sent a request, and what they may do with the credential that they sent. */
export interface Authenticated {
  readonly credential: Credential;
  readonly userId: string;
  readonly role: Role;
  readonly permissions: ReadonlySet<Permission>;
}

/** A login or an API token, by its id. */
export interface Credential {
  readonly kind: "login" | "token";
  readonly id: string;
}

/** A user who is logged in. */
export interface ActingUser extends Caller {
  readonly actorId: string;
}
