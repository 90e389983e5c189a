/**
 * Which role may call which operation: every route of the application, with every role, with an API
 * token that holds all its user can give, and with nobody at all. A route without an entry fails.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { createApp } from "../../../worker/app.ts";
import {
  isGivenToTokens,
  permissionsOf,
  type Role,
  ROLES,
} from "../../../worker/identity/permissions.ts";
import { createApiToken } from "../../../worker/services/api-tokens.ts";
import type { Caller } from "../../../worker/services/context.ts";
import { openLogin } from "../../../worker/services/login.ts";
import { createUser } from "../../../worker/services/users.ts";
import { call, expectProblem, ORIGIN, PASSWORD, services, uniqueName } from "./api-client.ts";

type Entry =
  /** Needs no login. */
  | "anybody"
  /** Needs no login, because something else in the request says who asks. */
  | "otherwise"
  | {
      readonly roles: readonly Role[];
      /** Refused to API tokens, whatever they hold. */
      readonly noTokens?: true;
    };

const EVERYBODY = { roles: ROLES };
/** The own account: no API token may touch it. */
const OWN_ACCOUNT = { roles: ROLES, noTokens: true } as const;
const READS_PEOPLE = { roles: ["admin", "operator", "auditor"] } as const;
const READS_RULES = { roles: ["admin", "operator", "auditor"] } as const;
const SHARES = { roles: ["admin", "operator", "user"] } as const;
const READS_TRAIL = { roles: ["admin", "auditor"] } as const;
const MANAGES_RELAYS = { roles: ["admin", "operator"] } as const;
const ADMIN = { roles: ["admin"] } as const;

