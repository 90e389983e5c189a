/**
 * Logging in by a password, opening a login for somebody who proved who they are, and judging the
 * credentials of requests. Says nothing about whether a user name exists: neither by its answer nor
 * by its time.
 */
import type { LoginRefusalReason } from "#shared/audit/events.ts";
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { admitsByPassword } from "../identity/local-login.ts";
import { permissionsOf } from "../identity/permissions.ts";
import { verifyPassword } from "../identity/passwords.ts";
import { hashSecretToken, isSecretToken, newSecretToken } from "../identity/secret-token.ts";
import { isCheckViolation } from "../repositories/database-errors.ts";
import { deleteLogin, findLogin, noteLoginUse, storeLogin } from "../repositories/logins.ts";
import { findCredentials, type UserCredentials } from "../repositories/users.ts";
import { authenticateToken } from "./api-tokens.ts";
import { forgiveAccount, settleAttempt, takeAttempt } from "./attempts.ts";
import { auditRecord } from "./audit-record.ts";
import type {
  ActingUser,
  Authenticated,
  Caller,
  RequestOrigin,
  ServiceContext,
} from "./context.ts";
import type { FieldFailure } from "./field-failure.ts";
import { inPasswordTurn } from "./password-turn.ts";
import { refuseLogin } from "./refuse-login.ts";
import { runLater } from "./run-later.ts";

export interface Login {
  /** Shown once; only its hash is stored. */
  readonly token: string;
  readonly expiresAtMs: number;
}

export interface PasswordLogin {
  readonly username: string;
  readonly password: string;
  /** The program that asks, in its own words. */
  readonly userAgent?: string | null;
}

/**
 * Fails with `auth.invalid-credentials`, whatever was wrong; with `request.rate-limited`; with
 * `auth.busy` when too many try at once; or with `auth.method-off` where nobody logs in by a password.
 */
export async function logIn(
  context: ServiceContext,
  caller: Caller,
  given: PasswordLogin,
): Promise<Result<Login, FieldFailure>> {
  if (context.settings.localLogin === "off") {
    return fail({ code: "auth.method-off", detail: "" });
  }
  const { database } = context;
  const attempt = await takeAttempt(context, caller, "login", {
    name: given.username,
    userId: async () => (await findCredentials(database, given.username))?.id ?? null,
  });
  if (!attempt.ok) {
    return attempt;
  }
  const user = await findCredentials(database, given.username);
  const stored = user?.passwordHash ?? null;
  const isRight = await inPasswordTurn(
    context,
    async () => await verifyPassword(given.password, stored),
  );
  if (isRight === null) {
    await forgiveAccount(context, attempt.value);
    return fail({ code: "auth.busy", detail: "" });
  }
  const reason = refusalOf(context, user, isRight);
  if (user === null || reason !== null) {
    return await refuseLogin(context, caller, refusalFor(user, reason ?? "unknown-user"));
  }
  const { passwordHash } = user;
  const { userAgent = null } = given;
  const opening = { user, method: PASSWORD_METHOD, userAgent, passwordHash };
  const login = await openLogin(context, caller, opening);
  if (login === null) {
    const now = await findCredentials(database, given.username);
    const isSame = now?.passwordHash === passwordHash;
    const changed = refusalOf(context, now, isSame) ?? "wrong-password";
    return await refuseLogin(context, caller, refusalFor(user, changed));
  }
  await settleAttempt(context, attempt.value);
  return ok(login);
}

function refusalFor(user: UserCredentials | null, reason: LoginRefusalReason) {
  const code = "auth.invalid-credentials" as const;
  return { code, username: user?.username ?? null, method: PASSWORD_METHOD, reason };
}

/**
 * Opens a login for a user who has proved who they are, by whatever method; always a new one, with
 * a new token. The method is told to the user in the list of their logins. Null: meanwhile the user
 * was disabled or deleted, or got another password than the one that they proved it by.
 */
export async function openLogin(
  context: ServiceContext,
  caller: Caller,
  opening: {
    readonly user: { readonly id: string; readonly username: string };
    readonly method: string;
    readonly userAgent: string | null;
    /** Of the password that it was proved by, if it was by one. */
    readonly passwordHash?: string | null;
  },
): Promise<Login | null> {
  const { database, nowMs, randomBytes } = context;
  const { user, method, userAgent, passwordHash } = opening;
  const loginId = newId("login", randomBytes);
  const token = newSecretToken("bearer", randomBytes);
  const createdAtMs = nowMs();
  const expiresAtMs = createdAtMs + LOGIN_LIFE_MS;
  const row = {
    id: loginId,
    userId: user.id,
    tokenHash: await hashSecretToken(token),
    createdAtMs,
    expiresAtMs,
    method,
    address: caller.address,
    userAgent: userAgent === null ? null : plainText(userAgent),
  };
  const audit = auditRecord(
    context,
    { ...caller, actorKind: "user", actorId: user.id },
    { type: "user.logged-in", data: { username: user.username, method, loginId } },
  );
  try {
    await storeLogin(database, row, audit, passwordHash);
  } catch (error) {
    if (isCheckViolation(error)) {
      return null;
    }
    throw error;
  }
  return { token, expiresAtMs };
}

/** Who the login's or API token's text belongs to; null when it is unknown, ended or expired. */
export async function authenticate(
  context: ServiceContext,
  token: string,
  from: RequestOrigin = { address: null, requestId: null },
): Promise<Authenticated | null> {
  if (isSecretToken("apiToken", token)) {
    return await authenticateToken(context, token, from);
  }
  if (!isSecretToken("bearer", token)) {
    return null;
  }
  const atMs = context.nowMs();
  const login = await findLogin(context.database, await hashSecretToken(token), atMs);
  if (login === null) {
    return null;
  }
  const { loginId, userId, role, lastUsedAtMs } = login;
  if (lastUsedAtMs === null || atMs - lastUsedAtMs >= USE_NOTED_EVERY_MS) {
    await runLater(context, "login.use", async () => {
      await noteLoginUse(context.database, { loginId, atMs });
    });
  }
  return {
    credential: { kind: "login", id: loginId },
    userId,
    role,
    permissions: permissionsOf(role),
  };
}

/** Ends the login that the caller asks with; its token is worth nothing afterwards. */
export async function logOut(
  context: ServiceContext,
  caller: ActingUser,
  loginId: string,
): Promise<void> {
  await deleteLogin(
    context.database,
    { id: loginId, userId: caller.actorId },
    auditRecord(context, caller, { type: "user.logged-out", data: { loginId } }),
  );
}

/** Why the user is not let in; null: they are. */
function refusalOf(
  context: ServiceContext,
  user: UserCredentials | null,
  isRight: boolean,
): LoginRefusalReason | null {
  if (user === null) {
    return "unknown-user";
  }
  if (!isRight) {
    return user.passwordHash === null ? "no-password" : "wrong-password";
  }
  if (user.disabledAtMs !== null) {
    return "disabled";
  }
  return admitsByPassword(context.settings.localLogin, user) ? null : "not-admitted";
}

/** One line of a bounded length: it is shown in lists and terminals. */
function plainText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, USER_AGENT_CHARACTERS_MAX);
}

/** A working day: after it the user shows again who they are. */
export const LOGIN_LIFE_MS = 12 * 60 * 60 * 1000;
/** Often enough to recognise a login by, and no write with each request. */
const USE_NOTED_EVERY_MS = 60 * 1000;

/** What a browser and its system are known by comes first. */
const USER_AGENT_CHARACTERS_MAX = 256;
export const PASSWORD_METHOD = "password";
