/**
 * Logging in through a provider. What the provider proves is who somebody is; whether they get in,
 * and as what, is decided by the groups that the settings name.
 */
import { newId } from "#shared/base/ids.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type ExternalIdentity, roleOf, usernamesFor } from "../identity/external-identity.ts";
import { logInToKeystone } from "../identity/keystone.ts";
import type { RoleGroups } from "../identity/provider-settings.ts";
import { logNotice } from "../log.ts";
import { adoptExternalUser, dismissExternalUser } from "../repositories/external-users.ts";
import { forgiveAttempt, settleAttempt, takeAttempt } from "./attempts.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";
import type { FieldFailure } from "./field-failure.ts";
import { type Login, logIn, openLogin, PASSWORD_METHOD, type PasswordLogin } from "./login.ts";
import { refuseLogin } from "./refuse-login.ts";

/**
 * Logs in by a password: of Kerbside's own users, or of those of the named provider. Fails as
 * {@link logIn} and {@link logInByKeystone} do.
 */
export async function logInByPassword(
  context: ServiceContext,
  caller: Caller,
  given: PasswordLogin & { readonly provider?: string | undefined },
): Promise<Result<Login, FieldFailure>> {
  const { localLogin, keystone } = context.settings;
  const usual = localLogin === "off" && keystone !== null ? keystone.name : PASSWORD_METHOD;
  const provider = given.provider ?? usual;
  if (provider === PASSWORD_METHOD) {
    return await logIn(context, caller, given);
  }
  return provider === keystone?.name
    ? await logInByKeystone(context, caller, given)
    : fail({ code: "auth.method-off", detail: "" });
}

/**
 * Logs in by the password of a Keystone user. Fails with `auth.invalid-credentials`,
 * `auth.not-admitted`, `auth.provider-unavailable`, `auth.method-off` or `request.rate-limited`.
 */
async function logInByKeystone(
  context: ServiceContext,
  caller: Caller,
  given: PasswordLogin,
): Promise<Result<Login, FieldFailure>> {
  const { keystone } = context.settings;
  if (keystone === null) {
    return fail({ code: "auth.method-off", detail: "" });
  }
  const attempt = await takeAttempt(context, caller, "login", {
    name: `${keystone.name}:${given.username}`,
    userId: async () => null,
  });
  if (!attempt.ok) {
    return attempt;
  }
  const identity = await logInToKeystone(keystone, given);
  if (!identity.ok) {
    const { code, detail } = identity.error;
    if (code === "auth.provider-unavailable") {
      logNotice(code, { provider: keystone.name, detail, requestId: caller.requestId });
      await forgiveAttempt(context, attempt.value);
      return fail({ code, detail: "" });
    }
    return await refuseLogin(context, caller, {
      code,
      username: null,
      method: keystone.name,
      reason: "wrong-password",
    });
  }
  await settleAttempt(context, attempt.value);
  return await admit(context, caller, {
    identity: identity.value,
    roles: keystone.roles,
    method: keystone.name,
    userAgent: given.userAgent ?? null,
  });
}

/**
 * Lets somebody in whom a provider knows: makes or updates their user and opens a login. Fails with
 * `auth.not-admitted`, which the audit trail explains.
 */
export async function admit(
  context: ServiceContext,
  caller: Caller,
  admission: {
    readonly identity: ExternalIdentity;
    readonly roles: RoleGroups;
    readonly method: string;
    readonly userAgent: string | null;
  },
): Promise<Result<Login, FieldFailure>> {
  const { identity, roles, method, userAgent } = admission;
  const [username = null] = usernamesFor(identity);
  const role = roleOf(roles, identity.groups);
  const refusal = { code: "auth.not-admitted", username, method } as const;
  if (role === null) {
    // Their word counts as much when it lets nobody in: what it gave before is over.
    await dismissExternalUser(context.database, identity, (event) =>
      auditRecord(context, caller, event),
    );
    return await refuseLogin(context, caller, { ...refusal, reason: "not-admitted" });
  }
  const { provider, subject, displayName, email, groups } = identity;
  const adopted = await adoptExternalUser(
    context.database,
    {
      provider,
      subject,
      usernames: usernamesFor(identity),
      displayName,
      email,
      role,
      groups,
      newUserId: newId("user", context.randomBytes),
      atMs: context.nowMs(),
    },
    (event) => auditRecord(context, caller, event),
  );
  if (adopted.kind !== "user") {
    const reason = adopted.kind === "disabled" ? "disabled" : "name-taken";
    return await refuseLogin(context, caller, { ...refusal, reason });
  }
  const login = await openLogin(context, caller, { user: adopted, method, userAgent });
  return login === null
    ? await refuseLogin(context, caller, { ...refusal, reason: "disabled" })
    : ok(login);
}