const ENTRIES: Readonly<Record<string, Entry>> = {
  "GET /": "anybody",
  "GET /healthz": "anybody",
  "GET /readyz": "anybody",
  "GET /metrics": "otherwise",
  "GET /.well-known/jwks.json": "anybody",
  "GET /api/docs": "anybody",
  "GET /api/docs/style.css": "anybody",
  "GET /api/v1/openapi.json": "anybody",

  "GET /api/v1/auth/methods": "anybody",
  "GET /api/v1/auth/oidc/:provider/callback": "anybody",
  "GET /api/v1/auth/oidc/:provider/start": "anybody",
  "POST /api/v1/auth/login": "anybody",
  "POST /api/v1/auth/logout": OWN_ACCOUNT,

  "GET /api/v1/account": EVERYBODY,
  "POST /api/v1/account/password": OWN_ACCOUNT,
  "GET /api/v1/account/logins": OWN_ACCOUNT,
  "DELETE /api/v1/account/logins/:id": OWN_ACCOUNT,
  "POST /api/v1/account/logins/end-others": OWN_ACCOUNT,
  "GET /api/v1/account/tokens": OWN_ACCOUNT,
  "POST /api/v1/account/tokens": OWN_ACCOUNT,
  "DELETE /api/v1/account/tokens/:id": OWN_ACCOUNT,

  "GET /api/v1/users": READS_PEOPLE,
  "POST /api/v1/users": ADMIN,
  "GET /api/v1/users/:id": READS_PEOPLE,
  "PATCH /api/v1/users/:id": ADMIN,
  "DELETE /api/v1/users/:id": ADMIN,
  "PUT /api/v1/users/:id/password": { ...ADMIN, noTokens: true },
  "GET /api/v1/users/:id/groups": READS_PEOPLE,
  "GET /api/v1/users/:id/logins": READS_PEOPLE,
  "DELETE /api/v1/users/:id/logins": ADMIN,
  "DELETE /api/v1/users/:id/logins/:loginId": ADMIN,
  "GET /api/v1/users/:id/tokens": READS_PEOPLE,
  "DELETE /api/v1/users/:id/tokens/:tokenId": ADMIN,

  "GET /api/v1/groups": READS_PEOPLE,
  "POST /api/v1/groups": ADMIN,
  "GET /api/v1/groups/:id": READS_PEOPLE,
  "PATCH /api/v1/groups/:id": ADMIN,
  "DELETE /api/v1/groups/:id": ADMIN,
  "GET /api/v1/groups/:id/members": READS_PEOPLE,
  "PUT /api/v1/groups/:id/members/:userId": ADMIN,
  "DELETE /api/v1/groups/:id/members/:userId": ADMIN,

  "GET /api/v1/consoles": EVERYBODY,
  "POST /api/v1/consoles": { roles: ["admin", "operator"] },
  "GET /api/v1/consoles/:id": EVERYBODY,
  "PATCH /api/v1/consoles/:id": { roles: ["admin", "operator"] },
  "DELETE /api/v1/consoles/:id": { roles: ["admin", "operator"] },
  "POST /api/v1/consoles/:id/tickets": { roles: ["admin", "operator", "user"] },
  "GET /api/v1/vv/:token": "anybody",

  "GET /api/v1/access-rules": READS_RULES,
  "POST /api/v1/access-rules": ADMIN,
  "GET /api/v1/access-rules/:id": READS_RULES,
  "PATCH /api/v1/access-rules/:id": ADMIN,
  "DELETE /api/v1/access-rules/:id": ADMIN,
  "GET /api/v1/consoles/:id/access": READS_RULES,
  "GET /api/v1/access/explain": READS_RULES,

  "GET /s": "anybody",
  "GET /s/page.css": "anybody",
  "GET /s/page.js": "anybody",
  "POST /api/v1/shares/open": "anybody",
  "GET /api/v1/shares": SHARES,
  "POST /api/v1/shares": SHARES,
  "GET /api/v1/shares/:id": SHARES,
  "POST /api/v1/shares/:id/revoke": SHARES,

  "GET /api/v1/policies": READS_RULES,
  "POST /api/v1/policies": ADMIN,
  "GET /api/v1/policies/:id": READS_RULES,
  "PATCH /api/v1/policies/:id": ADMIN,
  "DELETE /api/v1/policies/:id": ADMIN,
  "GET /api/v1/policies/effective": EVERYBODY,
  "GET /api/v1/policy-attachments": READS_RULES,
  "POST /api/v1/policy-attachments": ADMIN,
  "DELETE /api/v1/policy-attachments/:id": ADMIN,

  "GET /api/v1/sessions": EVERYBODY,
  "GET /api/v1/sessions/:id": EVERYBODY,
  "GET /api/v1/sessions/feed": EVERYBODY,
  "POST /api/v1/sessions/:id/terminate": { roles: ["admin", "operator", "user"] },
  "POST /api/v1/consoles/:id/sessions/terminate": { roles: ["admin", "operator", "user"] },
  /** Users end their own: here it is somebody else. */
  "POST /api/v1/users/:id/sessions/terminate": { roles: ["admin", "operator"] },

  "GET /api/v1/audit": { roles: ["admin", "auditor"] },

  "GET /api/v1/audit/checkpoints": READS_TRAIL,
  "GET /api/v1/audit/export": READS_TRAIL,
  "GET /api/v1/audit/heads": READS_TRAIL,
  "GET /api/v1/audit/keys": READS_TRAIL,
  "GET /api/v1/audit/links": READS_TRAIL,
  "GET /api/v1/jobs": READS_PEOPLE,
  "POST /api/v1/jobs/:name/run": ADMIN,
  "GET /api/v1/webhooks": ADMIN,
  "POST /api/v1/webhooks": ADMIN,
  "GET /api/v1/webhooks/:id": ADMIN,
  "PATCH /api/v1/webhooks/:id": ADMIN,
  "DELETE /api/v1/webhooks/:id": ADMIN,
  "GET /api/v1/webhooks/:id/deliveries": ADMIN,
  "POST /api/v1/webhooks/:id/deliveries/:deliveryId/redrive": ADMIN,
  "POST /api/v1/webhooks/:id/rotate-secret": ADMIN,
  "POST /api/v1/webhooks/:id/test": ADMIN,
  "GET /api/v1/signing-keys": ADMIN,
  "POST /api/v1/signing-keys/rotate": ADMIN,
  "GET /api/v1/secrets": ADMIN,
  "POST /api/v1/secrets/reencrypt": ADMIN,
  "GET /api/v1/relays/:id/keys": READS_PEOPLE,
  "POST /api/v1/relays/:id/rotate-ticket-key": ADMIN,

  "GET /api/v1/relays": READS_PEOPLE,
  "GET /api/v1/relays/:id": READS_PEOPLE,
  "PATCH /api/v1/relays/:id": MANAGES_RELAYS,
  "DELETE /api/v1/relays/:id": MANAGES_RELAYS,
  "POST /api/v1/relays/:id/drain": MANAGES_RELAYS,
  "POST /api/v1/relays/:id/resume": MANAGES_RELAYS,
  "POST /api/v1/relays/:id/disable": MANAGES_RELAYS,
  "POST /api/v1/relays/:id/enable": MANAGES_RELAYS,
  "GET /api/v1/relays/join-tokens": READS_PEOPLE,
  "POST /api/v1/relays/join-tokens": MANAGES_RELAYS,
  "DELETE /api/v1/relays/join-tokens/:id": MANAGES_RELAYS,
  "POST /api/v1/relays/enrol": "otherwise",
  "GET /api/v1/relays/link": "otherwise",

  "GET /api/v1/sites": READS_PEOPLE,
  "POST /api/v1/sites": MANAGES_RELAYS,
  "GET /api/v1/sites/:id": READS_PEOPLE,
  "PATCH /api/v1/sites/:id": MANAGES_RELAYS,
  "DELETE /api/v1/sites/:id": MANAGES_RELAYS,
  "PUT /api/v1/sources/:name/site": MANAGES_RELAYS,
};

