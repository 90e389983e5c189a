import { describe, expect, it } from "vitest";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  makeUser,
  PASSWORD,
  read,
  uniqueName,
} from "./api-client.ts";

const BOB = { displayName: "Bob Builder", email: "bob@example.com" };

/** All items of a list, page after page. */
async function readAll(path: string, token: string): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  let cursor: string | null = null;
  do {
    const more: string = cursor === null ? "" : `&cursor=${cursor}`;
    const page = await read(await call(`${path}${more}`, { token }), 200);
    items.push(...(page["items"] as Record<string, unknown>[]));
    cursor = page["nextCursor"] as string | null;
  } while (cursor !== null);
  return items;
}

describe("people", () => {
  it("are added, read, changed, disabled, enabled and deleted by an admin", async () => {
    const admin = await makeUser("admin");
    const { token } = admin;
    const username = uniqueName("bob");
    const json = { username, password: PASSWORD, ...BOB };
    const created = await read(await call("/users", { token, json }), 201);
    expect(created).toMatchObject({
      username,
      ...BOB,
      role: "user",
      origin: "local",
      hasPassword: true,
      disabled: false,
      disabledAt: null,
      lastLoginAt: null,
    });
    expect(JSON.stringify(created)).not.toMatch(/scrypt|passwordHash/i);
    const path = `/users/${String(created["id"])}`;
    expect(await read(await call(path, { token }), 200)).toEqual(created);

    const change = (changes: object) => call(path, { method: "PATCH", token, json: changes });
    const changed = await read(await change({ role: "operator", email: null }), 200);
    expect(changed).toEqual({ ...created, role: "operator", email: null });
    const disabled = await read(await change({ disabled: true }), 200);
    expect(disabled).toMatchObject({ disabled: true, disabledAt: expect.any(String) });
    const login = { username, password: PASSWORD };
    await expectProblem(
      await call("/auth/login", { json: login }),
      401,
      "auth.invalid-credentials",
    );
    await read(await change({ disabled: false }), 200);
    await read(await call("/auth/login", { json: login }), 200);
    expect(await read(await call(path, { token }), 200)).toMatchObject({
      lastLoginAt: expect.any(String),
    });

    expect((await call(path, { method: "DELETE", token })).status).toBe(204);
    await expectProblem(await call(path, { token }), 404, "resource.not-found");
    await expectProblem(await call(path, { method: "DELETE", token }), 404, "resource.not-found");
    await read(await call("/users", { token, json }), 201);
    const events = await auditOf(admin, { type: "user.changed", limit: "200" });
    const mine = events.filter(
      ({ data }) => (data as Record<string, unknown>)["userId"] === created["id"],
    );
    expect(mine.map(({ actor }) => actor)).toEqual(
      Array.from({ length: 3 }, () => ({ kind: "user", id: admin.id })),
    );
  });

  it("are refused for fields that are wrong, and names that are taken", async () => {
    const { token, username } = await makeUser("admin");
    const json = {
      username: "bob",
      password: PASSWORD,
      role: "king",
      displayName: "a\nb",
      email: "nobody",
    };
    const problem = await expectProblem(
      await call("/users", { token, json }),
      422,
      "request.invalid",
    );
    expect(fieldsOf(problem).sort()).toEqual(["displayName", "email", "role"]);
    const short = { username: uniqueName("bob"), password: "short" };
    expect(
      fieldsOf(
        await expectProblem(await call("/users", { token, json: short }), 422, "request.invalid"),
      ),
    ).toEqual(["password"]);
    const taken = { username: username.toUpperCase(), password: PASSWORD };
    await expectProblem(await call("/users", { token, json: taken }), 409, "resource.conflict");
    const unknown = { username: uniqueName("bob"), password: PASSWORD, passwordHash: "x" };
    await expectProblem(await call("/users", { token, json: unknown }), 422, "request.invalid");
  });

  it("are listed by how their names begin, page after page", async () => {
    const { token } = await makeUser("admin");
    const prefix = uniqueName("list");
    for (const end of ["c", "A", "b"]) {
      await call("/users", { token, json: { username: `${prefix}${end}`, password: PASSWORD } });
    }
    const found = await readAll(`/users?limit=2&prefix=${prefix.toUpperCase()}`, token);
    expect(found.map(({ username }) => username)).toEqual(
      ["A", "b", "c"].map((end) => `${prefix}${end}`),
    );
    const admins = await readAll(`/users?limit=200&role=admin&prefix=${prefix}`, token);
    expect(admins).toEqual([]);
    await expectProblem(await call("/users?cursor=x", { token }), 422, "request.invalid");
  });

  it("get another password from an admin, which ends their logins", async () => {
    const admin = await makeUser("admin");
    const bob = await makeUser("user");
    const password = "another long password";
    const path = `/users/${bob.id}/password`;
    const options = { method: "PUT", token: admin.token, json: { password } };
    expect((await call(path, options)).status).toBe(204);
    await expectProblem(await call("/account", { token: bob.token }), 401, "auth.required");
    await read(await call("/auth/login", { json: { username: bob.username, password } }), 200);
    const none = await call("/users/usr_none/password", options);
    await expectProblem(none, 404, "resource.not-found");
  });
});

