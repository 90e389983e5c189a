import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { beginOidc, finishOidc, type OidcAttempt } from "../../../worker/identity/oidc.ts";
import {
  type OidcProvider,
  oidcProvidersSchema,
} from "../../../worker/identity/provider-settings.ts";
import { OIDC_CLIENT, TestOidcProvider } from "../../harness/oidc-provider.ts";

const REDIRECT = "https://kerbside.test/api/v1/auth/oidc/corp/callback";
let openId: TestOidcProvider;

beforeAll(async () => {
  openId = await TestOidcProvider.start({ redirectUri: REDIRECT });
  openId.people.set("s-1", {
    sub: "s-1",
    preferred_username: "alice",
    name: "Alice Example",
    email: "alice@example.org",
    groups: ["vdi", "vdi-admins"],
  });
});

afterAll(() => openId[Symbol.asyncDispose]());

function settings(changes: object = {}): OidcProvider {
  const [provider] = oidcProvidersSchema.parse([
    {
      name: "corp",
      issuer: openId.issuer,
      ...OIDC_CLIENT,
      scopes: ["openid", "profile", "email", "groups"],
      ...changes,
    },
  ]);
  if (provider === undefined) {
    throw new Error("no provider");
  }
  return provider;
}

/** Begins, and logs alice in; gives where the browser is sent, and what it remembers. */
async function comeBack(provider = settings()): Promise<{ answer: URL; attempt: OidcAttempt }> {
  const begun = await beginOidc(provider, REDIRECT);
  if (!begun.ok) {
    throw new Error(begun.error.detail);
  }
  const answer = new URL(await openId.logIn(begun.value.url, "s-1"));
  return { answer, attempt: begun.value.attempt };
}

describe("logging in at a real OpenID provider", () => {
  it("tells who it is, by its userinfo where the ID token does not", async () => {
    const { answer, attempt } = await comeBack();
    expect(await finishOidc(settings(), answer, attempt)).toEqual({
      ok: true,
      value: {
        provider: "corp",
        subject: "s-1",
        username: "alice",
        displayName: "Alice Example",
        email: "alice@example.org",
        groups: ["vdi", "vdi-admins"],
      },
    });
  });

  it("sends state, nonce and a PKCE challenge, other ones each time", async () => {
    const urls = [];
    for (let count = 0; count < 2; count += 1) {
      const begun = await beginOidc(settings(), REDIRECT);
      urls.push(new URL(begun.ok ? begun.value.url : ""));
    }
    for (const name of ["state", "nonce", "code_challenge"]) {
      const [first, second] = urls.map((url) => url.searchParams.get(name));
      expect(first).toMatch(/^[\w-]{43}$/);
      expect(first).not.toBe(second);
    }
    expect(urls[0]?.searchParams.get("code_challenge_method")).toBe("S256");
  });

  it("refuses another state, another verifier, another nonce, a code used twice", async () => {
    const refused = { ok: false, error: { code: "auth.provider-refused" } };
    const other = "x".repeat(43);
    for (const change of [{ state: other }, { codeVerifier: other }, { nonce: other }]) {
      const { answer, attempt } = await comeBack();
      const outcome = await finishOidc(settings(), answer, { ...attempt, ...change });
      expect(outcome).toMatchObject(refused);
    }
    const { answer, attempt } = await comeBack();
    expect(await finishOidc(settings(), answer, attempt)).toMatchObject({ ok: true });
    expect(await finishOidc(settings(), answer, attempt)).toMatchObject(refused);
  });

  it("refuses an answer of another issuer, and one that says no", async () => {
    const refused = { ok: false, error: { code: "auth.provider-refused" } };
    const { answer, attempt } = await comeBack();
    const foreign = new URL(answer);
    foreign.searchParams.set("iss", "https://evil.example");
    expect(await finishOidc(settings(), foreign, attempt)).toMatchObject(refused);
    const denied = new URL(REDIRECT);
    denied.searchParams.set("error", "access_denied");
    denied.searchParams.set("state", attempt.state);
    denied.searchParams.set("iss", openId.issuer);
    const outcome = await finishOidc(settings(), denied, attempt);
    expect(outcome).toMatchObject(refused);
    expect(!outcome.ok && outcome.error.detail).toContain("access_denied");
  });

  it("is an outage when nobody answers, and a refusal with a wrong client secret", async () => {
    const away = await beginOidc(settings({ issuer: "http://127.0.0.1:9" }), REDIRECT);
    expect(away).toMatchObject({ ok: false, error: { code: "auth.provider-unavailable" } });
    const { answer, attempt } = await comeBack();
    const wrong = settings({ clientSecret: "another" });
    const outcome = await finishOidc(wrong, answer, attempt);
    expect(outcome).toMatchObject({ ok: false, error: { code: "auth.provider-refused" } });
    expect(JSON.stringify(outcome)).not.toContain(answer.searchParams.get("code"));
  });
});

describe("the settings of a provider", () => {
  it("refuse plain http elsewhere than on this host, the name local, and two of one name", () => {
    const provider = { name: "corp", issuer: "https://id.example", clientId: "k" };
    const judge = (...providers: object[]) => oidcProvidersSchema.safeParse(providers).success;
    expect(judge(provider)).toBe(true);
    expect(judge({ ...provider, issuer: "http://id.example" })).toBe(false);
    expect(judge({ ...provider, issuer: "http://127.0.0.1:5556" })).toBe(true);
    expect(judge({ ...provider, name: "local" })).toBe(false);
    expect(judge(provider, provider)).toBe(false);
  });
});
