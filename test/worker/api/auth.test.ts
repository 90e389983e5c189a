import { describe, expect, it } from "vitest";
import { auditOf, call, expectProblem, makeUser, ORIGIN, PASSWORD, read } from "./api-client.ts";

const TWELVE_HOURS_MS = 12 * 60 * 60 * 1000;

describe("logging in", () => {
  it("answers a token and its expiry, and sets the same as a guarded cookie", async () => {
    const { username } = await makeUser("user");
    const before = Date.now();
    const response = await call("/auth/login", { json: { username, password: PASSWORD } });
    const { token, expiresAt } = await read(response, 200);
    expect(token).toMatch(/^kbt1_[\w-]{43}$/);
    const lifeMs = Date.parse(String(expiresAt)) - before;
    expect(Math.abs(lifeMs - TWELVE_HOURS_MS)).toBeLessThan(60_000);
    const cookie = response.headers.get("Set-Cookie") ?? "";
    expect(cookie.split("; ").sort()).toEqual(
      [
        `__Host-kerbside=${String(token)}`,
        "HttpOnly",
        "Max-Age=43200",
        "Path=/",
        "SameSite=Lax",
        "Secure",
      ].sort(),
    );
  });

  it("does not mind the case of the user name", async () => {
    const { username } = await makeUser("user");
    const json = { username: username.toUpperCase(), password: PASSWORD };
    await read(await call("/auth/login", { json }), 200);
  });

  it("answers alike for a wrong password and an unknown user", async () => {
    const { username } = await makeUser("user");
    const wrong = await call("/auth/login", { json: { username, password: "wrong" } });
    const unknown = await call("/auth/login", {
      json: { username: `${username}x`, password: PASSWORD },
    });
    const problems = [
      await expectProblem(wrong, 401, "auth.invalid-credentials"),
      await expectProblem(unknown, 401, "auth.invalid-credentials"),
    ].map(({ requestId: _unique, ...rest }) => rest);
    expect(problems[0]).toEqual(problems[1]);
    expect(wrong.headers.get("Set-Cookie")).toBeNull();
  });

  it("is in the audit trail, as is its refusal, with the request's id", async () => {
    const admin = await makeUser("admin");
    const headers = { "X-Request-Id": `login-${crypto.randomUUID()}` };
    const json = { username: admin.username, password: "wrong" };
    await call("/auth/login", { json, headers });
    expect(await auditOf(admin, { requestId: headers["X-Request-Id"] })).toMatchObject([
      {
        type: "user.login-refused",
        actor: { kind: "anonymous", id: null },
        data: { username: admin.username, method: "password", reason: "wrong-password" },
      },
    ]);
    const wrongField = { "X-Request-Id": `login-${crypto.randomUUID()}` };
    const username = `secret-${crypto.randomUUID()}`;
    await call("/auth/login", { json: { username, password: "x" }, headers: wrongField });
    const strange = await auditOf(admin, { requestId: wrongField["X-Request-Id"] });
    expect(strange).toMatchObject([{ type: "user.login-refused" }]);
    expect(JSON.stringify(strange)).not.toContain(username);
    const logins = await auditOf(admin, { type: "user.logged-in", actorId: admin.id });
    expect(logins).toMatchObject([{ actor: { kind: "user", id: admin.id } }]);
    const created = await auditOf(admin, { type: "user.created", about: admin.id });
    expect(created).toMatchObject([{ actor: { kind: "system", id: null } }]);
  });
});

