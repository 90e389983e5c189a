/**
 * OpenID Connect as a relying party: the authorization code flow with PKCE, state and nonce
 * (OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9207). The protocol is openid-client's;
 * here is what Kerbside asks of it and what it believes afterwards.
 */
import * as oidc from "openid-client";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { boundedText, type ExternalIdentity, groupNames } from "./external-identity.ts";
import type { OidcProvider } from "./provider-settings.ts";

/** What the browser keeps, sealed, between its leaving for the provider and its coming back. */
export interface OidcAttempt {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

export interface OidcFailure {
  readonly code: "auth.provider-unavailable" | "auth.provider-refused";
  /** For the log: which step, and the provider's own code. Never a token. */
  readonly detail: string;
}

/** Where to send the browser, and what to remember. */
export async function beginOidc(
  provider: OidcProvider,
  redirectUri: string,
): Promise<Result<{ readonly url: string; readonly attempt: OidcAttempt }, OidcFailure>> {
  const attempt: OidcAttempt = {
    state: oidc.randomState(),
    nonce: oidc.randomNonce(),
    codeVerifier: oidc.randomPKCECodeVerifier(),
  };
  try {
    const configuration = await discover(provider);
    const url = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: provider.scopes.join(" "),
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(attempt.codeVerifier),
      code_challenge_method: "S256",
    });
    return ok({ url: url.href, attempt });
  } catch (error) {
    return fail(failureOf("discovery", error));
  }
}

/** Who came back. @param answer the whole address that the provider sent the browser to. */
export async function finishOidc(
  provider: OidcProvider,
  answer: URL,
  attempt: OidcAttempt,
): Promise<Result<ExternalIdentity, OidcFailure>> {
  let step = "discovery";
  try {
    const configuration = await discover(provider);
    step = "token";
    const tokens = await oidc.authorizationCodeGrant(configuration, answer, {
      pkceCodeVerifier: attempt.codeVerifier,
      expectedState: attempt.state,
      expectedNonce: attempt.nonce,
      idTokenExpected: true,
    });
    const idToken: Claims = tokens.claims() ?? {};
    const subject = boundedText(idToken["sub"]);
    if (subject === null) {
      return fail({ code: "auth.provider-refused", detail: "the ID token has no subject" });
    }
    step = "userinfo";
    const claims = await completeClaims(provider, configuration, {
      idToken,
      subject,
      accessToken: tokens.access_token,
    });
    return ok({
      provider: provider.name,
      subject,
      username: boundedText(claims[provider.usernameClaim]) ?? "",
      displayName: boundedText(claims["name"]),
      email: boundedText(claims["email"]),
      groups: groupNames(claims[provider.groupsClaim]),
    });
  } catch (error) {
    return fail(failureOf(step, error));
  }
}

type Claims = Readonly<Record<string, unknown>>;

/** Providers put names and groups into the ID token, or only into what its userinfo answers. */
async function completeClaims(
  provider: OidcProvider,
  configuration: oidc.Configuration,
  known: { readonly idToken: Claims; readonly subject: string; readonly accessToken: string },
): Promise<Claims> {
  const { idToken, subject, accessToken } = known;
  const isComplete = [provider.usernameClaim, provider.groupsClaim].every(
    (claim) => idToken[claim] !== undefined,
  );
  if (isComplete || configuration.serverMetadata().userinfo_endpoint === undefined) {
    return idToken;
  }
  // The library refuses an answer about another subject.
  const userinfo = await oidc.fetchUserInfo(configuration, accessToken, subject);
  return { ...userinfo, ...idToken };
}

/** Asked anew each time: keys and addresses change, and a login is rare. */
async function discover(provider: OidcProvider): Promise<oidc.Configuration> {
  const issuer = new URL(provider.issuer);
  const { clientId, clientSecret } = provider;
  return await oidc.discovery(
    issuer,
    clientId,
    { [oidc.clockTolerance]: CLOCK_TOLERANCE_SECONDS },
    clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(clientSecret),
    {
      timeout: ANSWER_DEADLINE_SECONDS,
      // oxlint-disable-next-line typescript/no-deprecated -- marked so to be noticed; settings allow plain http on loopback alone
      execute: issuer.protocol === "http:" ? [oidc.allowInsecureRequests] : [],
    },
  );
}

/** What the provider said is a refusal; what never came, or was no answer, is an outage. */
function failureOf(step: string, error: unknown): OidcFailure {
  const name = error instanceof Error ? error.name : typeof error;
  const code = error instanceof Error && "code" in error ? String(error.code) : name;
  const said =
    error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError
      ? error.error
      : "";
  const isOutage =
    code === "OAUTH_TIMEOUT" || name === "TypeError" || (step === "discovery" && said === "");
  return {
    code: isOutage ? "auth.provider-unavailable" : "auth.provider-refused",
    detail: [step, code, said].filter((part) => part !== "").join(" "),
  };
}

/** A person waits in front of a browser. */
const ANSWER_DEADLINE_SECONDS = 5;
/** Clocks of well-kept servers differ by less. */
const CLOCK_TOLERANCE_SECONDS = 30;
