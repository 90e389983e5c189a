/**
 * People, as admins manage them. Runs in the Worker and, in part, in the operator's tools. There is
 * always an admin who is enabled; a disabled user's credentials and sessions are void at once.
 */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { AuditEvent } from "#shared/audit/events.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import { LOCAL_ORIGIN } from "../identity/local-login.ts";
import type { Role } from "../identity/permissions.ts";
import { hashPassword } from "../identity/passwords.ts";
import { isUniqueViolation } from "../repositories/database-errors.ts";
import {
  changeUser as changeStoredUser,
  deleteUser as deleteStoredUser,
  type EndedCredentials,
  findCredentials,
  findCredentialsById,
  findUser,
  insertUser,
  listUsers,
  setPasswordHash,
  type UserPatch,
  type UserSummary,
} from "../repositories/users.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { announceDenial, type DenialRequest, prepareDenial } from "./denials.ts";
import { type FieldFailure, invalidField } from "./field-failure.ts";

/** What is needed to store people; tools have no more. */
export type PeopleContext = Pick<ServiceContext, "database" | "nowMs" | "randomBytes">;

export interface NewUser {
  readonly username: string;
  readonly password: string;
  readonly role: Role;
  readonly displayName?: string | null | undefined;
  readonly email?: string | null | undefined;
}

/** Fields to change: null takes a value away, an absent field stays as it is. */
export interface UserChanges {
  readonly role?: Role | undefined;
  readonly displayName?: string | null | undefined;
  readonly email?: string | null | undefined;
  readonly disabled?: boolean | undefined;
}

/** Fails with `request.invalid`, or `resource.conflict` when the name is taken in any case. */
export async function createUser(
  context: PeopleContext,
  user: NewUser,
  caller: Caller = SYSTEM_CALLER,
): Promise<Result<UserSummary, FieldFailure>> {
  if (!USERNAME_PATTERN.test(user.username)) {
    return fail(invalidField("username", "1 to 64 letters, digits, and . _ @ - inside"));
  }
  const fault = passwordFault(user.password, user.username);
  if (fault !== null) {
    return fail(invalidField("password", fault));
  }
  const summary: UserSummary = {
    id: newId("user", context.randomBytes),
    username: user.username,
    displayName: user.displayName ?? null,
    email: user.email ?? null,
    role: user.role,
    origin: LOCAL_ORIGIN,
    hasPassword: true,
    createdAtMs: context.nowMs(),
    disabledAtMs: null,
    lastLoginAtMs: null,
  };
  const { hasPassword: _stored, ...row } = summary;
  const passwordHash = await hashPassword(user.password, context.randomBytes);
  const audit = auditRecord(context, caller, {
    type: "user.created",
    data: { username: user.username, userId: summary.id, role: user.role },
  });
  try {
    await insertUser(context.database, { ...row, passwordHash }, audit);
  } catch (error) {
    if (isUniqueViolation(error)) {
      return fail({ code: "resource.conflict", detail: "The user name is taken." });
    }
    throw error;
  }
  return ok(summary);
}

/** A page of users by name. */
export async function pageUsers(
  context: ServiceContext,
  page: {
    readonly prefix: string | null;
    readonly role: Role | null;
    readonly after: string | null;
    readonly limit: number;
  },
): Promise<{ readonly items: UserSummary[]; readonly nextName: string | null }> {
  // One more than asked for tells whether there is another page.
  const rows = await listUsers(context.database, { ...page, limit: page.limit + 1 });
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined;
  return { items: rows.slice(0, page.limit), nextName: last?.username ?? null };
}

/** Fails with `resource.not-found`. */
export async function readUser(
  context: ServiceContext,
  id: string,
): Promise<Result<UserSummary, Failure>> {
  const user = await findUser(context.database, id);
  return user === null ? fail({ code: "resource.not-found", detail: "" }) : ok(user);
}

/** Fails with `resource.not-found`, or `user.last-admin`. */
export async function changeUser(
  context: ServiceContext,
  caller: Caller,
  change: { readonly id: string; readonly changes: UserChanges },
): Promise<Result<UserSummary, Failure>> {
  const { id, changes } = change;
  const changed = await changeStoredUser(context.database, id, (before) => {
    const patch = patchOf(before, changes, context.nowMs());
    const isDisabled = typeof patch.disabledAtMs === "number";
    return Object.keys(patch).length === 0
      ? null
      : {
          patch,
          denial: isDisabled ? prepareDenial(context, caller, denialOf(id, "disabled")) : null,
          audit: (ended) => auditRecord(context, caller, tellChange(before, patch, ended)),
        };
  });
  if (changed === "not-found") {
    return fail({ code: "resource.not-found", detail: "" });
  }
  if (changed === "last-admin") {
    return fail({ code: "user.last-admin", detail: "" });
  }
  if (changes.disabled === true) {
    // Also for one who was disabled before: a relay may have missed it.
    await announceDenial(context, { subject: "user", id });
  }
  return ok(changed);
}

/**
 * Takes the person away for good, with name, credentials and memberships. Sessions and the audit
 * trail still have their id. Fails with `resource.not-found`, or `user.last-admin`.
 */
