/** The audit trail over the API: searched, exported, and what it is verified with. */
// First, as in the Worker: schemas that are made before it has run cannot be described.
import "@hono/zod-openapi";
import { describe, expect, it } from "vitest";
import { auditLineSchema } from "#shared/audit/audit-line.ts";
import { trailLineSchema } from "#shared/audit/trail-file.ts";
import { newId } from "#shared/base/ids.ts";
import { storeWithAudit } from "../../../worker/repositories/store-with-audit.ts";
import { auditRecord, SYSTEM_CALLER } from "../../../worker/services/audit-record.ts";
import { makeCheckpoint } from "../../../worker/services/audit-checkpoints.ts";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  makeUser,
  read,
  services,
  type TestUser,
  uniqueName,
} from "./api-client.ts";

/** Stores events about a thing of the test's own, a second apart; gives its id. */
async function storeTrail(count: number, name = "x"): Promise<string> {
  const subjectId = newId("source", (bytes) => crypto.getRandomValues(new Uint8Array(bytes)));
  for (let index = 0; index < count; index += 1) {
    const context = { ...services(), nowMs: () => Date.now() - (count - index) * 1_000 };
    const event = { type: "source.created", data: { name: `${name}${index}`, kind: "static" } };
    await storeWithAudit(context.database, [
      auditRecord(context, SYSTEM_CALLER, event as never, { subjectId }),
    ]);
  }
  return subjectId;
}

async function exported(user: TestUser, query: string): Promise<Response> {
  const response = await call(`/audit/export?${query}`, { token: user.token });
  expect(response.status).toBe(200);
  return response;
}

describe("the audit trail", () => {
  it("is searched by what an event is about, its type and its time", async () => {
    const auditor = await makeUser("auditor");
    const about = await storeTrail(3);
    const all = await auditOf(auditor, { about });
    expect(all.map(({ data }) => (data as { name: string }).name)).toEqual(["x2", "x1", "x0"]);
    expect(all[0]).toMatchObject({
      subjectId: about,
      writer: expect.stringMatching(/^api:[0-9]+$/),
      seq: expect.any(Number),
      hash: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    });
    expect(await auditOf(auditor, { about, type: "user.*,source.created" })).toHaveLength(3);
    expect(await auditOf(auditor, { about, type: "user.*" })).toEqual([]);
    const from = String(all[1]?.["at"]);
    expect(await auditOf(auditor, { about, from })).toHaveLength(2);
    expect(await auditOf(auditor, { about, to: from })).toHaveLength(1);
  });

  it("finds what one request did", async () => {
    const auditor = await makeUser("auditor");
    const requestId = uniqueName("request");
    const json = { username: "nobody", password: "wrong" };
    await call("/auth/login", { json, headers: { "X-Request-Id": requestId } });
    const found = await auditOf(auditor, { requestId });
    expect(found.map(({ type }) => type)).toEqual(["user.login-refused"]);
  });

  it.each([
    ["type=Session", "type"],
    ["type=session.opened,", "type"],
    ["from=yesterday", "from"],
    ["actorId=", "actorId"],
  ])("refuses %s", async (query, field) => {
    const auditor = await makeUser("auditor");
    const problem = await expectProblem(
      await call(`/audit?${query}`, { token: auditor.token }),
      422,
      "request.invalid",
    );
    expect(fieldsOf(problem)).toEqual([field]);
  });

  it.each(["", "/export", "/links", "/heads", "/checkpoints", "/keys"])(
    "is for who may read it: /audit%s",
    async (path) => {
      const operator = await makeUser("operator");
      await expectProblem(await call(`/audit${path}`, {}), 401, "auth.required");
      const asked = await call(`/audit${path}`, { token: operator.token });
      await expectProblem(asked, 403, "auth.forbidden");
    },
  );
});

