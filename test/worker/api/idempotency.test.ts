/** POSTs that carry an Idempotency-Key, over HTTP: carried out once however often they arrive. */
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  makeSite,
  makeUser,
  read,
  services,
  type TestUser,
  uniqueName,
} from "./api-client.ts";
import { FakeRelay } from "./fake-relay.ts";

const newConsole = () => ({ name: uniqueName("once"), host: "10.0.0.5", port: 5900 });

const withKey = (key: string) => ({ "Idempotency-Key": key });

async function create(user: TestUser, key: string, json: object): Promise<Response> {
  return await call("/consoles", { token: user.token, json, headers: withKey(key) });
}

async function countConsoles(user: TestUser, name: string): Promise<number> {
  const page = await read(await call(`/consoles?name=${name}`, { token: user.token }), 200);
  return (page["items"] as unknown[]).length;
}

describe("a request with a key", () => {
  it("is carried out once, and answered alike each time", async () => {
    const admin = await makeUser("admin");
    const json = newConsole();
    const key = crypto.randomUUID();
    const first = await create(admin, key, json);
    expect(first.headers.get("Idempotency-Replayed")).toBeNull();
    const made = await read(first, 201);
    for (let time = 0; time < 2; time += 1) {
      const again = await create(admin, key, json);
      expect(again.headers.get("Idempotency-Replayed")).toBe("true");
      expect(again.headers.get("Content-Type")).toBe(first.headers.get("Content-Type"));
      expect(again.headers.get("Cache-Control")).toBe("no-store");
      expect(await read(again, 201)).toEqual(made);
    }
    expect(await countConsoles(admin, json.name)).toBe(1);
    const audited = await auditOf(admin, { consoleId: String(made["id"]) });
    expect(audited.map(({ type }) => type)).toEqual(["console.created"]);
  });

  it("is carried out once also when several arrive together", async () => {
    const admin = await makeUser("admin");
    const json = newConsole();
    const key = crypto.randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 6 }, async () => await create(admin, key, json)),
    );
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      const problem = await expectProblem(answer, 409, "idempotency.in-progress");
      expect(problem["retryable"]).toBe(true);
      expect(answer.headers.get("Retry-After")).toBe("1");
    }
    const made = answers.filter(({ status }) => status === 201);
    const originals = made.filter(({ headers }) => !headers.has("Idempotency-Replayed"));
    expect(originals).toHaveLength(1);
    expect(await countConsoles(admin, json.name)).toBe(1);
  });

  it("is refused when it is another request than the key's", async () => {
    const admin = await makeUser("admin");
    const key = crypto.randomUUID();
    const json = newConsole();
    await read(await create(admin, key, json), 201);
    const other = await create(admin, key, { ...json, port: 5901 });
    await expectProblem(other, 422, "idempotency.key-reused");
    const options = { method: "POST", token: admin.token, headers: withKey(key) };
    const elsewhere = await call("/relays/join-tokens", options);
    await expectProblem(elsewhere, 422, "idempotency.key-reused");
    const bodiless = { method: "POST", token: admin.token, headers: withKey(`${key} bodiless`) };
    await read(await call("/relays/join-tokens", bodiless), 201);
    for (const path of ["/relays/join-tokens?again", "/sessions/ses_x/terminate"]) {
      await expectProblem(await call(path, bodiless), 422, "idempotency.key-reused");
    }
    expect(await countConsoles(admin, json.name)).toBe(1);
  });

  it("is its caller's own: another's with the same key is another request", async () => {
    const admins = [await makeUser("admin"), await makeUser("admin")] as const;
    const key = crypto.randomUUID();
    const ids = [];
    for (const admin of admins) {
      ids.push((await read(await create(admin, key, newConsole()), 201))["id"]);
    }
    expect(ids[0]).not.toBe(ids[1]);
  });

  it("may be corrected after a refusal: a refusal changed nothing and is not kept", async () => {
    const admin = await makeUser("admin");
    const key = crypto.randomUUID();
    const json = { ...newConsole(), uuid: crypto.randomUUID() };
    await expectProblem(await create(admin, key, { name: "x" }), 422, "request.invalid");
    const taken = await read(await create(admin, crypto.randomUUID(), json), 201);
    await expectProblem(await create(admin, key, json), 409, "resource.conflict");
    await call(`/consoles/${String(taken["id"])}`, { method: "DELETE", token: admin.token });
    const made = await create(admin, key, json);
    expect(made.headers.has("Idempotency-Replayed")).toBe(false);
    await read(made, 201);
  });

  it("is answered again only to who may still ask for it", async () => {
    const admin = await makeUser("admin");
    const key = crypto.randomUUID();
    const json = newConsole();
    await read(await create(admin, key, json), 201);
    const demotion = sql`UPDATE users SET role = 'user' WHERE id = ${admin.id}`;
    await services().database.run(demotion);
    await expectProblem(await create(admin, key, json), 403, "auth.forbidden");
    const bare = await call("/consoles", { json, headers: withKey(key) });
    await expectProblem(bare, 401, "auth.required");
  });

  it("must have one of 1 to 255 printable characters", async () => {
    const admin = await makeUser("admin");
    for (const key of ["x".repeat(256), "a\tb", ""]) {
      const problem = await expectProblem(
        await create(admin, key, newConsole()),
        422,
        "request.invalid",
      );
      expect(fieldsOf(problem)).toEqual(["Idempotency-Key"]);
    }
    for (const key of ["x", "x".repeat(255), '"quoted, as the draft has it"']) {
      await read(await create(admin, key, newConsole()), 201);
    }
  });

  it("without a body is repeated like any other, whatever it answers", async () => {
    const { token } = await makeUser("user");
    const options = { method: "POST", token, headers: withKey("log me out") };
    expect((await call("/auth/logout", options)).status).toBe(204);
    // The login is gone with it, so that the repetition is nobody's.
    await expectProblem(await call("/auth/logout", options), 401, "auth.required");
  });
});

