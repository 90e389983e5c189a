/** A person as an identity provider knows them, and what Kerbside makes of that; pure. */
import type { Role } from "./permissions.ts";
import type { RoleGroups } from "./provider-settings.ts";

export interface ExternalIdentity {
  /** The provider's name in the settings. */
  readonly provider: string;
  /** Never changes and is never given to somebody else: what the person is known by. */
  readonly subject: string;
  readonly username: string;
  readonly displayName: string | null;
  readonly email: string | null;
  readonly groups: readonly string[];
}

/** The highest role that the groups give; null lets the person not in. */
export function roleOf(roles: RoleGroups, groups: readonly string[]): Role | null {
  const isIn = (names: readonly string[] | undefined): boolean =>
    names !== undefined && names.some((name) => groups.includes(name));
  for (const role of ["admin", "operator", "auditor"] as const) {
    if (isIn(roles[role])) {
      return role;
    }
  }
  return roles.user === undefined || isIn(roles.user) ? "user" : null;
}

/**
 * User names to try for a new person, best first: their own, then one that says where they come
 * from, because a name that somebody else has must never lead to that account.
 */
export function usernamesFor(identity: ExternalIdentity): string[] {
  const wanted = tidy(identity.username) || tidy(identity.subject) || "user";
  const room = USERNAME_CHARACTERS_MAX - identity.provider.length - 1;
  return [
    wanted.slice(0, USERNAME_CHARACTERS_MAX),
    tidy(`${tidy(wanted.slice(0, room))}@${identity.provider}`),
  ];
}

/** A text of the provider's as it may be stored: bounded, without control characters. */
export function boundedText(text: unknown): string | null {
  if (typeof text !== "string") {
    return null;
  }
  const clean = text
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, TEXT_CHARACTERS_MAX);
  return clean === "" ? null : clean;
}

/** The names of groups that a provider lists; anything else is no list. */
export function groupNames(value: unknown): string[] {
  const listed = typeof value === "string" ? [value] : value;
  if (!Array.isArray(listed)) {
    return [];
  }
  const names = listed.filter((name): name is string => typeof name === "string" && name !== "");
  return [...new Set(names)].slice(0, GROUPS_MAX);
}

/** What a user name may hold (services/users.ts), of whatever the provider says. */
function tidy(name: string): string {
  return name
    .normalize("NFKD")
    .replaceAll(/\p{M}+/gu, "")
    .replaceAll(/[^A-Za-z0-9._@-]+/g, "-")
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "")
    .slice(0, USERNAME_CHARACTERS_MAX)
    .replaceAll(/[^A-Za-z0-9]+$/g, "");
}

const USERNAME_CHARACTERS_MAX = 64;
const TEXT_CHARACTERS_MAX = 256;
/** A directory's person is in some hundred groups; more would only slow each login down. */
const GROUPS_MAX = 500;
