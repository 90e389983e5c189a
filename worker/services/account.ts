/** The caller's own account: who they are, and their own password. */
import { assert } from "#shared/base/assert.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { hashPassword, verifyPassword } from "../identity/passwords.ts";
import { type GroupOfUser, listGroupsOfUser } from "../repositories/groups.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import {
  findCredentialsById,
  findUser,
  setPasswordHash,
  type UserSummary,
} from "../repositories/users.ts";
import { forgiveAccount, settleAttempt, takeAttempt } from "./attempts.ts";
import { auditRecord } from "./audit-record.ts";
import type { ActingUser, ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";
import { inPasswordTurn } from "./password-turn.ts";
import { passwordFault } from "./users.ts";

export interface Account {
  readonly user: UserSummary;
  readonly groups: readonly GroupOfUser[];
}

/** Who the caller is. */
export async function readAccount(context: ServiceContext, caller: ActingUser): Promise<Account> {
  const { database } = context;
  const userId = caller.actorId;
  const [user, groups] = await Promise.all([
    findUser(database, userId),
    listGroupsOfUser(database, { userId, after: null, limit: GROUPS_TOLD_MAX }),
  ]);
  assert(user !== null, "who was let in is a user");
  return { user, groups };
}

/**
 * Gives the caller another password and ends their other logins. Fails with `request.invalid` and
 * the field, also when the old password is wrong, with `request.rate-limited`, or with `auth.busy`
 * when too many passwords are to be judged.
 */
export async function changeOwnPassword(
  context: ServiceContext,
  caller: ActingUser,
  change: { readonly currentPassword: string; readonly newPassword: string },
): Promise<Result<null, FieldFailure>> {
  const { database } = context;
  const id = caller.actorId;
  const userId = async (): Promise<string> => await Promise.resolve(id);
  const attempt = await takeAttempt(context, caller, "password", { name: id, userId });
  if (!attempt.ok) {
    return attempt;
  }
  const user = await findCredentialsById(database, id);
  const stored = user?.passwordHash ?? null;
  const isRight = await inPasswordTurn(
    context,
    async () => await verifyPassword(change.currentPassword, stored),
  );
  if (isRight === null) {
    await forgiveAccount(context, attempt.value);
    return fail(BUSY);
  }
  if (user === null || !isRight) {
    const event = { type: "user.password-refused", data: { userId: id } } as const;
    await storeWithAudit(database, [auditRecord(context, caller, event)]);
    return fail(NOT_YOUR_PASSWORD);
  }
  await settleAttempt(context, attempt.value);
  const fault = passwordFault(change.newPassword, user.username);
  if (fault !== null) {
    return fail(invalidField("newPassword", fault));
  }
  const passwordHash = await inPasswordTurn(
    context,
    async () => await hashPassword(change.newPassword, context.randomBytes),
  );
  if (passwordHash === null) {
    return fail(BUSY);
  }
  const exceptLoginId = caller.credential?.id ?? null;
  const set = await setPasswordHash(
    database,
    { id, passwordHash, before: user.passwordHash, exceptLoginId },
    ({ username, loginsEnded }) =>
      auditRecord(context, caller, {
        type: "user.password-set",
        data: { userId: id, username, loginsEnded },
      }),
  );
  // Somebody gave them another one meanwhile: what was proved is worth nothing any more.
  return set === "set" ? ok(null) : fail(NOT_YOUR_PASSWORD);
}

const BUSY: Failure = { code: "auth.busy", detail: "" };
const NOT_YOUR_PASSWORD = invalidField("currentPassword", "is not your password");
/** Whoever is in more groups finds the rest in the list of groups of a user. */
const GROUPS_TOLD_MAX = 200;
