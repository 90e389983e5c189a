/**
 * One control plane with every kind of login at once: Kerbside's own users, two OpenID providers and
 * a Keystone. Ann is a person at each of them, and to the three providers she has one subject.
 */
import { mkdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startKeystone, type TestKeystone } from "../harness/keystone.ts";
import { type LocalControl, startLocalControl } from "../harness/local-control.ts";
import { OIDC_CLIENT, TestOidcProvider } from "../harness/oidc-provider.ts";
import { makeTempFolder, type TempFolder } from "../harness/temp-folder.ts";

const PASSWORDS = { local: "correct horse battery", keystone: "another horse's staple" };
/** Each has groups of the same name that give another role, so that one's never count for another. */
const ROLES = {
  corp: { operator: ["vdi"] },
  partner: { user: ["vdi"] },
  keystone: { auditor: ["vdi"] },
};

let folder: TempFolder;
let keystone: TestKeystone;
let corp: TestOidcProvider;
let partner: TestOidcProvider;
let control: LocalControl;
/** What the three providers know Ann by. */
let subject: string;

beforeAll(async () => {
  folder = await makeTempFolder();
  await mkdir(folder.file("keystone"));
  keystone = await startKeystone({ folder: folder.file("keystone") });
  const person = { name: "ann", password: PASSWORDS.keystone, groups: ["vdi"] };
  subject = (await keystone.makeUser(person)).id;
  control = await startLocalControl(async (url) => {
    corp = await startOpenId(url, "corp");
    partner = await startOpenId(url, "partner");
    for (const { people } of [corp, partner]) {
      people.set(subject, { sub: subject, preferred_username: "ann", groups: ["vdi"] });
    }
    return {
      KERBSIDE_OIDC_PROVIDERS: JSON.stringify([openIdSettings("corp"), openIdSettings("partner")]),
      KERBSIDE_KEYSTONE: JSON.stringify({ url: keystone.url, roles: ROLES.keystone }),
    };
  });
  await control.makeUser("ann", PASSWORDS.local, "admin");
}, 180_000);

afterAll(async () => {
  for (const part of [control, corp, partner, keystone, folder]) {
    await part?.[Symbol.asyncDispose]();
  }
});

async function startOpenId(url: string, name: string): Promise<TestOidcProvider> {
  const redirectUri = `${url}/api/v1/auth/oidc/${name}/callback`;
  return await TestOidcProvider.start({ redirectUri, groupsInIdToken: true });
}

function openIdSettings(name: "corp" | "partner"): object {
  const { issuer } = name === "corp" ? corp : partner;
  const scopes = ["openid", "profile", "groups"];
  return { name, issuer, ...OIDC_CLIENT, scopes, roles: ROLES[name] };
}

/** Who somebody is after a login, or the code that it was refused with. */
type Outcome =
  | {
      readonly id: string;
      readonly username: string;
      readonly origin: string;
      readonly role: string;
    }
  | { readonly code: string };

const METHODS = ["password", "corp", "partner", "keystone"] as const;
type Method = (typeof METHODS)[number];

/** Logs Ann in by one of the methods. */
const logIn: Record<Method, () => Promise<Outcome>> = {
  password: async () => await logInByPassword({ password: PASSWORDS.local, provider: "password" }),
  keystone: async () =>
    await logInByPassword({ password: PASSWORDS.keystone, provider: "keystone" }),
  corp: async () => await logInByOpenId("corp", corp),
  partner: async () => await logInByOpenId("partner", partner),
};

