/** Policies over HTTP: who may, what is answered, and what a ticket makes of them. */
// First, as in the Worker: schemas that are made before it has run cannot be described.
import "@hono/zod-openapi";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { decodeJwt } from "jose";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  grant,
  makeSite,
  makeUser,
  read,
  type TestUser,
  uniqueName,
} from "./api-client.ts";
import { FakeRelay } from "./fake-relay.ts";

let admin: TestUser;
let user: TestUser;
let auditor: TestUser;
/** Of this file's relays and consoles. */
let siteId: string;
const joined: FakeRelay[] = [];

beforeAll(async () => {
  [admin, user, auditor] = await Promise.all([
    makeUser("admin"),
    makeUser("user"),
    makeUser("auditor"),
  ]);
  siteId = (await makeSite(admin)).id;
});

afterEach(async () => {
  for (const relay of joined.splice(0)) {
    relay.close();
    const path = `/relays/${relay.id}`;
    await expect
      .poll(async () => (await read(await call(path, { token: admin.token }), 200))["state"])
      .toBe("offline");
  }
});

async function makePolicy(rules: object) {
  const json = { name: uniqueName("policy"), rules };
  const made = await read(await call("/policies", { token: admin.token, json }), 201);
  return { id: String(made["id"]), name: json.name, made };
}

async function makeConsole() {
  const json = { name: uniqueName("console"), host: "10.0.0.5", port: 5900, siteId };
  const { id } = await read(await call("/consoles", { token: admin.token, json }), 201);
  return String(id);
}

async function attach(policyId: string, to: object, status = 201) {
  const json = { policyId, ...to };
  return await read(await call("/policy-attachments", { token: admin.token, json }), status);
}