describe("an export", () => {
  it("has the events as lines of JSON, oldest first, and is recorded before it begins", async () => {
    const auditor = await makeUser("auditor");
    const about = await storeTrail(3);
    const response = await exported(auditor, `about=${about}`);
    expect(response.headers.get("Content-Type")).toBe("application/x-ndjson");
    expect(response.headers.get("Content-Disposition")).toMatch(
      /^attachment; filename="kerbside-audit-[0-9-]{10}\.ndjson"$/,
    );
    const lines = (await response.text()).trimEnd().split("\n");
    const events = lines.map((line) => auditLineSchema.parse(JSON.parse(line)));
    expect(events.map(({ data }) => data["name"])).toEqual(["x0", "x1", "x2"]);
    expect(events[0]).toMatchObject({ writer: expect.any(String), seq: expect.any(Number) });
    const [told] = await auditOf(auditor, { actorId: auditor.id, type: "audit.exported" });
    expect(told).toMatchObject({ data: { query: `about=${about}` } });
  });

  it("is streamed page after page", async () => {
    const auditor = await makeUser("auditor");
    const about = await storeTrail(1);
    const context = services();
    const records = Array.from({ length: 1_200 }, () =>
      auditRecord(
        context,
        SYSTEM_CALLER,
        { type: "source.created", data: { name: "many", kind: "static" } },
        { subjectId: about },
      ),
    );
    await storeWithAudit(context.database, records);
    const text = await (await exported(auditor, `about=${about}`)).text();
    expect(text.trimEnd().split("\n")).toHaveLength(1_201);
  });

  it("as CSV has fixed columns, and no cell that a spreadsheet would compute", async () => {
    const auditor = await makeUser("auditor");
    const about = await storeTrail(1, '=cmd|"/c calc"!A1');
    const response = await exported(auditor, `about=${about}&format=csv`);
    expect(response.headers.get("Content-Type")).toBe("text/csv; charset=utf-8");
    const [head, row] = (await response.text()).split("\r\n");
    expect(head).toBe(
      "id,at,type,actor_kind,actor_id,address,request_id,console_id,session_id,relay_id," +
        "subject_id,data,writer,seq,hash",
    );
    expect(row).toContain(
      `${about},"{""name"":""=cmd|\\""/c calc\\""!A10"",""kind"":""static""}",`,
    );
  });

  it("of the whole trail takes no filter", async () => {
    const auditor = await makeUser("auditor");
    for (const query of ["order=chain&format=csv", "order=chain&actorId=usr_1"]) {
      const asked = await call(`/audit/export?${query}`, { token: auditor.token });
      await expectProblem(asked, 422, "request.invalid");
    }
  });

  it("of the whole trail has all that it is verified with, first what is claimed of it", async () => {
    const auditor = await makeUser("auditor");
    await storeTrail(1);
    await makeCheckpoint(services());
    const lines = (await (await exported(auditor, "order=chain")).text()).trimEnd().split("\n");
    const kinds = lines.map((line) => {
      const parsed = trailLineSchema.parse(JSON.parse(line));
      return ["trail", "checkpoint", "head"].find((name) => name in parsed) ?? "event";
    });
    expect([...new Set(kinds)]).toEqual(["trail", "checkpoint", "head", "event"]);
    expect(kinds.filter((kind) => kind === "trail")).toHaveLength(1);
  });
});

describe("what the trail is verified with", () => {
  it("is read page by page", async () => {
    const auditor = await makeUser("auditor");
    await makeCheckpoint(services());
    const keys = await read(await call("/audit/keys", { token: auditor.token }), 200);
    expect(keys).toMatchObject({ issuer: "https://kerbside.test", keys: [{ kty: "OKP" }] });
    expect(JSON.stringify(keys)).not.toContain('"d"');
    const heads = await read(await call("/audit/heads", { token: auditor.token }), 200);
    expect(heads["items"]).toContainEqual({
      writer: expect.any(String),
      seq: expect.any(Number),
      hash: expect.any(String),
    });
    const links = await read(await call("/audit/links?limit=2", { token: auditor.token }), 200);
    const [first, second] = links["items"] as { writer: string; seq: number; id: string }[];
    expect(first?.seq).toBe(1);
    const cursor = String(links["nextCursor"]);
    const next = await call(`/audit/links?limit=1&cursor=${cursor}`, { token: auditor.token });
    const [third] = (await read(next, 200))["items"] as { id: string }[];
    expect(new Set([first?.id, second?.id, third?.id]).size).toBe(3);
    const checkpoints = await read(await call("/audit/checkpoints", { token: auditor.token }), 200);
    expect(checkpoints["items"]).toContainEqual(
      expect.objectContaining({ number: expect.any(Number), jws: expect.any(String) }),
    );
  });
});
