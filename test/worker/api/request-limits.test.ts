import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  auditOf,
  call,
  callWith,
  expectProblem,
  makeUser,
  ORIGIN,
  PASSWORD,
  read,
} from "./api-client.ts";

describe("what a request may hold", () => {
  it.each([
    ["an address of more than 8 KiB", `/consoles?name=${"x".repeat(8 * 1024)}`],
    ["a path of more than 8 KiB", `/consoles/${"x".repeat(8 * 1024)}`],
    ["more than 32 parameters", `/consoles?${"a=1&".repeat(32)}b=1`],
  ])("is bounded: %s", async (_what, path) => {
    await expectProblem(await call(path), 414, "request.url-too-long");
  });

  it.each(["/consoles/ID", "/users/ID", "/groups/ID/members", "/sessions/ID", "/relays/ID"])(
    "is bounded: an id in %s",
    async (path) => {
      const { token } = await makeUser("admin");
      const response = await call(path.replace("ID", "x".repeat(65)), { token });
      await expectProblem(response, 422, "request.invalid");
    },
  );

  it("is bounded: a console file's token", async () => {
    const response = await call(`/vv/${"x".repeat(129)}`);
    await expectProblem(response, 422, "request.invalid");
  });

  it("is bounded: how deep JSON is nested, before anything looks for a login", async () => {
    const headers = { "Content-Type": "application/json" };
    const deep = (depth: number) => ({ headers, body: `${"[".repeat(depth)}${"]".repeat(depth)}` });
    const refused = await call("/users", deep(33));
    expect(await expectProblem(refused, 422, "request.invalid")).toMatchObject({
      detail: expect.stringContaining("nested"),
    });
    await expectProblem(await call("/users", deep(32)), 401, "auth.required");
  });

  it.each([
    "/users/%00",
    "/users?prefix=a%00",
    `/users?cursor=${btoa(JSON.stringify({ name: "\0" })).replace(/=+$/, "")}`,
  ])("is no zero character: %s", async (path) => {
    const { token } = await makeUser("admin");
    await expectProblem(await call(path, { token }), 422, "request.invalid");
  });

  it("is no zero character, in a body", async () => {
    const { token } = await makeUser("admin");
    for (const name of ["\0", "a\\\0"]) {
      const refused = await call("/sites", { token, json: { name: "x", description: name } });
      expect(await expectProblem(refused, 422, "request.invalid")).toMatchObject({
        detail: expect.stringContaining("U+0000"),
      });
    }
    const credentials = { username: "a\0", password: PASSWORD };
    await expectProblem(await call("/auth/login", { json: credentials }), 422, "request.invalid");
    const plain = { name: `zero-${crypto.randomUUID()}`, description: "\\u0000" };
    const made = await read(await call("/sites", { token, json: plain }), 201);
    expect(made).toMatchObject({ description: "\\u0000" });
  });

  it("takes what is within the bounds", async () => {
    const { token } = await makeUser("user");
    await read(await call(`/consoles?${"a=1&".repeat(31)}b=1`, { token }), 200);
  });
});

describe("too many guesses", () => {
  // Buckets fill by the clock, and a slow machine takes its time over many passwords.
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it("at console files are refused with the time to wait, and the trail says so once", async () => {
    const admin = await makeUser("admin");
    const network = `2001:db8:${Math.floor(Math.random() * 0xffff).toString(16)}:1`;
    const attempt = (host: string) =>
      call("/vv/kvv1_guess", { headers: { "CF-Connecting-IP": `${network}::${host}` } });
    for (let count = 0; count < 30; count += 1) {
      await expectProblem(await attempt(count.toString(16)), 410, "vv.gone");
    }
    for (let count = 0; count < 2; count += 1) {
      const refused = await attempt(`f${count}`);
      expect(refused.headers.get("Retry-After")).toBe("2");
      const problem = await expectProblem(refused, 429, "request.rate-limited");
      expect(problem["retryable"]).toBe(true);
    }
    const events = await auditOf(admin, { type: "auth.rate-limited", limit: "200" });
    const mine = events.filter(({ address }) => String(address).startsWith(network));
    expect(mine).toMatchObject([{ data: { kind: "console-file", by: "address" } }]);
  });

  it("at one account are refused whoever asks, and its owner is named in the trail", async () => {
    const admin = await makeUser("admin");
    const bob = await makeUser("user");
    const attempt = (password: string) =>
      call("/auth/login", { json: { username: bob.username, password } });
    for (let count = 0; count < 10; count += 1) {
      await expectProblem(await attempt("x"), 401, "auth.invalid-credentials");
    }
    await expectProblem(await attempt(PASSWORD), 429, "request.rate-limited");
    const events = await auditOf(admin, { type: "auth.rate-limited", limit: "200" });
    expect(events).toContainEqual(
      expect.objectContaining({ data: { kind: "login", by: "account", userId: bob.id } }),
    );
    // Who is logged in stays so.
    await read(await call("/account", { token: bob.token }), 200);
  });
});