async function logInByPassword(given: object): Promise<Outcome> {
  const answer = await fetch(`${control.url}/api/v1/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: "ann", ...given }),
  });
  const { token } = (await answer.clone().json()) as { token?: string };
  return await outcomeOf(answer, { Authorization: `Bearer ${token}` });
}

async function logInByOpenId(name: string, openId: TestOidcProvider): Promise<Outcome> {
  const begun = await begin(name);
  if (!begun.ok) {
    return await outcomeOf(begun.refusal, {});
  }
  const back = await openId.logIn(begun.location, subject);
  const answer = await fetch(back, { redirect: "manual", headers: { Cookie: begun.cookie } });
  return await outcomeOf(answer, { Cookie: cookieOf(answer) });
}

type Begun =
  | { readonly ok: true; readonly location: string; readonly cookie: string }
  | { readonly ok: false; readonly refusal: Response };

async function begin(name: string): Promise<Begun> {
  const start = await fetch(`${control.url}/api/v1/auth/oidc/${name}/start`, {
    redirect: "manual",
  });
  const location = start.headers.get("Location");
  return location === null
    ? { ok: false, refusal: start }
    : { ok: true, location, cookie: cookieOf(start) };
}

function cookieOf(answer: Response): string {
  return answer.headers
    .getSetCookie()
    .map((line) => line.split(";")[0] ?? "")
    .filter((cookie) => !cookie.endsWith("="))
    .join("; ");
}

async function outcomeOf(answer: Response, credentials: Record<string, string>): Promise<Outcome> {
  if (answer.status >= 400) {
    return { code: ((await answer.json()) as { code: string }).code };
  }
  const account = await fetch(`${control.url}/api/v1/account`, { headers: credentials });
  const { user, role } = (await account.json()) as {
    readonly user: { readonly id: string; readonly username: string; readonly origin: string };
    readonly role: string;
  };
  return { id: user.id, username: user.username, origin: user.origin, role };
}

async function offered(): Promise<string[]> {
  const answer = await fetch(`${control.url}/api/v1/auth/methods`);
  const { items } = (await answer.json()) as { items: { kind: string; name: string }[] };
  return items.map(({ kind, name }) => `${kind} ${name}`).toSorted();
}

const OFFERS: Record<Method, string> = {
  corp: "oidc corp",
  partner: "oidc partner",
  keystone: "password keystone",
  password: "password password",
};

async function logInByAll(): Promise<Record<Method, Outcome>> {
  return {
    password: await logIn.password(),
    corp: await logIn.corp(),
    partner: await logIn.partner(),
    keystone: await logIn.keystone(),
  };
}

describe("a control plane with several ways to log in", () => {
  it("offers all of them", async () => {
    expect(await offered()).toEqual(Object.values(OFFERS).toSorted());
  });

  it("lets each in as a user of its own, though name, subject and groups are the same", async () => {
    const first = await logInByAll();
    expect(first).toMatchObject({
      password: { username: "ann", origin: "local", role: "admin" },
      corp: { username: "ann@corp", origin: "corp", role: "operator" },
      partner: { username: "ann@partner", origin: "partner", role: "user" },
      keystone: { username: "ann@keystone", origin: "keystone", role: "auditor" },
    });
    const ids = Object.values(first).map((outcome) => ("id" in outcome ? outcome.id : null));
    expect(new Set(ids).size).toBe(METHODS.length);
    expect(await logInByAll()).toEqual(first);
  });

  it("takes no password of one for another, and no answer of one provider for another's", async () => {
    const refused = { code: "auth.invalid-credentials" };
    const swapped = { password: PASSWORDS.local, provider: "keystone" };
    expect(await logInByPassword(swapped)).toEqual(refused);
    expect(await logInByPassword({ password: PASSWORDS.keystone })).toEqual(refused);
    const begun = await begin("corp");
    const back = begun.ok ? await corp.logIn(begun.location, subject) : "";
    const elsewhere = await fetch(back.replace("/oidc/corp/", "/oidc/partner/"), {
      redirect: "manual",
      headers: { Cookie: begun.ok ? begun.cookie : "" },
    });
    expect(await outcomeOf(elsewhere, {})).toEqual({ code: "auth.attempt-invalid" });
  });

  it.each<{ off: Method; code: string; settings: () => Record<string, string> }>([
    {
      off: "password",
      code: "auth.method-off",
      settings: () => ({ KERBSIDE_LOCAL_LOGIN: "off" }),
    },
    {
      off: "corp",
      code: "resource.not-found",
      settings: () => ({ KERBSIDE_OIDC_PROVIDERS: JSON.stringify([openIdSettings("partner")]) }),
    },
    {
      off: "keystone",
      code: "auth.method-off",
      settings: () => ({ KERBSIDE_KEYSTONE: "" }),
    },
  ])("goes on with the others when $off is switched off", async ({ off, code, settings }) => {
    await control.restart({});
    const before = await logInByAll();
    await control.restart(settings());
    const others = METHODS.filter((method) => method !== off);
    expect(await offered()).toEqual(others.map((method) => OFFERS[method]).toSorted());
    expect(await logInByAll()).toEqual({ ...before, [off]: { code } });
  });
});
