/**
 * Logging in and out, and judging the token that a login gave. Says nothing about whether a user
 * name exists: neither by its answer nor by its time.
 */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { Role } from "../identity/permissions.ts";
import { verifyPassword } from "../identity/passwords.ts";
import { hashSecretToken, isSecretToken, newSecretToken } from "../identity/secret-token.ts";
import { deleteLogin, findLogin, storeLogin } from "../repositories/logins.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { findCredentials } from "../repositories/users.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";

export interface Login {
  /** Shown once; only its hash is stored. */
  readonly token: string;
  readonly expiresAtMs: number;
}

export interface AuthenticatedLogin {
  readonly loginId: string;
  readonly userId: string;
  readonly role: Role;
}

/** Fails with `auth.invalid-credentials`, whichever of the two was wrong. */
export async function logIn(
  context: ServiceContext,
  caller: Caller,
  credentials: { readonly username: string; readonly password: string },
): Promise<Result<Login, Failure>> {
  const { database, nowMs, randomBytes } = context;
  const user = await findCredentials(database, credentials.username);
  const right = await verifyPassword(credentials.password, user?.passwordHash ?? null);
  if (user === null || !right) {
    const refused = auditRecord(context, caller, {
      type: "user.login-refused",
      // A name that nobody has may be a password, typed into the wrong field.
      data: { username: user?.username ?? UNKNOWN_USERNAME },
    });
    await storeWithAudit(database, [refused]);
    return fail({ code: "auth.invalid-credentials", detail: "" });
  }
  const atMs = nowMs();
  const token = newSecretToken("bearer", randomBytes);
  const expiresAtMs = atMs + LOGIN_LIFE_MS;
  await storeLogin(
    database,
    {
      id: newId("login", randomBytes),
      userId: user.id,
      tokenHash: await hashSecretToken(token),
      createdAtMs: atMs,
      expiresAtMs,
    },
    auditRecord(
      context,
      { ...caller, actorKind: "user", actorId: user.id },
      { type: "user.logged-in", data: { username: user.username } },
    ),
  );
  return ok({ token, expiresAtMs });
}

/** Who the token belongs to, or null when it is unknown, ended or expired. */
export async function authenticate(
  context: ServiceContext,
  token: string,
): Promise<AuthenticatedLogin | null> {
  if (!isSecretToken("bearer", token)) {
    return null;
  }
  return findLogin(context.database, await hashSecretToken(token), context.nowMs());
}

/** Ends the login; its token is worth nothing afterwards. */
export async function logOut(
  context: ServiceContext,
  caller: Caller,
  loginId: string,
): Promise<void> {
  await deleteLogin(
    context.database,
    loginId,
    auditRecord(context, caller, { type: "user.logged-out", data: {} }),
  );
}

/** A working day: after it the user shows again who they are. */
export const LOGIN_LIFE_MS = 12 * 60 * 60 * 1000;

const UNKNOWN_USERNAME = "(unknown)";