describe("a credential", () => {
  it("is needed", async () => {
    const response = await call("/consoles");
    expect(response.headers.get("WWW-Authenticate")).toBe("Bearer");
    await expectProblem(response, 401, "auth.required");
  });

  it.each(["Bearer", "Bearer nonsense", `Bearer kbt1_${"A".repeat(43)}`, "Basic dXNlcjpwYXNz"])(
    "is refused as %j",
    async (authorization) => {
      const response = await call("/consoles", { headers: { Authorization: authorization } });
      await expectProblem(response, 401, "auth.required");
    },
  );

  it("may be the cookie", async () => {
    const user = await makeUser("user");
    await read(await call("/consoles", { headers: { Cookie: user.cookie } }), 200);
  });

  it("in the header counts for more than the cookie", async () => {
    const user = await makeUser("user");
    const headers = { Cookie: user.cookie, Authorization: "Bearer nonsense" };
    await expectProblem(await call("/consoles", { headers }), 401, "auth.required");
  });

  it("is worth nothing after logging out, and the cookie is taken back", async () => {
    const user = await makeUser("user");
    const admin = await makeUser("admin");
    const response = await call("/auth/logout", { method: "POST", token: user.token });
    expect(response.status).toBe(204);
    expect(response.headers.get("Set-Cookie")).toMatch(/^__Host-kerbside=; Max-Age=0/);
    await expectProblem(await call("/consoles", { token: user.token }), 401, "auth.required");
    const again = await call("/auth/logout", { method: "POST", token: user.token });
    await expectProblem(again, 401, "auth.required");
    const trail = await auditOf(admin, { type: "user.logged-out", limit: "200" });
    expect(trail.filter(({ actor }) => (actor as { id: string }).id === user.id)).toHaveLength(1);
  });

  it("of another login of the same user stays good", async () => {
    const user = await makeUser("user");
    const json = { username: user.username, password: PASSWORD };
    const { token } = await read(await call("/auth/login", { json }), 200);
    await call("/auth/logout", { method: "POST", token: user.token });
    await read(await call("/consoles", { token: String(token) }), 200);
  });
});

describe("an unsafe request with the cookie", () => {
  const cases: [string, Record<string, string>, boolean][] = [
    ["from our own origin", { "Sec-Fetch-Site": "same-origin" }, true],
    ["with our Origin, from a browser that says no more", { Origin: ORIGIN }, true],
    ["from another site", { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.test" }, false],
    ["from a sibling", { "Sec-Fetch-Site": "same-site", Origin: "https://x.kerbside.test" }, false],
    [
      "from another site that claims our Origin",
      { "Sec-Fetch-Site": "cross-site", Origin: ORIGIN },
      false,
    ],
    ["typed by the user", { "Sec-Fetch-Site": "none" }, false],
    ["with another Origin", { Origin: "https://evil.test" }, false],
    ["with a null Origin", { Origin: "null" }, false],
    ["over plain http", { Origin: "http://kerbside.test" }, false],
    ["without any word of where it comes from", {}, false],
  ];

  it.each(cases)("%s", async (_from, headers, passes) => {
    const user = await makeUser("user");
    const options = { method: "POST", headers: { ...headers, Cookie: user.cookie } };
    const response = await call("/sessions/ses_none/terminate", options);
    if (passes) {
      await expectProblem(response, 404, "resource.not-found");
    } else {
      await expectProblem(response, 403, "request.cross-origin");
    }
  });

  it("passes from anywhere when it has a bearer token too", async () => {
    const user = await makeUser("user");
    const headers = { Cookie: user.cookie, "Sec-Fetch-Site": "cross-site" };
    const options = { method: "POST", token: user.token, headers };
    const response = await call("/sessions/ses_none/terminate", options);
    await expectProblem(response, 404, "resource.not-found");
  });

  it("is judged before a login can replace the cookie", async () => {
    const user = await makeUser("user");
    const json = { username: user.username, password: PASSWORD };
    const headers = { Cookie: user.cookie, "Sec-Fetch-Site": "cross-site" };
    const response = await call("/auth/login", { json, headers });
    await expectProblem(response, 403, "request.cross-origin");
  });

  it("may be read from anywhere by a link", async () => {
    const user = await makeUser("user");
    const headers = { Cookie: user.cookie, "Sec-Fetch-Site": "cross-site" };
    await read(await call("/consoles", { headers }), 200);
  });
});