interface Somebody extends Caller {
  readonly actorId: string;
  readonly username: string;
  /** Holds all that its user can give. */
  readonly apiToken: string;
}

const people = new Map<Role, Somebody>();

beforeAll(async () => {
  for (const role of ROLES) {
    const username = uniqueName(role);
    const created = await createUser(services(), { username, password: PASSWORD, role });
    const caller = {
      actorKind: "user",
      actorId: created.ok ? created.value.id : "",
      permissions: permissionsOf(role),
      address: null,
      requestId: null,
    } as const;
    const scopes = [...caller.permissions].filter(isGivenToTokens);
    const issued = await createApiToken(services(), caller, { name: "all", scopes, lifeDays: 1 });
    people.set(role, { ...caller, username, apiToken: issued.ok ? issued.value.token : "" });
  }
});

/** All operations of the application, also those that its description does not name. */
const OPERATIONS = [
  ...new Set(
    createApp()
      .routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path}`),
  ),
].sort();

/** Calls the operation with nothing that is there: what is not refused changes nothing. */
async function statusOf(operation: string, token: string | null): Promise<number> {
  const [method = "", path = ""] = operation.split(" ");
  const url = `${ORIGIN}${path.replaceAll(/:\w+/g, "none")}`;
  const hasBody = ["POST", "PUT", "PATCH"].includes(method) && !WITHOUT_BODY.has(operation);
  const response = await call(url, {
    method,
    ...(token === null ? {} : { token }),
    ...(hasBody ? { json: {} } : {}),
  });
  await response.body?.cancel();
  return response.status;
}

function somebody(role: Role): Somebody {
  const found = people.get(role);
  if (found === undefined) {
    throw new Error(`nobody is ${role}`);
  }
  return found;
}

/** A new login for each call: some operations end the one that they are called with. */
async function loginOf(role: Role): Promise<string> {
  const { actorId: id, username } = somebody(role);
  const opening = { user: { id, username }, method: "password", userAgent: null };
  const login = await openLogin(services(), somebody(role), opening);
  return login?.token ?? "";
}

/** A call without a body is the real one. */
const WITHOUT_BODY = new Set([
  "POST /api/v1/auth/logout",
  "POST /api/v1/account/logins/end-others",
  "POST /api/v1/relays/join-tokens",
]);

describe("every operation", () => {
  it("has an entry here, and every entry is an operation", () => {
    expect(OPERATIONS).toEqual(Object.keys(ENTRIES).sort());
    expect(OPERATIONS.length).toBeGreaterThan(40);
  });

  it.each(OPERATIONS)("is for whom it should be: %s", async (operation) => {
    const entry = ENTRIES[operation] ?? "anybody";
    if (typeof entry === "string") {
      expect([401, 403]).not.toContain(await statusOf(operation, null));
      return;
    }
    const allowed: string[] = [];
    for (const role of ROLES) {
      const status = await statusOf(operation, await loginOf(role));
      expect(status, role).not.toBe(401);
      allowed.push(...(status === 403 ? [] : [role]));
    }
    expect(allowed).toEqual(entry.roles);
    expect(await statusOf(operation, null)).toBe(401);
  });

  it.each(OPERATIONS.filter((operation) => typeof ENTRIES[operation] === "object"))(
    "is as open to API tokens: %s",
    async (operation) => {
      const entry = ENTRIES[operation];
      const { roles, noTokens } = typeof entry === "object" ? entry : { roles: [], noTokens: true };
      const allowed: string[] = [];
      for (const role of ROLES) {
        const status = await statusOf(operation, somebody(role).apiToken);
        expect(status, role).not.toBe(401);
        allowed.push(...(status === 403 ? [] : [role]));
      }
      expect(allowed).toEqual(noTokens === true ? [] : roles);
    },
  );

  it.each(OPERATIONS.filter((operation) => !/^(?:GET|HEAD) /.test(operation)))(
    "is refused to pages of other sites, and so is a body without end: %s",
    async (operation) => {
      const [method = "", path = ""] = operation.split(" ");
      const url = `${ORIGIN}${path.replaceAll(/:\w+/g, "none")}`;
      const headers = { Cookie: `__Host-kerbside=${await loginOf("admin")}` };
      const foreign = { ...headers, "Sec-Fetch-Site": "cross-site", Origin: "https://evil.test" };
      const crossing = await call(url, { method, headers: foreign });
      await expectProblem(crossing, 403, "request.cross-origin");
      const tooLarge = "x".repeat(BODY_BYTES_MAX + 1);
      const own = { ...headers, "Sec-Fetch-Site": "same-origin" };
      const drowning = await call(url, { method, headers: own, json: tooLarge });
      await expectProblem(drowning, 413, "request.too-large");
    },
  );
});

/** Of a request, whatever it is for. */
const BODY_BYTES_MAX = 128 * 1024;
