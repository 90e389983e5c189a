/**
 * Who may do what: the closed list of permissions and what each role holds. Everything else asks
 * {@link may} and never compares roles, so that a role is changed in one place. What a permission
 * reaches follows from its name: `-all` is everybody's, without it the caller's own.
 */
export const PERMISSIONS = [
  /** The caller's own logins, password and API tokens. Never given to an API token. */
  "account.manage",
  "consoles.read",
  "consoles.read-all",
  "consoles.open",
  "consoles.open-all",
  "consoles.manage",
  /** The rules of who may see and open which console. */
  "access.read",
  "access.manage",
  /** Links that open one console for somebody else. */
  "shares.manage",
  "shares.manage-all",
  "sessions.read",
  "sessions.read-all",
  "sessions.end",
  "sessions.end-all",
  "sources.read",
  "sources.manage",
  "relays.read",
  "relays.manage",
  "policies.read",
  "policies.manage",
  "people.read",
  "people.manage",
  "audit.read",
  "webhooks.manage",
  "keys.manage",
  "metrics.read",
  /** Has a job of the clock run at once. */
  "jobs.run",
] as const;

export type Permission = (typeof PERMISSIONS)[number];

export const ROLES = ["admin", "operator", "auditor", "user"] as const;

export type Role = (typeof ROLES)[number];

const USER: readonly Permission[] = [
  "account.manage",
  "consoles.read",
  "consoles.open",
  "shares.manage",
  "sessions.read",
  "sessions.end",
];

const PERMISSIONS_OF_ROLE: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  admin: new Set(PERMISSIONS),
  /** Runs relays and sources and helps people with their sessions; opens no console of theirs. */
  operator: new Set([
    ...USER,
    "consoles.read-all",
    "consoles.manage",
    "access.read",
    "sessions.read-all",
    "sessions.end-all",
    "sources.read",
    "sources.manage",
    "relays.read",
    "relays.manage",
    "policies.read",
    "people.read",
    "metrics.read",
  ]),
  /** Reads everything that tells what happened, and changes nothing. */
  auditor: new Set([
    "account.manage",
    "consoles.read",
    "consoles.read-all",
    "access.read",
    "sessions.read",
    "sessions.read-all",
    "sources.read",
    "relays.read",
    "policies.read",
    "people.read",
    "audit.read",
    "metrics.read",
  ]),
  user: new Set(USER),
};

export function permissionsOf(role: Role): ReadonlySet<Permission> {
  return PERMISSIONS_OF_ROLE[role];
}

/** Whether an API token may hold it: none makes credentials or changes passwords. */
export function isGivenToTokens(permission: Permission): boolean {
  return permission !== "account.manage";
}

/** What an API token may do: what it was made for, as far as its user's role holds it now. */
export function tokenPermissions(role: Role, scopes: readonly string[]): ReadonlySet<Permission> {
  const held = [...permissionsOf(role)];
  return new Set(held.filter((one) => isGivenToTokens(one) && scopes.includes(one)));
}

/** Whether somebody who holds these permissions may do this. */
export function may(
  caller: { readonly permissions: ReadonlySet<Permission> },
  permission: Permission,
): boolean {
  return caller.permissions.has(permission);
}

/** Of whoever is not logged in, and of the system itself, which asks nobody. */
export const NO_PERMISSIONS: ReadonlySet<Permission> = new Set();