describe("the own account", () => {
  it("says who the caller is and what they may do", async () => {
    const admin = await makeUser("admin");
    const bob = await makeUser("auditor");
    const group = { name: uniqueName("group") };
    const { id } = await read(await call("/groups", { token: admin.token, json: group }), 201);
    const member = `/groups/${String(id)}/members/${bob.id}`;
    await call(member, { method: "PUT", token: admin.token });
    const account = await read(await call("/account", { token: bob.token }), 200);
    expect(account).toMatchObject({
      user: { id: bob.id, username: bob.username },
      role: "auditor",
      groups: [{ id, name: group.name }],
      credential: { kind: "login", id: expect.stringMatching(/^lgn_/) },
    });
    expect(account["permissions"]).toContain("audit.read");
    expect(account["permissions"]).not.toContain("people.manage");
  });

  it("has another password for the right old one; other logins end, this one stays", async () => {
    const bob = await makeUser("user");
    const login = { username: bob.username, password: PASSWORD };
    const { token: other } = await read(await call("/auth/login", { json: login }), 200);
    const newPassword = "another long password";
    const change = (currentPassword: string, next = newPassword) =>
      call("/account/password", { token: bob.token, json: { currentPassword, newPassword: next } });
    const wrong = await expectProblem(await change("wrong"), 422, "request.invalid");
    expect(fieldsOf(wrong)).toEqual(["currentPassword"]);
    const short = await expectProblem(await change(PASSWORD, "short"), 422, "request.invalid");
    expect(fieldsOf(short)).toEqual(["newPassword"]);
    expect((await change(PASSWORD)).status).toBe(204);
    await read(await call("/account", { token: bob.token }), 200);
    await expectProblem(await call("/account", { token: String(other) }), 401, "auth.required");
    await expectProblem(
      await call("/auth/login", { json: login }),
      401,
      "auth.invalid-credentials",
    );
    await read(await call("/auth/login", { json: { ...login, password: newPassword } }), 200);
  });
});

