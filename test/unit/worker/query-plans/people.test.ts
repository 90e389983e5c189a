import { describe, it } from "vitest";
import { changeOwnPassword, readAccount } from "../../../../worker/services/account.ts";
import {
  createApiToken,
  endApiToken,
  pageApiTokens,
} from "../../../../worker/services/api-tokens.ts";
import { type ActingUser } from "../../../../worker/services/context.ts";
import { expireCredentials } from "../../../../worker/services/expire-credentials.ts";
import {
  addMember,
  changeGroup,
  createGroup,
  deleteGroup,
  pageGroups,
  pageGroupsOfUser,
  pageMembers,
  removeMember,
} from "../../../../worker/services/groups.ts";
import { authenticate, logIn, logOut } from "../../../../worker/services/login.ts";
import { endLogin, endLogins, pageLogins } from "../../../../worker/services/logins.ts";
import {
  changeUser,
  createUser,
  deleteUser,
  pageUsers,
  setPassword,
} from "../../../../worker/services/users.ts";
import { TEST_PASSWORD, type ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed } from "./expect-indexed.ts";

describe("what is asked of the database about people", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(20, async (services, admin) => {
      await useLogins(services, admin);
      await usePeople(services, admin);
    });
  });
});

/** A login from its beginning to its end. */
async function useLogins({ context }: ControlServices, admin: ActingUser): Promise<void> {
  const login = await logIn(context, admin, { username: "admin", password: TEST_PASSWORD });
  const authenticated = await authenticate(context, login.ok ? login.value.token : "");
  await logOut(context, admin, authenticated?.credential.id ?? "");
}

async function usePeople({ context }: ControlServices, admin: ActingUser): Promise<void> {
  const created = await createUser(context, {
    username: "bob",
    password: TEST_PASSWORD,
    role: "user",
  });
  const userId = created.ok ? created.value.id : "";
  const issued = await createApiToken(context, admin, {
    name: "script",
    scopes: ["consoles.read"],
    lifeDays: 1,
  });
  const { id: tokenId = "", token = "" } = issued.ok ? issued.value : {};
  await authenticate(context, token);
  for (const after of [null, { createdAtMs: 1, id: "x" }]) {
    await pageLogins(context, { userId: admin.actorId, after, limit: 2 });
    await pageApiTokens(context, { userId: admin.actorId, after, limit: 2 });
  }
  await endApiToken(context, admin, { id: tokenId, userId: admin.actorId });
  await endLogin(context, admin, { id: "lgn_none", userId });
  await endLogins(context, admin, { userId, exceptLoginId: "lgn_none" });
  for (const prefix of [null, "b"]) {
    for (const after of [null, "a"]) {
      await pageUsers(context, { prefix, role: null, after, limit: 2 });
      await pageUsers(context, { prefix, role: "user", after, limit: 2 });
      await pageGroups(context, { prefix, after, limit: 2 });
    }
  }
  const group = await createGroup(context, admin, { name: "support", description: null });
  const groupId = group.ok ? group.value.id : "";
  await changeGroup(context, admin, { id: groupId, changes: { name: "helpers" } });
  await addMember(context, admin, { groupId, userId });
  for (const after of [null, "a"]) {
    await pageMembers(context, { groupId, after, limit: 2 });
    await pageGroupsOfUser(context, { userId, after, limit: 2 });
  }
  await readAccount(context, admin);
  await changeOwnPassword(context, admin, {
    currentPassword: TEST_PASSWORD,
    newPassword: `${TEST_PASSWORD} again`,
  });
  await removeMember(context, admin, { groupId, userId });
  await removeMember(context, admin, { groupId, userId });
  await deleteGroup(context, admin, groupId);
  await setPassword(context, admin, { id: userId, password: TEST_PASSWORD });
  await changeUser(context, admin, { id: userId, changes: { disabled: true, role: "admin" } });
  await changeUser(context, admin, { id: admin.actorId, changes: { role: "user" } });
  await deleteUser(context, admin, userId);
  await expireCredentials(context);
}