describe("/policies", () => {
  it("makes, lists, changes and deletes", async () => {
    const { id, name, made } = await makePolicy({ idleS: 900 });
    expect(made).toMatchObject({ name, description: "", rules: { idleS: 900 }, warnings: [] });
    const list = await read(await call("/policies?limit=200", { token: auditor.token }), 200);
    expect(list["items"]).toContainEqual(expect.objectContaining({ id, name }));
    const json = { description: "shorter", rules: { idleS: 60 } };
    const patched = await call(`/policies/${id}`, { method: "PATCH", token: admin.token, json });
    expect(await read(patched, 200)).toMatchObject({ ...json, warnings: [] });
    expect(await read(await call(`/policies/${id}`, { token: admin.token }), 200)).toMatchObject(
      json,
    );
    const gone = await call(`/policies/${id}`, { method: "DELETE", token: admin.token });
    expect(gone.status).toBe(204);
    await expectProblem(
      await call(`/policies/${id}`, { token: admin.token }),
      404,
      "resource.not-found",
    );
    const trail = await auditOf(admin, { type: "policy.changed" });
    expect(trail.find(({ data }) => (data as { policyId: string }).policyId === id)).toMatchObject({
      actor: { id: admin.id },
      data: { name, before: expect.stringContaining("900"), after: expect.stringContaining("60") },
    });
  });

  it("pages by name", async () => {
    const names = [(await makePolicy({})).name, (await makePolicy({})).name];
    const found: string[] = [];
    let path: string | null = "/policies?limit=1";
    while (path !== null) {
      const page = await read(await call(path, { token: admin.token }), 200);
      found.push(...(page["items"] as { name: string }[]).map(({ name }) => name));
      const cursor = page["nextCursor"] as string | null;
      path = cursor === null ? null : `/policies?limit=1&cursor=${cursor}`;
    }
    expect(found).toEqual(expect.arrayContaining(names));
    expect(new Set(found).size).toBe(found.length);
  });

  it("warns of what no relay enforces", async () => {
    const { made } = await makePolicy({ input: "deny", usb: "deny" });
    expect(made["warnings"]).toMatchObject([{ rule: "input" }]);
  });

  it("warns alike of a console's own and a link's", async () => {
    const rules = { input: "deny", usb: "deny" };
    const { warnings } = (await makePolicy(rules)).made;
    const send = async (path: string, json: object, method = "POST", status = 201) =>
      await read(await call(path, { method, token: admin.token, json }), status);
    const fields = { name: uniqueName("console"), host: "10.0.0.5", port: 5900, siteId };
    const added = await send("/consoles", { ...fields, policy: rules });
    expect(added).toMatchObject({ name: fields.name, policy: rules, warnings });
    const path = `/consoles/${String(added["id"])}`;
    expect(await send(path, { policy: null }, "PATCH", 200)).toMatchObject({ warnings: [] });
    expect(await send(path, { policy: rules }, "PATCH", 200)).toMatchObject({ warnings });
    expect(await read(await call(path, { token: admin.token }), 200)).not.toHaveProperty(
      "warnings",
    );
    const link = { consoleId: added["id"], expiresInS: 60 };
    expect(await send("/shares", link)).toMatchObject({ warnings: [] });
    expect(await send("/shares", { ...link, policy: rules })).toMatchObject({ warnings });
  });

  it("says which rule is wrong", async () => {
    const rules = {
      controlLoss: { strict: 1 },
      allowedHours: { timeZone: "Nowhere", windows: [] },
    };
    const json = { name: uniqueName("policy"), rules };
    const answer = await call("/policies", { token: admin.token, json });
    const problem = await expectProblem(answer, 422, "request.invalid");
    expect(fieldsOf(problem).sort()).toEqual([
      "rules.allowedHours.timeZone",
      "rules.allowedHours.windows",
      "rules.controlLoss.strict",
    ]);
  });

  it("is changed by those who manage policies, and read by those who may read them", async () => {
    const { id } = await makePolicy({});
    const json = { name: uniqueName("policy") };
    for (const { token } of [user, auditor]) {
      await expectProblem(await call("/policies", { token, json }), 403, "auth.forbidden");
      const change = { method: "PATCH", token, json };
      await expectProblem(await call(`/policies/${id}`, change), 403, "auth.forbidden");
      const deletion = { method: "DELETE", token };
      await expectProblem(await call(`/policies/${id}`, deletion), 403, "auth.forbidden");
      const attaching = { token, json: { policyId: id, kind: "everyone" } };
      await expectProblem(await call("/policy-attachments", attaching), 403, "auth.forbidden");
    }
    for (const path of ["/policies", `/policies/${id}`, "/policy-attachments"]) {
      await expectProblem(await call(path, { token: user.token }), 403, "auth.forbidden");
      await read(await call(path, { token: auditor.token }), 200);
      await expectProblem(await call(path), 401, "auth.required");
    }
  });

  it("refuses a name that is taken", async () => {
    const { name } = await makePolicy({});
    const json = { name: name.toUpperCase() };
    const answer = await call("/policies", { token: admin.token, json });
    await expectProblem(answer, 409, "resource.conflict");
  });
});

describe("/policy-attachments", () => {
  it("attaches, lists and detaches, and keeps an attached policy from being deleted", async () => {
    const { id, name } = await makePolicy({});
    const consoleId = await makeConsole();
    const to = { kind: "console", subjectId: consoleId };
    const attached = await attach(id, to);
    expect(attached).toMatchObject({
      policy: { id, name },
      kind: "console",
      subject: { id: consoleId },
      warnings: [],
    });
    expect(await attach(id, to, 200)).toEqual(attached);
    const listed = await call(`/policy-attachments?policyId=${id}`, { token: admin.token });
    const { warnings: _warned, ...shown } = attached;
    expect((await read(listed, 200))["items"]).toEqual([shown]);
    const deletion = { method: "DELETE", token: admin.token };
    const refused = await call(`/policies/${id}`, deletion);
    const problem = await expectProblem(refused, 409, "policy.attached");
    expect(problem["detail"]).toContain(consoleId);
    const path = `/policy-attachments/${String(attached["id"])}`;
    expect((await call(path, deletion)).status).toBe(204);
    await expectProblem(await call(path, deletion), 404, "resource.not-found");
    expect((await call(`/policies/${id}`, deletion)).status).toBe(204);
    const trail = await auditOf(admin, { consoleId });
    expect(trail.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["policy.attached", "policy.detached"]),
    );
  });

  it.each([
    [{ kind: "console" }, "subjectId"],
    [{ kind: "user", subjectId: "usr_none" }, "subjectId"],
    [{ kind: "everyone", subjectId: "usr_none" }, "subjectId"],
    [{ kind: "planet", subjectId: "usr_none" }, "kind"],
  ])("refuses %j", async (to, field) => {
    const { id } = await makePolicy({});
    const json = { policyId: id, ...to };
    const answer = await call("/policy-attachments", { token: admin.token, json });
    expect(fieldsOf(await expectProblem(answer, 422, "request.invalid"))).toEqual([field]);
  });
});