describe("logins", () => {
  const client = { "User-Agent": "Browser/1.0 (\t)", "CF-Connecting-IP": "198.51.100.23" };

  it("are listed with what people know them by, and end one by one", async () => {
    const bob = await makeUser("user");
    const json = { username: bob.username, password: PASSWORD };
    await read(await call("/auth/login", { json, headers: client }), 200);
    const logins = await readAll("/account/logins?limit=1", bob.token);
    expect(logins).toMatchObject([
      { method: "password", address: "198.51.100.23", userAgent: "Browser/1.0 (?)" },
      { method: "password", isCurrent: true, lastUsedAt: expect.any(String) },
    ]);
    const path = `/account/logins/${String(logins[0]?.["id"])}`;
    expect((await call(path, { method: "DELETE", token: bob.token })).status).toBe(204);
    const again = await call(path, { method: "DELETE", token: bob.token });
    await expectProblem(again, 404, "resource.not-found");
    expect(await readAll("/account/logins?limit=1", bob.token)).toHaveLength(1);
  });

  it("end all but the one that asks", async () => {
    const bob = await makeUser("user");
    const json = { username: bob.username, password: PASSWORD };
    const others = [];
    for (let count = 0; count < 2; count += 1) {
      others.push(String((await read(await call("/auth/login", { json }), 200))["token"]));
    }
    const options = { method: "POST", token: bob.token };
    expect(await read(await call("/account/logins/end-others", options), 200)).toEqual({
      ended: 2,
    });
    expect(await read(await call("/account/logins/end-others", options), 200)).toEqual({
      ended: 0,
    });
    for (const token of others) {
      await expectProblem(await call("/account", { token }), 401, "auth.required");
    }
    await read(await call("/account", { token: bob.token }), 200);
  });

  it("of somebody else are not there, except for admins, whose ending is told", async () => {
    const admin = await makeUser("admin");
    const bob = await makeUser("user");
    const eve = await makeUser("user");
    const [login] = await readAll(`/users/${bob.id}/logins?limit=10`, admin.token);
    const id = String(login?.["id"]);
    const stolen = await call(`/account/logins/${id}`, { method: "DELETE", token: eve.token });
    await expectProblem(stolen, 404, "resource.not-found");
    const wrongUser = `/users/${eve.id}/logins/${id}`;
    const misplaced = await call(wrongUser, { method: "DELETE", token: admin.token });
    await expectProblem(misplaced, 404, "resource.not-found");
    const path = `/users/${bob.id}/logins`;
    const options = { method: "DELETE", token: admin.token };
    expect((await call(`${path}/${id}`, options)).status).toBe(204);
    await expectProblem(await call("/account", { token: bob.token }), 401, "auth.required");
    expect(await read(await call(`/users/${eve.id}/logins`, options), 200)).toEqual({ ended: 1 });
    await expectProblem(await call("/users/usr_none/logins", options), 404, "resource.not-found");
    const events = await auditOf(admin, { type: "login.ended", limit: "200" });
    expect(events).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          actor: { kind: "user", id: admin.id },
          data: { userId: bob.id, count: 1, loginId: id },
        }),
        expect.objectContaining({ data: { userId: eve.id, count: 1 } }),
      ]),
    );
  });

  it("begin with a new token each time, also where the cookie of another one is sent", async () => {
    const bob = await makeUser("user");
    const json = { username: bob.username, password: PASSWORD };
    const headers = { Cookie: bob.cookie, "Sec-Fetch-Site": "same-origin" };
    const { token } = await read(await call("/auth/login", { json, headers }), 200);
    expect(token).not.toBe(bob.token);
    expect(bob.cookie).not.toContain(String(token));
  });
});

describe("API tokens", () => {
  const make = async (token: string, scopes: string[], lifeDays = 30) =>
    await call("/account/tokens", { token, json: { name: "script", scopes, lifeDays } });

  it("are made, shown once, used, listed and revoked", async () => {
    const admin = await makeUser("admin");
    const bob = await makeUser("user");
    const issued = await read(await make(bob.token, ["consoles.read", "consoles.read"]), 201);
    const token = String(issued["token"]);
    expect(token).toMatch(/^kat1_[A-Za-z0-9_-]{43}$/);
    expect(issued).toMatchObject({ name: "script", scopes: ["consoles.read"], revokedAt: null });
    await read(await call("/consoles", { token }), 200);
    expect(await read(await call("/account", { token }), 200)).toMatchObject({
      user: { id: bob.id },
      permissions: ["consoles.read"],
      credential: { kind: "token", id: issued["id"] },
    });
    await expectProblem(await call("/sessions", { token }), 403, "auth.forbidden");
    for (const [path, reader] of [
      ["/account/tokens", bob],
      [`/users/${bob.id}/tokens`, admin],
    ] as const) {
      const [listed] = await readAll(`${path}?limit=1`, reader.token);
      expect(listed).toMatchObject({ id: issued["id"], lastUsedAt: expect.any(String) });
      expect(JSON.stringify(listed)).not.toContain(token);
      expect(listed).not.toHaveProperty("token");
    }
    const path = `/users/${bob.id}/tokens/${String(issued["id"])}`;
    expect((await call(path, { method: "DELETE", token: admin.token })).status).toBe(204);
    await expectProblem(await call("/consoles", { token }), 401, "auth.required");
    const used = await auditOf(admin, { type: "token.used", limit: "200" });
    const ofToken = used.filter(
      ({ data }) => (data as Record<string, unknown>)["tokenId"] === issued["id"],
    );
    expect(ofToken).toMatchObject([{ actor: { kind: "user", id: bob.id } }]);
  });

  it("have a name that can be read", async () => {
    const { token } = await makeUser("user");
    for (const name of ["", "  ", "a\nb"]) {
      const json = { name, scopes: ["consoles.read"], lifeDays: 1 };
      const problem = await expectProblem(
        await call("/account/tokens", { token, json }),
        422,
        "request.invalid",
      );
      expect(fieldsOf(problem)).toEqual(["name"]);
    }
  });

  it("make no tokens, change no passwords and end no logins", async () => {
    const admin = await makeUser("admin");
    const issued = await read(await make(admin.token, ["people.manage", "people.read"]), 201);
    const token = String(issued["token"]);
    await expectProblem(await make(token, ["people.read"]), 403, "auth.forbidden");
    const json = { currentPassword: PASSWORD, newPassword: "another long password" };
    await expectProblem(await call("/account/password", { token, json }), 403, "auth.forbidden");
    const password = { method: "PUT", token, json: { password: "another long password" } };
    const own = await call(`/users/${admin.id}/password`, password);
    await expectProblem(own, 403, "auth.forbidden");
    const logout = await call("/auth/logout", { method: "POST", token });
    await expectProblem(logout, 403, "auth.forbidden");
  });

  it("are named in what was done with them", async () => {
    const admin = await makeUser("admin");
    const issued = await read(await make(admin.token, ["people.manage"]), 201);
    const token = String(issued["token"]);
    const { id } = await read(
      await call("/groups", { token, json: { name: uniqueName("g") } }),
      201,
    );
    const events = await auditOf(admin, { type: "group.created", limit: "200" });
    expect(events).toContainEqual(
      expect.objectContaining({
        actor: { kind: "user", id: admin.id },
        data: expect.objectContaining({ groupId: id, viaTokenId: issued["id"] }),
      }),
    );
  });

  it("are worth nothing in a cookie", async () => {
    const bob = await makeUser("user");
    const { token } = await read(await make(bob.token, ["consoles.read"]), 201);
    const headers = { Cookie: `__Host-kerbside=${String(token)}` };
    await expectProblem(await call("/consoles", { headers }), 401, "auth.required");
  });

  it("are refused with what their maker does not hold, and beyond a year", async () => {
    const bob = await makeUser("user");
    for (const [scopes, lifeDays, field] of [
      [["people.manage"], 30, "scopes"],
      [["account.manage"], 30, "scopes"],
      [["nonsense"], 30, "scopes.0"],
      [[], 30, "scopes"],
      [["consoles.read"], 366, "lifeDays"],
      [["consoles.read"], 0, "lifeDays"],
    ] as const) {
      const response = await make(bob.token, [...scopes], lifeDays);
      const problem = await expectProblem(response, 422, "request.invalid");
      expect(fieldsOf(problem)).toEqual([field]);
    }
  });
});