describe("the caller's address", () => {
  const logIn = async (settings: object, headers: Record<string, string>) => {
    const admin = await makeUser("admin");
    await callWith(settings, "/auth/login", {
      method: "POST",
      body: JSON.stringify({ username: admin.username, password: PASSWORD }),
      headers: { "Content-Type": "application/json", ...headers },
    });
    const { items } = await read(
      await call("/account/logins?limit=1", { token: admin.token }),
      200,
    );
    return (items as Record<string, unknown>[])[0]?.["address"];
  };

  const forged = { "X-Forwarded-For": "192.0.2.66, 192.0.2.1", "CF-Connecting-IP": "198.51.100.1" };

  it("is the edge's word; a list of proxies counts for nothing", async () => {
    expect(await logIn({}, forged)).toBe("198.51.100.1");
    expect(await logIn({}, { "X-Forwarded-For": "192.0.2.1" })).toBeNull();
    expect(await logIn({}, { "CF-Connecting-IP": "<script>" })).toBeNull();
  });

  it("is what the outermost trusted proxy saw; the edge's header counts for nothing", async () => {
    expect(await logIn({ KERBSIDE_TRUSTED_PROXIES: "1" }, forged)).toBe("192.0.2.1");
    expect(await logIn({ KERBSIDE_TRUSTED_PROXIES: "2" }, forged)).toBe("192.0.2.66");
    const { "CF-Connecting-IP": edge } = forged;
    const alone = { "CF-Connecting-IP": edge };
    expect(await logIn({ KERBSIDE_TRUSTED_PROXIES: "1" }, alone)).toBeNull();
  });
});

describe("ways to log in", () => {
  it("are told to everybody", async () => {
    expect(await read(await call("/auth/methods"), 200)).toEqual({
      items: [
        {
          kind: "password",
          name: "password",
          label: "User name and password",
          isForEmergencies: false,
        },
      ],
    });
    const off = await callWith({ KERBSIDE_LOCAL_LOGIN: "off" }, "/auth/methods");
    expect(await read(off, 200)).toEqual({ items: [] });
  });

  it("by a password can be switched off, and set no cookie then", async () => {
    const bob = await makeUser("user");
    const refused = await callWith({ KERBSIDE_LOCAL_LOGIN: "off" }, "/auth/login", {
      method: "POST",
      body: JSON.stringify({ username: bob.username, password: PASSWORD }),
      headers: { "Content-Type": "application/json" },
    });
    expect(refused.headers.get("Set-Cookie")).toBeNull();
    await expectProblem(refused, 403, "auth.method-off");
  });
});

describe("a login from another site", () => {
  const cases: [string, Record<string, string>][] = [
    ["by a page of another site", { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.test" }],
    ["by a sibling", { "Sec-Fetch-Site": "same-site", Origin: "https://x.kerbside.test" }],
    ["by a browser that says little", { Origin: "https://evil.test" }],
    ["by a page without an origin", { Origin: "null" }],
    ["from outside of any page", { "Sec-Fetch-Site": "none" }],
  ];

  it.each(cases)("sets no cookie: %s", async (_who, headers) => {
    const bob = await makeUser("user");
    const json = { username: bob.username, password: PASSWORD };
    const response = await call("/auth/login", { json, headers });
    expect(response.headers.get("Set-Cookie")).toBeNull();
    await expectProblem(response, 403, "request.cross-origin");
  });

  it.each([{ "Sec-Fetch-Site": "same-origin" }, { Origin: ORIGIN }, {}])(
    "does not keep our own pages and programs from it: %j",
    async (headers) => {
      const bob = await makeUser("user");
      const json = { username: bob.username, password: PASSWORD };
      const response = await call("/auth/login", { json, headers: { ...headers } });
      expect(response.headers.get("Set-Cookie")).toContain("__Host-kerbside=");
      await read(response, 200);
    },
  );

  it("opens no WebSocket with the cookie of its visitor", async () => {
    const bob = await makeUser("user");
    const headers = { Cookie: bob.cookie, Upgrade: "websocket", Origin: "https://evil.test" };
    await expectProblem(await call("/sessions", { headers }), 403, "request.cross-origin");
  });
});
