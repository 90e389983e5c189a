import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalControl, startLocalControl } from "../../harness/local-control.ts";
import { OIDC_CLIENT, type OidcPerson, TestOidcProvider } from "../../harness/oidc-provider.ts";

const PASSWORD = "correct horse battery";
let openId: TestOidcProvider;
let control: LocalControl;
let adminToken: string;

beforeAll(async () => {
  // Each must know the other's address; the provider's client is registered once it is known.
  control = await startLocalControl(async (url) => {
    openId = await TestOidcProvider.start({
      redirectUri: `${url}/api/v1/auth/oidc/corp/callback`,
      groupsInIdToken: true,
    });
    const roles = { admin: ["vdi-admins"], user: ["vdi"] };
    const scopes = ["openid", "profile", "email", "groups"];
    const provider = { name: "corp", label: "Corp", issuer: openId.issuer, scopes, roles };
    return { KERBSIDE_OIDC_PROVIDERS: JSON.stringify([{ ...provider, ...OIDC_CLIENT }]) };
  });
  await control.makeUser("root", PASSWORD, "admin");
  const login = await post("/auth/login", { username: "root", password: PASSWORD });
  adminToken = ((await login.json()) as { token: string }).token;
}, 60_000);

afterAll(async () => {
  await control?.[Symbol.asyncDispose]();
  await openId?.[Symbol.asyncDispose]();
});

function person(sub: string, facts: Partial<OidcPerson> = {}): void {
  const username = `name-${sub}`;
  openId.people.set(sub, { sub, preferred_username: username, groups: ["vdi"], ...facts });
}

async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`${control.url}/api/v1${path}`, { redirect: "manual", headers });
}

