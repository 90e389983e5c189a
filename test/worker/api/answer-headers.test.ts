import { describe, expect, it } from "vitest";
import { call, callWith, makeUser, ORIGIN } from "./api-client.ts";

/** All headers of an answer, except those that say what it is about. */
function guardsOf({ headers }: Response): Record<string, string> {
  const about = ["content-type", "content-length", "x-request-id", "www-authenticate", "allow"];
  return Object.fromEntries([...headers].filter(([name]) => !about.includes(name)));
}

const EVERYWHERE = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy":
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), " +
    "magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), " +
    "screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=63072000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

const DATA = {
  ...EVERYWHERE,
  "content-security-policy":
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
};

const API = { ...DATA, "cache-control": "no-store" };

const PAGE = {
  ...EVERYWHERE,
  "content-security-policy":
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; " +
    "script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'",
};

describe("the headers of an answer", () => {
  it("are these of the API", async () => {
    const { token } = await makeUser("user");
    expect(guardsOf(await call("/consoles", { token }))).toEqual(API);
    expect(guardsOf(await call("/openapi.json"))).toEqual(API);
  });

  it.each([
    ["nobody logged in", "/consoles", {}],
    ["nothing there", "/nothing", {}],
    ["another method", "/consoles", { method: "DELETE" }],
    ["no JSON", "/auth/login", { body: "x" }],
    ["too long an address", `/consoles?a=${"x".repeat(9_000)}`, {}],
  ])("are the same for a failure: %s", async (_what, path, options) => {
    const response = await call(path, options);
    expect(response.ok).toBe(false);
    expect(guardsOf(response)).toEqual(API);
  });

  it("are these of a page", async () => {
    expect(guardsOf(await call(`${ORIGIN}/`))).toEqual(PAGE);
    expect(guardsOf(await call(`${ORIGIN}/nothing`))).toEqual(DATA);
    expect(guardsOf(await call(`${ORIGIN}/healthz`))).toEqual(DATA);
  });

  it("demand no TLS where there is none", async () => {
    const settings = { PUBLIC_URL: "http://127.0.0.1:8787" };
    const response = await callWith(settings, "http://127.0.0.1:8787/healthz");
    const { "strict-transport-security": _demand, ...rest } = DATA;
    expect(guardsOf(response)).toEqual(rest);
  });
});
