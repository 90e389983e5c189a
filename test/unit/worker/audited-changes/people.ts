/** Changes of people, their credentials and their groups, and what the audit trail tells of them. */
import { changeOwnPassword } from "../../../../worker/services/account.ts";
import { createApiToken, endApiToken } from "../../../../worker/services/api-tokens.ts";
import {
  addMember,
  changeGroup,
  createGroup,
  deleteGroup,
  removeMember,
} from "../../../../worker/services/groups.ts";
import { authenticate, logIn, logOut } from "../../../../worker/services/login.ts";
import { endLogin, endLogins } from "../../../../worker/services/logins.ts";
import {
  changeUser,
  createUser,
  deleteUser,
  setPassword,
} from "../../../../worker/services/users.ts";
import { TEST_PASSWORD } from "../../../harness/control-services.ts";
import { admit } from "../../../../worker/services/external-login.ts";
import type { Changes } from "./change.ts";

export const PEOPLE_CHANGES: Changes = {
  "a new user": {
    tells: ["user.created"],
    make: ({ context }) =>
      createUser(context, { username: "new", password: TEST_PASSWORD, role: "user" }),
  },
  "a login": {
    tells: ["user.logged-in"],
    make: ({ context, admin }) =>
      logIn(context, admin, { username: "admin", password: TEST_PASSWORD }),
  },
  "a logout": {
    tells: ["user.logged-out"],
    make: ({ context, admin, loginId }) => logOut(context, admin, loginId),
  },
  "a login ended from elsewhere": {
    tells: ["login.ended"],
    make: async ({ context, admin, loginId: id }) =>
      await endLogin(context, admin, { id, userId: admin.actorId }),
  },
  "all logins ended": {
    tells: ["login.ended"],
    make: async ({ context, admin: { actorId: userId }, admin }) =>
      await endLogins(context, admin, { userId, exceptLoginId: null }),
  },
  "a changed user": {
    tells: ["denial.added", "user.changed"],
    before: async ({ services }) => void (await services.makeCaller("other", "admin")),
    make: ({ context, admin }) =>
      changeUser(context, admin, {
        id: admin.actorId,
        changes: { role: "operator", disabled: true },
      }),
  },
  "a deleted user": {
    tells: ["denial.added", "user.deleted"],
    before: async ({ services }) => void (await services.makeCaller("other", "admin")),
    make: ({ context, admin }) => deleteUser(context, admin, admin.actorId),
  },
  "a password": {
    tells: ["user.password-set"],
    make: ({ context, admin }) =>
      setPassword(context, admin, { id: admin.actorId, password: `${TEST_PASSWORD} again` }),
  },
  "an own password": {
    tells: ["user.password-set"],
    make: ({ context, admin }) =>
      changeOwnPassword(context, admin, {
        currentPassword: TEST_PASSWORD,
        newPassword: `${TEST_PASSWORD} again`,
      }),
  },
  "a new API token": {
    tells: ["token.created"],
    make: ({ context, admin }) =>
      createApiToken(context, admin, { name: "x", scopes: ["consoles.read"], lifeDays: 1 }),
  },
  "a revoked API token": {
    tells: ["token.revoked"],
    make: async ({ context, admin, apiTokenId: id }) =>
      await endApiToken(context, admin, { id, userId: admin.actorId }),
  },
  "a new group": {
    tells: ["group.created"],
    make: ({ context, admin }) => createGroup(context, admin, { name: "new", description: null }),
  },
  "a changed group": {
    tells: ["group.changed"],
    make: ({ context, admin, groupId: id }) =>
      changeGroup(context, admin, { id, changes: { name: "renamed" } }),
  },
  "a new member": {
    tells: ["group.member-added"],
    make: ({ context, admin, groupId }) =>
      addMember(context, admin, { groupId, userId: admin.actorId }),
  },
  "a member who goes": {
    tells: ["group.member-removed"],
    before: async ({ context, admin, groupId }) =>
      void (await addMember(context, admin, { groupId, userId: admin.actorId })),
    make: ({ context, admin, groupId }) =>
      removeMember(context, admin, { groupId, userId: admin.actorId }),
  },
  "a deleted group": {
    tells: ["group.deleted"],
    make: ({ context, admin, groupId }) => deleteGroup(context, admin, groupId),
  },
  "somebody new who comes through a provider": {
    tells: ["user.created", "group.member-added"],
    also: ["user.logged-in"],
    make: ({ context, admin }) => admit(context, admin, cameThrough({ groups: ["group"] })),
  },
  "somebody known who comes through a provider": {
    tells: ["user.changed", "group.member-removed"],
    also: ["user.logged-in"],
    before: async ({ context, admin }) =>
      void (await admit(context, admin, cameThrough({ groups: ["group"] }))),
    make: ({ context, admin }) => admit(context, admin, cameThrough({ groups: ["operators"] })),
  },
  "somebody known whom a provider lets in no more": {
    tells: ["user.changed", "group.member-removed"],
    also: ["user.login-refused"],
    before: async ({ context, admin }) =>
      void (await admit(context, admin, cameThrough({ groups: ["group", "operators"] }))),
    make: ({ context, admin }) =>
      admit(context, admin, { ...cameThrough({ groups: [] }), roles: { user: ["users"] } }),
  },
  "a used API token": {
    tells: ["token.used"],
    make: ({ context, apiToken }) => authenticate(context, apiToken),
  },
};

/** Somebody whom a provider knows, with these groups. */
function cameThrough({ groups }: { readonly groups: readonly string[] }) {
  const person = { username: "ann", displayName: null, email: null };
  const identity = { provider: "corp", subject: "1", ...person, groups: [...groups] };
  return { identity, roles: { operator: ["operators"] }, method: "corp", userAgent: null };
}
