/**
 * Writes docs/api/permissions.md from the closed list of permissions; a test compares the two.
 *
 *     node test/runner/permissions-page.ts
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  isGivenToTokens,
  type Permission,
  PERMISSIONS,
  permissionsOf,
  ROLES,
} from "../../worker/identity/permissions.ts";

/** The page's whole text. */
export function renderPermissionsPage(): string {
  const rows = PERMISSIONS.map((permission) => {
    const token = isGivenToTokens(permission) ? "yes" : "never";
    const roles = ROLES.filter((role) => permissionsOf(role).has(permission)).join(", ");
    return `| \`${permission}\` | ${MEANINGS[permission]} | ${roles} | ${token} |`;
  });
  return [...INTRODUCTION, ...rows, ""].join("\n");
}

const MEANINGS: Readonly<Record<Permission, string>> = {
  "account.manage": "the own password, logins and API tokens",
  "consoles.read":
    "see the consoles that [rules](access.md) grant, and the policy that holds there",
  "consoles.read-all": "see every console; only together with `consoles.read`",
  "consoles.open": "open the consoles that rules grant",
  "consoles.open-all": "open every console; only together with `consoles.open`",
  "consoles.manage": "add, change and delete consoles, and see where they are",
  "access.read": "read the rules of who may see and open what",
  "access.manage": "grant access and take it back",
  "shares.manage": "issue, list and revoke links for guests, to consoles that they may share",
  "shares.manage-all": "the same with everybody's; only together with `shares.manage`",
  "sessions.read": "see the own sessions, and those of consoles that they own",
  "sessions.read-all": "see everybody's sessions; only together with `sessions.read`",
  "sessions.end": "end the own sessions, and those of consoles that they own",
  "sessions.end-all": "end everybody's sessions; only together with `sessions.end`",
  "sources.read": "no operation asks for it",
  "sources.manage": "say which site a source belongs to",
  "relays.read": "see relays, their keys, join tokens and sites",
  "relays.manage": "make join tokens and sites; drain, disable, change and delete relays",
  "policies.read": "read policies and what they are attached to",
  "policies.manage": "make, change, attach and delete policies",
  "people.read": "see users, their groups, logins and API tokens",
  "people.manage": "add, change and delete users and groups; end logins, revoke API tokens",
  "audit.read": "search, export and verify the audit trail",
  "webhooks.manage": "everything about webhooks",
  "keys.manage": "see and change the keys that sign grants, seal secrets and open tickets",
  "metrics.read": "see how the control plane fares: its numbers and its jobs",
  "jobs.run": "have a job of the clock run at once",
};

const INTRODUCTION = [
  "# Permissions",
  "",
  "What a caller may do is a set of these names: those of their role, and for an",
  "[API token](people.md#api-tokens) those of them that are its `scopes`. Which one an operation needs,",
  "its `x-permission` in `/api/v1/openapi.json` says. With `-all` that one reaches what is everybody's; without it, the",
  "caller's own, and the consoles that [rules](access.md) grant them.",
  "",
  "Made from `worker/identity/permissions.ts` by `npm run docs:permissions`.",
  "",
  "| permission | what it lets do | roles | API tokens |",
  "| --- | --- | --- | --- |",
];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  writeFileSync(join(root, "docs", "api", "permissions.md"), renderPermissionsPage());
}
