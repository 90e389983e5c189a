/** What every route handler finds in its context. Nothing here acts. */
import type { Env } from "../env.ts";
import type { Role } from "../identity/permissions.ts";
import type { Caller, Credential, ServiceContext } from "../services/context.ts";

export interface RouteEnv {
  readonly Bindings: Env;
  readonly Variables: {
    /** Answered as X-Request-Id and kept in the audit trail. */
    requestId: string;
    services: ServiceContext;
  };
}

/** A caller who is logged in. */
export interface UserCaller extends Caller {
  readonly actorKind: "user";
  readonly actorId: string;
  readonly role: Role;
  /** The login or the API token that the request came with. */
  readonly credential: Credential;
}

/** The context behind `requirePermission` and `requireLogin`. */
export interface UserRouteEnv extends RouteEnv {
  readonly Variables: RouteEnv["Variables"] & { user: UserCaller };
}
