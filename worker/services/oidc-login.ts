/**
 * The two halves of a login by OpenID Connect, and what the browser carries between them: a sealed
 * text that only this control plane can read and that is good for some minutes.
 */
import { z } from "zod";
import { utf8 } from "#shared/base/bytes.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { seal, unseal } from "#shared/ticket/seal.ts";
import { beginOidc, finishOidc, type OidcFailure } from "../identity/oidc.ts";
import type { OidcProvider } from "../identity/provider-settings.ts";
import { logNotice } from "../log.ts";
import { settleAttempt, takeAttempt } from "./attempts.ts";
import type { Caller, ServiceContext } from "./context.ts";
import { admit } from "./external-login.ts";
import type { FieldFailure } from "./field-failure.ts";
import type { Login } from "./login.ts";
import { refuseLogin } from "./refuse-login.ts";

/** Where to send the browser, and what it must bring back. */
export interface OidcStart {
  readonly url: string;
  readonly sealedAttempt: string;
}

export interface OidcEnd {
  readonly login: Login;
  /** The path that the person wanted to see. */
  readonly returnTo: string;
}

/** Fails with `resource.not-found`, `request.rate-limited` or `auth.provider-unavailable`. */
export async function startOidcLogin(
  context: ServiceContext,
  caller: Caller,
  start: { readonly provider: string; readonly returnTo: string },
): Promise<Result<OidcStart, FieldFailure>> {
  const provider = findProvider(context, start.provider);
  if (provider === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const taken = await takeAttempt(context, caller, "login-start");
  if (!taken.ok) {
    return taken;
  }
  const begun = await beginOidc(provider, redirectUri(context, provider));
  if (!begun.ok) {
    return tell(caller, provider, begun.error);
  }
  const attempt: Attempt = {
    ...begun.value.attempt,
    provider: provider.name,
    returnTo: localPath(start.returnTo),
    expiresAtMs: context.nowMs() + ATTEMPT_LIFE_MS,
  };
  const [{ key }] = context.settings.secretsKeys;
  const text = JSON.stringify(attempt);
  const sealedAttempt = await seal(key, text, context.randomBytes, SEALED_FOR);
  return ok({ url: begun.value.url, sealedAttempt });
}

/**
 * @param end `answer` is the path and query that the provider sent the browser to.
 *
 * Fails with `auth.attempt-invalid` (another browser, too late, or nothing begun),
 * `auth.provider-refused`, `auth.provider-unavailable`, `auth.not-admitted` or
 * `request.rate-limited`.
 */
export async function endOidcLogin(
  context: ServiceContext,
  caller: Caller,
  end: {
    readonly provider: string;
    readonly search: string;
    readonly sealedAttempt: string | null;
    readonly userAgent: string | null;
  },
): Promise<Result<OidcEnd, FieldFailure>> {
  const provider = findProvider(context, end.provider);
  if (provider === null) {
    return fail({ code: "resource.not-found", detail: "" });
  }
  const taken = await takeAttempt(context, caller, "login-callback");
  if (!taken.ok) {
    return taken;
  }
  const attempt = await readAttempt(context, end.sealedAttempt);
  if (attempt === null || attempt.provider !== provider.name) {
    return fail({ code: "auth.attempt-invalid", detail: "" });
  }
  // The address that the provider knows, and not the one behind a proxy that we were asked by.
  const answer = new URL(redirectUri(context, provider) + end.search);
  const identity = await finishOidc(provider, answer, attempt);
  const method = `oidc:${provider.name}`;
  if (!identity.ok) {
    const failed = tell(caller, provider, identity.error);
    const { code } = identity.error;
    return code === "auth.provider-refused"
      ? await refuseLogin(context, caller, {
          code,
          username: null,
          method,
          reason: "provider-refused",
        })
      : failed;
  }
  await settleAttempt(context, taken.value);
  const login = await admit(context, caller, {
    identity: identity.value,
    roles: provider.roles,
    method,
    userAgent: end.userAgent,
  });
  return login.ok ? ok({ login: login.value, returnTo: attempt.returnTo }) : login;
}

/** How long a person may take to log in at the provider. */
export const ATTEMPT_LIFE_MS = 10 * 60 * 1000;

function findProvider(context: ServiceContext, name: string): OidcProvider | null {
  return context.settings.oidcProviders.find((provider) => provider.name === name) ?? null;
}

function redirectUri(context: ServiceContext, provider: OidcProvider): string {
  return `${context.settings.publicUrl}/api/v1/auth/oidc/${provider.name}/callback`;
}

async function readAttempt(
  context: ServiceContext,
  sealed: string | null,
): Promise<Attempt | null> {
  for (const { key } of sealed === null ? [] : context.settings.secretsKeys) {
    const text = await unseal(key, sealed ?? "", SEALED_FOR);
    const attempt = text === null ? null : attemptSchema.safeParse(JSON.parse(text));
    if (attempt?.success === true && attempt.data.expiresAtMs > context.nowMs()) {
      return attempt.data;
    }
  }
  return null;
}

function tell(
  caller: Caller,
  provider: OidcProvider,
  failure: OidcFailure,
): Result<never, FieldFailure> {
  const { code, detail } = failure;
  logNotice(code, { provider: provider.name, detail, requestId: caller.requestId });
  return fail({ code, detail: "" });
}

/** A path of our own pages; anything that could lead to another server becomes the front page. */
function localPath(path: string): string {
  return /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(path) ? path : "/";
}

/** So that no other text that was sealed with the same key passes for an attempt. */
const SEALED_FOR = utf8("kerbside login attempt");

const attemptSchema = z.strictObject({
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  provider: z.string(),
  returnTo: z.string(),
  expiresAtMs: z.int(),
});

type Attempt = z.infer<typeof attemptSchema>;