async function post(path: string, body: object, token?: string): Promise<Response> {
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  return await fetch(`${control.url}/api/v1${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization },
    body: JSON.stringify(body),
  });
}

function cookieOf(response: Response, name: string): string {
  const cookie = response.headers.getSetCookie().find((line) => line.startsWith(`${name}=`));
  return cookie?.split(";")[0] ?? "";
}

/** Begins a login in a browser. */
async function begin(returnTo = "/consoles"): Promise<{ location: string; cookie: string }> {
  const start = await get(`/auth/oidc/corp/start?returnTo=${encodeURIComponent(returnTo)}`);
  expect(start.status).toBe(302);
  return {
    location: start.headers.get("Location") ?? "",
    cookie: cookieOf(start, "kerbside-login"),
  };
}

async function comeBack(subject: string, returnTo?: string): Promise<Response> {
  const { location, cookie } = await begin(returnTo);
  const back = await openId.logIn(location, subject);
  return await fetch(back, { redirect: "manual", headers: { Cookie: cookie } });
}

async function accountOf(response: Response): Promise<Record<string, unknown>> {
  const answer = await get("/account", { Cookie: cookieOf(response, "kerbside") });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Record<string, unknown>;
}

async function codeOf(response: Response): Promise<unknown> {
  return ((await response.json()) as { code: string }).code;
}

async function events(type: string): Promise<Record<string, unknown>[]> {
  const answer = await get(`/audit?type=${type}`, { Authorization: `Bearer ${adminToken}` });
  const { items } = (await answer.json()) as { items: { data: Record<string, unknown> }[] };
  return items.map(({ data }) => data);
}

describe("a login through an OpenID provider", () => {
  it("may be begun by a whole office behind one address", async () => {
    for (let colleague = 0; colleague < 40; colleague += 1) {
      await begin();
    }
  });

  it("is offered, and leads a browser to the provider, back, and in", async () => {
    const methods = (await (await get("/auth/methods")).json()) as { items: object[] };
    expect(methods.items).toContainEqual({
      kind: "oidc",
      name: "corp",
      label: "Corp",
      isForEmergencies: false,
    });
    person("s-1");
    const back = await comeBack("s-1");
    expect(back.status).toBe(302);
    expect(back.headers.get("Location")).toBe("/consoles");
    expect(await accountOf(back)).toMatchObject({
      user: { username: "name-s-1", origin: "corp" },
      role: "user",
    });
    expect(await events("user.logged-in")).toContainEqual(
      expect.objectContaining({ username: "name-s-1", method: "oidc:corp" }),
    );
  });

  it("gives the role of the groups, anew each time", async () => {
    person("s-2", { groups: ["vdi", "vdi-admins"] });
    expect(await accountOf(await comeBack("s-2"))).toMatchObject({ role: "admin" });
    person("s-2", { groups: ["vdi"] });
    expect(await accountOf(await comeBack("s-2"))).toMatchObject({ role: "user" });
    person("s-2", { groups: ["others"] });
    const refused = await comeBack("s-2");
    expect(refused.status).toBe(403);
    expect(await codeOf(refused)).toBe("auth.not-admitted");
  });

  it("ends with the groups that let in: logins, role, memberships", async () => {
    await post("/groups", { name: "s-9's" }, adminToken);
    person("s-9", { groups: ["vdi-admins", "s-9's"] });
    const Cookie = cookieOf(await comeBack("s-9"), "kerbside");
    expect((await get("/account", { Cookie })).status).toBe(200);
    person("s-9", { groups: ["others"] });
    expect(await codeOf(await comeBack("s-9"))).toBe("auth.not-admitted");
    expect((await get("/account", { Cookie })).status).toBe(401);
    expect(await events("user.changed")).toContainEqual(
      expect.objectContaining({
        username: "name-s-9",
        roleBefore: "admin",
        roleAfter: "user",
        loginsEnded: 1,
      }),
    );
    expect(await events("group.member-removed")).toContainEqual(
      expect.objectContaining({ origin: "corp" }),
    );
    // Nothing is left to take away, and the user is there for the day on which they are let in.
    expect(await codeOf(await comeBack("s-9"))).toBe("auth.not-admitted");
    person("s-9");
    expect(await accountOf(await comeBack("s-9"))).toMatchObject({ role: "user" });
  });

  it("brings the person into the groups of those names that exist here, and out of them again", async () => {
    await post("/groups", { name: "vdi" }, adminToken);
    person("s-3");
    const names = async () => {
      const account = await accountOf(await comeBack("s-3"));
      return (account["groups"] as { name: string }[]).map(({ name }) => name);
    };
    expect(await names()).toEqual(["vdi"]);
    person("s-3", { groups: ["vdi-admins"] });
    expect(await names()).toEqual([]);
  });

  it("never leads into the account of somebody else of that name", async () => {
    person("s-4", { preferred_username: "root" });
    const account = await accountOf(await comeBack("s-4"));
    expect(account).toMatchObject({ user: { username: "root@corp" }, role: "user" });
  });

  it("is of the browser that began it", async () => {
    person("s-5");
    const { location } = await begin();
    const back = await openId.logIn(location, "s-5");
    const other = await begin();
    for (const headers of [{}, { Cookie: other.cookie }, { Cookie: "kerbside-login=forged" }]) {
      const answer = await fetch(back, { redirect: "manual", headers });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(cookieOf(answer, "kerbside")).toBe("");
    }
    // The one that was begun is in the trail; whoever has begun nothing could fill it.
    const refusal = { username: "(unknown)", method: "oidc:corp", reason: "provider-refused" };
    const told = await events("user.login-refused");
    expect(told.filter(({ reason }) => reason === "provider-refused")).toEqual([refusal]);
  });

  it("returns to our own pages alone", async () => {
    person("s-6");
    for (const elsewhere of ["https://evil.example/", "//evil.example", "/\\evil.example", "x"]) {
      const back = await comeBack("s-6", elsewhere);
      expect(back.headers.get("Location")).toBe("/");
    }
  });

  it("is refused for somebody who was disabled here", async () => {
    person("s-7");
    const account = await accountOf(await comeBack("s-7"));
    const disabled = await fetch(
      `${control.url}/api/v1/users/${(account["user"] as { id: string }).id}`,
      {
        method: "PATCH",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${adminToken}` },
        body: JSON.stringify({ disabled: true }),
      },
    );
    expect(disabled.status).toBe(200);
    expect(await codeOf(await comeBack("s-7"))).toBe("auth.not-admitted");
    expect(await events("user.login-refused")).toContainEqual(
      expect.objectContaining({ reason: "disabled", method: "oidc:corp" }),
    );
  });

  it("has no password, and unknown providers are none", async () => {
    person("s-8");
    await comeBack("s-8");
    const login = await post("/auth/login", { username: "name-s-8", password: "x" });
    expect(await codeOf(login)).toBe("auth.invalid-credentials");
    expect((await get("/auth/oidc/other/start")).status).toBe(404);
    const named = { username: "root", password: PASSWORD, provider: "keystone" };
    expect(await codeOf(await post("/auth/login", named))).toBe("auth.method-off");
  });
});