describe("groups", () => {
  it("are made, changed, filled, emptied and deleted", async () => {
    const { token, id: userId, username } = await makeUser("admin");
    const name = uniqueName("group");
    const made = await read(await call("/groups", { token, json: { name } }), 201);
    expect(made).toMatchObject({ name, description: null });
    const path = `/groups/${String(made["id"])}`;
    const json = { description: "who helps" };
    const changed = await read(await call(path, { method: "PATCH", token, json }), 200);
    expect(changed).toEqual({ ...made, ...json });
    expect(await read(await call(path, { token }), 200)).toEqual(changed);
    expect(await readAll(`/groups?limit=1&prefix=${name}`, token)).toEqual([changed]);

    const member = `${path}/members/${userId}`;
    expect((await call(member, { method: "PUT", token })).status).toBe(204);
    expect((await call(member, { method: "PUT", token })).status).toBe(204);
    expect(await readAll(`${path}/members?limit=1`, token)).toEqual([
      { user: { id: userId, username, displayName: null }, origins: ["local"] },
    ]);
    expect(await readAll(`/users/${userId}/groups?limit=1`, token)).toEqual([
      { id: made["id"], name, origins: ["local"] },
    ]);
    expect((await call(member, { method: "DELETE", token })).status).toBe(204);
    const again = await call(member, { method: "DELETE", token });
    await expectProblem(again, 404, "resource.not-found");
    expect((await call(path, { method: "DELETE", token })).status).toBe(204);
    await expectProblem(await call(path, { token }), 404, "resource.not-found");
  });

  it("have a name that can be read, without blanks around it", async () => {
    const { token } = await makeUser("admin");
    const name = uniqueName("group");
    const made = await read(await call("/groups", { token, json: { name: ` ${name} ` } }), 201);
    expect(made["name"]).toBe(name);
    for (const wrong of ["  ", "a\nb", "x".repeat(129)]) {
      const refused = await call("/groups", { token, json: { name: wrong } });
      expect(fieldsOf(await expectProblem(refused, 422, "request.invalid"))).toContain("name");
    }
  });

  it("have names of their own", async () => {
    const { token } = await makeUser("admin");
    const name = uniqueName("group");
    await read(await call("/groups", { token, json: { name } }), 201);
    const json = { name: name.toUpperCase() };
    await expectProblem(await call("/groups", { token, json }), 409, "resource.conflict");
  });
});
