import { describe, expect, it } from "vitest";
import { type Config, readConfig } from "../../../worker/config.ts";
import { SettingError, type SettingValues } from "../../../worker/settings.ts";

const KEY = "A".repeat(43);

function read(given: Partial<SettingValues>): Config {
  return readConfig({
    LIBSQL_URL: "http://127.0.0.1:1",
    LIBSQL_AUTH_TOKEN: "",
    PUBLIC_URL: "https://kerbside.example/base/",
    TICKET_ROOT: KEY,
    SECRETS_KEY: KEY,
    GRANT_SIGNING_KEY: JSON.stringify({ kty: "OKP", crv: "Ed25519", x: "x", d: "d", kid: "k" }),
    CA_CERTIFICATE: "pem",
    CA_KEY: "pem",
    ...given,
  });
}

function webOrigins(given: Partial<SettingValues>): readonly string[] {
  return read(given).webOrigins;
}

describe("a setting that makes no sense", () => {
  it.each<[keyof SettingValues, string]>([
    ["PUBLIC_URL", "HUSH.example"],
    ["PUBLIC_URL", "ftp://HUSH.example"],
    ["PUBLIC_URL", "https://admin:HUSH@"],
    ["TICKET_ROOT", "HUSH"],
    ["GRANT_SIGNING_KEY", '{"d":"HUSH"}'],
    ["SECRETS_KEY", "HUSH"],
    ["SECRETS_KEYS", "HUSH"],
    ["SECRETS_KEYS", `a:${KEY},a:${KEY}`],
    ["KERBSIDE_METRICS_TOKEN", "HUSH"],
    ["KERBSIDE_OIDC_PROVIDERS", "HUSH"],
    ["KERBSIDE_OIDC_PROVIDERS", '{"clientSecret":"HUSH"}'],
    ["KERBSIDE_OIDC_PROVIDERS", '[{"clientSecret":"HUSH"}]'],
    ["KERBSIDE_KEYSTONE", '{"url":"http://admin:HUSH@keystone.example"}'],
    ["KERBSIDE_AUDIT_RETENTION_DAYS", "0"],
    ["KERBSIDE_WEBHOOK_PRIVATE_TARGETS", "yes"],
  ])("is named in one sentence, without what it holds: %s=%s", (name, text) => {
    const reading = (): Config => read({ [name]: text });
    expect(reading).toThrow(SettingError);
    expect(reading).toThrow(new RegExp(`^The setting ${name} [^\\n]+[.]$`));
    expect(reading).not.toThrow(/HUSH/);
  });
});

describe("the origins of web consoles", () => {
  it.each([
    ["absent", undefined, ["https://kerbside.example"]],
    ["empty", "", ["https://kerbside.example"]],
    ["one", "https://console.example", ["https://console.example"]],
    [
      "several",
      "https://a.example, http://localhost:5173",
      ["https://a.example", "http://localhost:5173"],
    ],
  ])("are the control plane's own unless others are named: %s", (_name, text, origins) => {
    expect(webOrigins(text === undefined ? {} : { KERBSIDE_WEB_ORIGINS: text })).toEqual(origins);
  });

  it.each([
    "https://a.example/",
    "https://a.example:443",
    "HTTPS://a.example",
    "ftp://a.example",
    "null",
    "*",
    "a.example",
    Array.from({ length: 17 }, (_, index) => `https://o${index}.example`).join(","),
  ])("are refused unless each is written as browsers write it: %.40s", (text) => {
    expect(() => webOrigins({ KERBSIDE_WEB_ORIGINS: text })).toThrow("KERBSIDE_WEB_ORIGINS");
  });
});

describe("who may log in by a password", () => {
  it.each([
    [undefined, "on"],
    ["", "on"],
    ["on", "on"],
    ["off", "off"],
    ["break-glass", "break-glass"],
  ])("%j is %s", (text, mode) => {
    expect(read(text === undefined ? {} : { KERBSIDE_LOCAL_LOGIN: text }).localLogin).toBe(mode);
  });

  it.each(["no", "ON", "false", " off"])("is not %j", (text) => {
    expect(() => read({ KERBSIDE_LOCAL_LOGIN: text })).toThrow("KERBSIDE_LOCAL_LOGIN");
  });
});

describe("the number of trusted proxies", () => {
  it.each([
    [undefined, 0],
    ["", 0],
    ["0", 0],
    ["2", 2],
  ])("%j is %d", (text, count) => {
    const given = text === undefined ? {} : { KERBSIDE_TRUSTED_PROXIES: text };
    expect(read(given).trustedProxies).toBe(count);
  });

  it.each(["-1", "9", "1.5", "one", "1,2"])("is not %j", (text) => {
    expect(() => read({ KERBSIDE_TRUSTED_PROXIES: text })).toThrow("KERBSIDE_TRUSTED_PROXIES");
  });
});
