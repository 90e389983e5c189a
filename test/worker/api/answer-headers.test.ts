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

const { "strict-transport-security": _demand, ...WITHOUT_TLS } = DATA;

const API = { ...DATA, "cache-control": "no-store" };

/** Of a list, which may be kept to be asked for again with its ETag. */
const LIST = {
  ...DATA,
  "cache-control": "private, no-cache",
  etag: expect.stringMatching(/^W\/"[0-9a-f]{64}"$/),
};

const PAGE = {
  ...EVERYWHERE,
  "content-security-policy":
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; " +
    "script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'",
};

describe("the headers of an answer", () => {
  it("are these of the API", async () => {
    const { token } = await makeUser("user");
    expect(guardsOf(await call("/consoles", { token }))).toEqual(LIST);
    expect(guardsOf(await call("/auth/methods"))).toEqual(API);
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
  });

  it("are these of its health, which asks no setting, so not whether there is TLS", async () => {
    expect(guardsOf(await call(`${ORIGIN}/healthz`))).toEqual(WITHOUT_TLS);
  });

  it("demand no TLS where there is none", async () => {
    const settings = { PUBLIC_URL: "http://127.0.0.1:8787" };
    const response = await callWith(settings, "http://127.0.0.1:8787/nothing");
    expect(guardsOf(response)).toEqual(WITHOUT_TLS);
  });
});