describe("/policies/effective", () => {
  it("explains the caller's own, and others' to those who may read policies and people", async () => {
    const consoleId = await makeConsole();
    const { id, name } = await makePolicy({ idleS: 60, clipboard: "deny" });
    const asked = await makeUser("user");
    await attach(id, { kind: "user", subjectId: asked.id });
    await grant(admin, asked, { consoleId });
    const path = `/policies/effective?consoleId=${consoleId}`;
    const own = await read(await call(path, { token: asked.token }), 200);
    expect(own).toMatchObject({
      user: { id: asked.id, username: asked.username },
      allowedNow: true,
      changesAt: null,
      rules: { idleS: 60, clipboard: "deny", allowedHours: null },
      warnings: [{ rule: "clipboard" }],
    });
    expect(own["decisions"]).toContainEqual({
      rule: "idleS",
      value: 60,
      contributions: [
        {
          from: {
            by: "policy",
            policyId: id,
            name,
            attachedTo: { kind: "user", id: asked.id, name: asked.username },
          },
          value: 60,
          wins: true,
        },
      ],
    });
    const other = `${path}&userId=${asked.id}`;
    expect(await read(await call(other, { token: admin.token }), 200)).toEqual(own);
    const foreign = await call(`${path}&userId=${admin.id}`, { token: user.token });
    await expectProblem(foreign, 403, "auth.forbidden");
  });
});

describe("a ticket", () => {
  it("goes to a relay that can enforce its policy, with the rules in its grant", async () => {
    const able = await FakeRelay.join(admin, { siteId, enforces: ["controlLoss"] });
    const unable = await FakeRelay.join(admin, { siteId });
    joined.push(able, unable);
    const consoleId = await makeConsole();
    const { id } = await makePolicy({ controlLoss: { strict: 60 } });
    await attach(id, { kind: "console", subjectId: consoleId });
    await grant(admin, user, { consoleId });
    const wish = { method: "POST", token: user.token };
    await read(await call(`/consoles/${consoleId}/tickets`, wish), 201);
    expect(unable.pushes).toEqual([]);
    const grants = able.pushes.flatMap(({ command }) =>
      command.kind === "grant" ? [decodeJwt(command.grant)] : [],
    );
    expect(grants).toMatchObject([{ policy: { controlLoss: { strict: 60 } } }]);
  });

  it("is refused with what no relay can enforce", async () => {
    joined.push(
      await FakeRelay.join(admin, { siteId, enforces: ["controlLoss", "something-new"] }),
    );
    const consoleId = await makeConsole();
    const { id } = await makePolicy({ input: "deny" });
    await attach(id, { kind: "console", subjectId: consoleId });
    await grant(admin, user, { consoleId });
    const wish = { method: "POST", token: user.token };
    const answer = await call(`/consoles/${consoleId}/tickets`, wish);
    const problem = await expectProblem(answer, 409, "policy.unenforceable");
    expect(problem["detail"]).toContain("input");
    expect(await auditOf(admin, { consoleId, type: "ticket.denied" })).toMatchObject([
      { data: { code: "policy.unenforceable", detail: problem["detail"] } },
    ]);
  });
});
