import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../worker/config.ts";
import type { Env } from "../../worker/env.ts";

const read = (settings: object) => readConfig({ ...env, ...settings } as unknown as Env);

const OIDC = { name: "corp", issuer: "https://id.example", clientId: "k", clientSecret: "hush" };
const KEYSTONE = { url: "https://keystone.example:5000/v3/" };

describe("the settings of login providers", () => {
  it("are none where they are absent or empty", () => {
    for (const settings of [{}, { KERBSIDE_OIDC_PROVIDERS: "", KERBSIDE_KEYSTONE: "" }]) {
      expect(read(settings)).toMatchObject({ oidcProviders: [], keystone: null });
    }
  });

  it("are read with what they leave out", () => {
    const settings = {
      KERBSIDE_OIDC_PROVIDERS: JSON.stringify([OIDC]),
      KERBSIDE_KEYSTONE: JSON.stringify(KEYSTONE),
    };
    expect(read(settings)).toMatchObject({
      oidcProviders: [{ ...OIDC, groupsClaim: "groups", roles: {} }],
      keystone: {
        name: "keystone",
        url: "https://keystone.example:5000/v3",
        userDomain: "Default",
      },
    });
  });

  it.each([
    ["{", /must be JSON/],
    [JSON.stringify([{ ...OIDC, issuer: "http://id.example" }]), /at 0\.issuer: must be https/],
    [JSON.stringify([{ ...OIDC, secret: "hush" }]), /wrong at 0/],
    [JSON.stringify([OIDC, OIDC]), /two providers have one name/],
  ])("say which field is wrong, and never what it holds: %s", (text, message) => {
    const settings = { KERBSIDE_OIDC_PROVIDERS: text };
    expect(() => read(settings)).toThrow(message);
    expect(() => read(settings)).not.toThrow(/hush/);
  });

  it("have names of their own, over both kinds", () => {
    const settings = {
      KERBSIDE_OIDC_PROVIDERS: JSON.stringify([{ ...OIDC, name: "keystone" }]),
      KERBSIDE_KEYSTONE: JSON.stringify(KEYSTONE),
    };
    expect(() => read(settings)).toThrow(/both name "keystone"/);
  });
});
