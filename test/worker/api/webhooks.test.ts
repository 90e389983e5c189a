/** Webhooks over the API: who may manage them, what is taken, and what is shown. */
import { inArray } from "drizzle-orm";
import { afterEach, describe, expect, it } from "vitest";
import { webhooks } from "../../../worker/repositories/schema/webhooks.ts";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  makeUser,
  read,
  services,
  type TestUser,
} from "./api-client.ts";

const URL = "https://hooks.example.com/kerbside?token=unguessable";

/** The ids of this file's webhooks: other files have theirs in the same database. */
const made: string[] = [];

async function add(admin: TestUser, json: object = { url: URL }) {
  const answer = await read(await call("/webhooks", { token: admin.token, json }), 201);
  const { id } = answer["webhook"] as { id: string };
  made.push(id);
  return { ...answer, id };
}

// Another test's clock must not find them, and call addresses that are nobody's.
afterEach(async () => {
  await services()
    .database.delete(webhooks)
    .where(inArray(webhooks.id, made.splice(0)));
});

describe("a webhook", () => {
  it("is made, listed, changed and deleted, and each is recorded without its address", async () => {
    const admin = await makeUser("admin");
    const { id, ...answer } = await add(admin, { url: URL, events: ["session.*", "session.*"] });
    expect(answer).toMatchObject({
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      webhook: { url: URL, events: ["session.*"], enabled: true, eventsBehind: 0, description: "" },
    });
    const path = `/webhooks/${id}`;
    const shown = await read(await call(path, { token: admin.token }), 200);
    expect(JSON.stringify(shown)).not.toContain("whsec_");
    const { items } = await read(await call("/webhooks", { token: admin.token }), 200);
    expect(items).toContainEqual(shown);
    const json = { description: "the SIEM", enabled: false };
    const changed = await call(path, { token: admin.token, method: "PATCH", json });
    expect(await read(changed, 200)).toMatchObject({ description: "the SIEM", enabled: false });
    const rotate = { token: admin.token, method: "POST" };
    const rotated = await read(await call(`${path}/rotate-secret`, rotate), 200);
    expect(rotated["secret"]).not.toBe((answer as { secret?: string }).secret);
    const deliveries = await read(await call(`${path}/deliveries`, { token: admin.token }), 200);
    expect(deliveries).toEqual({ items: [], nextCursor: null });
    const deleted = await call(path, { token: admin.token, method: "DELETE" });
    expect(deleted.status).toBe(204);
    await expectProblem(await call(path, { token: admin.token }), 404, "resource.not-found");
    const trail = await auditOf(admin, { about: id });
    expect(trail.map(({ type }) => type).reverse()).toEqual([
      "webhook.created",
      "webhook.updated",
      "webhook.secret-rotated",
      "webhook.deleted",
    ]);
    expect(trail.every(({ data }) => (data as { origin: string }).origin)).toBe(true);
    expect(JSON.stringify(trail)).not.toContain("unguessable");
    expect(trail[2]).toMatchObject({
      data: {
        changes: [
          { field: "description", before: '""', after: '"the SIEM"' },
          { field: "enabled", before: "true", after: "false" },
        ],
      },
    });
  });

  it.each([
    [{ url: "http://hooks.example.com/" }, "url"],
    [{ url: "https://169.254.169.254/latest/meta-data" }, "url"],
    [{ url: "https://localhost/" }, "url"],
    [{ url: URL, events: [] }, "events"],
    [{ url: URL, events: ["Session"] }, "events.0"],
    [{ url: URL, events: ["session.openned"] }, "events.0"],
    [{ url: URL, events: ["sessions.*"] }, "events.0"],
    [{ url: URL, secret: "mine" }, "secret"],
    [{}, "url"],
  ])("is refused: %j", async (json, field) => {
    const admin = await makeUser("admin");
    const refused = await call("/webhooks", { token: admin.token, json });
    expect(fieldsOf(await expectProblem(refused, 422, "request.invalid"))).toEqual([field]);
  });

  it("cannot be moved to an address that it could not be made with", async () => {
    const admin = await makeUser("admin");
    const { id } = await add(admin);
    const json = { url: "https://10.0.0.1/" };
    const refused = await call(`/webhooks/${id}`, { token: admin.token, method: "PATCH", json });
    await expectProblem(refused, 422, "request.invalid");
  });

  it("is for admins alone", async () => {
    const auditor = await makeUser("auditor");
    const asked = await call("/webhooks", { token: auditor.token });
    await expectProblem(asked, 403, "auth.forbidden");
    await expectProblem(await call("/webhooks", { json: { url: URL } }), 401, "auth.required");
  });

  it("that is not there is not found", async () => {
    const admin = await makeUser("admin");
    for (const [method, path] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/test"],
      ["POST", "/rotate-secret"],
      ["GET", "/deliveries"],
      ["POST", "/deliveries/msg_1/redrive"],
    ]) {
      const asked = await call(`/webhooks/whk_none${path}`, {
        token: admin.token,
        method: method ?? "",
      });
      await expectProblem(asked, 404, "resource.not-found");
    }
  });
});