describe("an answer that holds a secret", () => {
  it("is given again, and is kept sealed", async () => {
    const admin = await makeUser("admin");
    const { id: siteId } = await makeSite(admin);
    const relay = await FakeRelay.join(admin, { siteId });
    const json = { ...newConsole(), siteId };
    const { id } = await read(await call("/consoles", { token: admin.token, json }), 201);
    const paths = [`/consoles/${String(id)}/tickets`, "/relays/join-tokens"];
    for (const path of paths) {
      const options = { method: "POST", token: admin.token, headers: withKey(`key of ${path}`) };
      const first = await read(await call(path, options), 201);
      const again = await call(path, options);
      expect(again.headers.get("Idempotency-Replayed")).toBe("true");
      expect(await read(again, 201)).toEqual(first);
    }
    relay.close();
    const { rows } = await services().database.run(
      sql`SELECT * FROM idempotency_keys WHERE caller = ${admin.id}`,
    );
    expect(rows).toHaveLength(2);
    const stored = JSON.stringify(rows.map((row) => ({ ...row })));
    expect(stored).not.toMatch(/kvv1_|kjt1_|key of/);
    expect(stored.match(/"v\d\./g)).toHaveLength(2);
  });
});

describe("a request without a key", () => {
  it("is carried out each time", async () => {
    const admin = await makeUser("admin");
    const json = newConsole();
    for (let time = 0; time < 2; time += 1) {
      await read(await call("/consoles", { token: admin.token, json }), 201);
    }
    expect(await countConsoles(admin, json.name)).toBe(2);
  });

  it("is what a GET is, whatever header it has", async () => {
    const admin = await makeUser("admin");
    const options = { token: admin.token, headers: withKey("same") };
    expect((await call("/consoles?limit=1", options)).headers.has("Idempotency-Replayed")).toBe(
      false,
    );
    expect((await call("/sessions", options)).status).toBe(200);
  });
});
