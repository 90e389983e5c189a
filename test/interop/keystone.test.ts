import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Agent, fetch as undiciFetch } from "undici";
import { logInToKeystone } from "../../worker/identity/keystone.ts";
import { keystoneSchema } from "../../worker/identity/provider-settings.ts";
import { makeCa, type ServerCertificate } from "../harness/certificates.ts";
import { eventually } from "../harness/deadline.ts";
import { startKeystone, type TestKeystone } from "../harness/keystone.ts";
import { startLocalControl } from "../harness/local-control.ts";
import { makeTempFolder, type TempFolder } from "../harness/temp-folder.ts";

let folder: TempFolder;
let keystone: TestKeystone;
let certificate: ServerCertificate;
let trusting: typeof fetch;

beforeAll(async () => {
  folder = await makeTempFolder();
  const ca = await makeCa();
  certificate = await ca.issue(folder.file("tls"), { ipAddresses: ["127.0.0.1"] });
  trusting = fetchTrusting(readFileSync(certificate.caFile, "utf8"));
  await mkdir(folder.file("keystone"));
  keystone = await startKeystone({
    folder: folder.file("keystone"),
    tls: certificate,
    fetcher: trusting,
  });
}, 120_000);

afterAll(async () => {
  await keystone?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const PASSWORD = "correct horse battery";

const provider = (settings: object = {}) =>
  keystoneSchema.parse({ url: keystone.url, ...settings });

describe("logging in to a real Keystone", () => {
  it("tells who it is, and the person's own groups, without a service account", async () => {
    const user = { name: "alice", password: PASSWORD, groups: ["kerbside", "operators"] };
    const { id } = await keystone.makeUser(user);
    const login = await logInToKeystone(
      provider(),
      { username: "alice", password: PASSWORD },
      trusting,
    );
    expect(login).toEqual({
      ok: true,
      value: {
        provider: "keystone",
        subject: id,
        username: "alice",
        displayName: null,
        email: null,
        groups: expect.arrayContaining(["kerbside", "operators"]),
      },
    });
    await keystone.leaveGroup(id, "operators");
    // Keystone voids the tokens of the second in which somebody leaves a group, also later ones.
    const later = await eventually("alice can log in again", async () => {
      const again = await logInToKeystone(
        provider(),
        { username: "alice", password: PASSWORD },
        trusting,
      );
      return again.ok ? again.value : null;
    });
    expect(later.groups).toEqual(["kerbside"]);
  });

  it("is one refusal for a wrong password, an unknown name, another domain, a disabled person", async () => {
    const { id } = await keystone.makeUser({ name: "bob", password: PASSWORD });
    const refused = { ok: false, error: { code: "auth.invalid-credentials" } };
    const attempts = [
      [provider(), { username: "bob", password: "wrong" }],
      [provider(), { username: "nobody", password: PASSWORD }],
      [provider({ userDomain: "other" }), { username: "bob", password: PASSWORD }],
    ] as const;
    for (const [settings, credentials] of attempts) {
      expect(await logInToKeystone(settings, credentials, trusting)).toMatchObject(refused);
    }
    await keystone.changeUser(id, "disable");
    const credentials = { username: "bob", password: PASSWORD };
    expect(await logInToKeystone(provider(), credentials, trusting)).toMatchObject(refused);
  });

  it("asks for a role on a project where the settings name one, and for none elsewhere", async () => {
    await keystone.makeUser({ name: "carol", password: PASSWORD });
    await keystone.makeUser({ name: "dave", password: PASSWORD, inProject: true });
    const scoped = provider({ project: "admin" });
    const outcomes = [];
    for (const settings of [provider(), scoped]) {
      for (const username of ["carol", "dave"]) {
        const login = await logInToKeystone(settings, { username, password: PASSWORD }, trusting);
        outcomes.push(login.ok);
      }
    }
    expect(outcomes).toEqual([true, true, false, true]);
  });

  it("fails as an outage when the certificate is not trusted, or nobody answers", async () => {
    const credentials = { username: "alice", password: PASSWORD };
    const outage = { ok: false, error: { code: "auth.provider-unavailable" } };
    expect(await logInToKeystone(provider(), credentials)).toMatchObject(outage);
    const away = provider({ url: "http://127.0.0.1:9/v3" });
    expect(await logInToKeystone(away, credentials)).toMatchObject(outage);
  });
});

describe("a login through Keystone, by way of the Worker", () => {
  it("trusts the authority that the settings name, and admits by groups", async () => {
    const roles = { operator: ["ops"], user: ["kerbside-users"] };
    await using control = await startLocalControl(
      async () => ({
        KERBSIDE_LOCAL_LOGIN: "off",
        KERBSIDE_KEYSTONE: JSON.stringify({ url: keystone.url, roles }),
      }),
      certificate.caFile,
    );
    await keystone.makeUser({ name: "erin", password: PASSWORD, groups: ["ops"] });
    await keystone.makeUser({ name: "frank", password: PASSWORD });
    const login = async (credentials: object) => {
      const response = await fetch(`${control.url}/api/v1/auth/login`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(credentials),
      });
      return (await response.json()) as { readonly token?: string; readonly code?: string };
    };
    const { token } = await login({ username: "erin", password: PASSWORD, provider: "keystone" });
    const account = await fetch(`${control.url}/api/v1/account`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    expect(await account.json()).toMatchObject({
      user: { username: "erin", origin: "keystone" },
      role: "operator",
    });
    // Where nobody logs in here, the only provider needs no name.
    expect(await login({ username: "erin", password: PASSWORD })).toHaveProperty("token");
    const wrong = await login({ username: "erin", password: "wrong" });
    expect(wrong.code).toBe("auth.invalid-credentials");
    const outsider = await login({ username: "frank", password: PASSWORD });
    expect(outsider.code).toBe("auth.not-admitted");
  });
});

/** As the runtime does with the CA bundle of its settings. */
function fetchTrusting(ca: string): typeof fetch {
  const dispatcher = new Agent({ connect: { ca } });
  const fetchThrough = async (address: string, init: object) =>
    await undiciFetch(address, { ...init, dispatcher });
  return fetchThrough as unknown as typeof fetch;
}
