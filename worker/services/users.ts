/** Local users. Runs in the Worker and in the developer's tools alike. */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Role } from "../identity/permissions.ts";
import { hashPassword } from "../identity/passwords.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import { insertUser } from "../repositories/users.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import type { ServiceContext } from "./context.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";

export interface NewUser {
  readonly username: string;
  readonly password: string;
  readonly role: Role;
}

/** Fails with `request.invalid`, or `resource.conflict` when the name is taken in any case. */
export async function createUser(
  context: Pick<ServiceContext, "database" | "nowMs" | "randomBytes">,
  user: NewUser,
): Promise<Result<{ readonly id: string }, FieldFailure>> {
  if (!USERNAME_PATTERN.test(user.username)) {
    return fail(invalidField("username", "1 to 64 letters, digits, and . _ @ - inside"));
  }
  if (user.password.length < PASSWORD_CHARACTERS_MIN) {
    return fail(invalidField("password", `at least ${PASSWORD_CHARACTERS_MIN} characters`));
  }
  if (user.password.length > PASSWORD_CHARACTERS_MAX) {
    return fail(invalidField("password", `at most ${PASSWORD_CHARACTERS_MAX} characters`));
  }
  const id = newId("user", context.randomBytes);
  const row = {
    id,
    username: user.username,
    passwordHash: await hashPassword(user.password, context.randomBytes),
    role: user.role,
    createdAtMs: context.nowMs(),
  };
  const audit = auditRecord(context, SYSTEM_CALLER, {
    type: "user.created",
    data: { username: user.username },
  });
  try {
    await insertUser(context.database, row, audit);
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: "The user name is taken." });
    }
    throw error;
  }
  return ok({ id });
}

const USERNAME_PATTERN = /^[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?$/;
export const USERNAME_CHARACTERS_MAX = 64;
/** Below it, guessing over the network becomes realistic. */
const PASSWORD_CHARACTERS_MIN = 12;
/** Longer input only makes the hash's first step dearer. */
export const PASSWORD_CHARACTERS_MAX = 256;