export async function deleteUser(
  context: ServiceContext,
  caller: Caller,
  id: string,
): Promise<Result<null, Failure>> {
  const denial = prepareDenial(context, caller, denialOf(id, "deleted"));
  const deletion = { id, atMs: denial.nowMs, denial };
  const deleted = await deleteStoredUser(context.database, deletion, ({ username }, ended) =>
    auditRecord(context, caller, {
      type: "user.deleted",
      data: { userId: id, username, loginsEnded: ended.logins, tokensRevoked: ended.tokens },
    }),
  );
  if (deleted === "deleted") {
    await announceDenial(context, denial.denial);
    return ok(null);
  }
  return fail({
    code: deleted === "not-found" ? "resource.not-found" : "user.last-admin",
    detail: "",
  });
}

/**
 * Gives a user another password, and ends their logins. Fails with `request.invalid` or
 * `resource.not-found`.
 */
export async function setPassword(
  context: PeopleContext,
  caller: Caller,
  change: { readonly id: string; readonly password: string },
): Promise<Result<null, FieldFailure>> {
  const { id, password } = change;
  const user = await findCredentialsById(context.database, id);
  if (user === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const fault = passwordFault(password, user.username);
  if (fault !== null) {
    return fail(invalidField("password", fault));
  }
  const passwordHash = await hashPassword(password, context.randomBytes);
  const set = await setPasswordHash(
    context.database,
    { id, passwordHash, exceptLoginId: null },
    ({ username, loginsEnded }) =>
      auditRecord(context, caller, {
        type: "user.password-set",
        data: { userId: id, username, loginsEnded },
      }),
  );
  return set === "set" ? ok(null) : fail({ code: "resource.not-found", detail: "" });
}

/** The way back in for an operator with the database at hand. Null: nobody has that name. */
export async function enableUserNamed(
  context: PeopleContext,
  username: string,
): Promise<{ readonly id: string } | null> {
  const user = await findCredentials(context.database, username);
  if (user === null) {
    return null;
  }
  await changeStoredUser(context.database, user.id, (before) => {
    const patch = patchOf(before, { disabled: false }, context.nowMs());
    return Object.keys(patch).length === 0
      ? null
      : {
          patch,
          denial: null,
          audit: (ended) => auditRecord(context, SYSTEM_CALLER, tellChange(before, patch, ended)),
        };
  });
  return { id: user.id };
}

/** As {@link setPassword}, by name. */
export async function setPasswordNamed(
  context: PeopleContext,
  change: { readonly username: string; readonly password: string },
): Promise<Result<{ readonly id: string }, FieldFailure>> {
  const user = await findCredentials(context.database, change.username);
  if (user === null) {
    return fail({ code: "resource.not-found", detail: "There is no user of that name." });
  }
  const { id } = user;
  const set = await setPassword(context, SYSTEM_CALLER, { id, password: change.password });
  return set.ok ? ok({ id }) : set;
}

/** Why it may not be somebody's password; null: it may. */
export function passwordFault(password: string, username: string): string | null {
  if (password.length < PASSWORD_CHARACTERS_MIN) {
    return `at least ${PASSWORD_CHARACTERS_MIN} characters`;
  }
  if (password.length > PASSWORD_CHARACTERS_MAX) {
    return `at most ${PASSWORD_CHARACTERS_MAX} characters`;
  }
  return password.toLowerCase() === username.toLowerCase() ? "not the user name" : null;
}

/** Void is what was granted to them until then; they get no more, because tickets ask for it. */
function denialOf(id: string, done: "disabled" | "deleted"): DenialRequest {
  return { subject: "user", id, reason: `the user was ${done}` };
}

/** The fields that really change. */
function patchOf(before: UserSummary, changes: UserChanges, nowMs: number): UserPatch {
  const { role, displayName, email, disabled } = changes;
  const isDisabled = before.disabledAtMs !== null;
  return {
    ...(role === undefined || role === before.role ? {} : { role }),
    ...(displayName === undefined || displayName === before.displayName ? {} : { displayName }),
    ...(email === undefined || email === before.email ? {} : { email }),
    ...(disabled === undefined || disabled === isDisabled
      ? {}
      : { disabledAtMs: disabled ? nowMs : null }),
  };
}

function tellChange(before: UserSummary, patch: UserPatch, ended: EndedCredentials): AuditEvent {
  const { role, disabledAtMs } = patch;
  const fields = Object.keys(patch).map((field) => (field === "disabledAtMs" ? "disabled" : field));
  return {
    type: "user.changed",
    data: {
      userId: before.id,
      username: before.username,
      fields: fields.sort().join(","),
      ...(role === undefined ? {} : { roleBefore: before.role, roleAfter: role }),
      ...(disabledAtMs === undefined
        ? {}
        : {
            disabledBefore: before.disabledAtMs !== null,
            disabledAfter: disabledAtMs !== null,
          }),
      loginsEnded: ended.logins,
      tokensRevoked: ended.tokens,
    },
  };
}

const USERNAME_PATTERN = /^[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?$/;
export const USERNAME_CHARACTERS_MAX = 64;
/** Below it, guessing over the network becomes realistic. */
const PASSWORD_CHARACTERS_MIN = 12;
/** Longer input only makes the hash's first step dearer. */
export const PASSWORD_CHARACTERS_MAX = 256;
