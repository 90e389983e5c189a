/** Rules of access and links for guests, over HTTP. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  grant,
  makeSite,
  makeUser,
  ORIGIN,
  read,
  type TestUser,
  uniqueName,
} from "./api-client.ts";
import { FakeRelay } from "./fake-relay.ts";

let admin: TestUser;
let user: TestUser;

beforeAll(async () => {
  admin = await makeUser("admin");
  user = await makeUser("user");
});

async function addConsole(values: object = {}): Promise<string> {
  const json = { name: uniqueName("console"), host: "10.0.0.5", port: 5900, ...values };
  const { id } = await read(await call("/consoles", { token: admin.token, json }), 201);
  return String(id);
}

async function send(method: string, path: string, by: TestUser, json: object = {}) {
  return await call(path, { method, token: by.token, json });
}

async function addRule(json: object): Promise<Record<string, unknown>> {
  return await read(await send("POST", "/access-rules", admin, json), 201);
}

describe("rules of access", () => {
  it("are made, read, changed, listed and taken away", async () => {
    const tag = uniqueName("tag");
    const consoleId = await addConsole({ tags: [tag], project: "shop" });
    const subject = { kind: "user", id: user.id };
    const rule = await addRule({ subject, match: { tag, source: "static" }, level: "view" });
    const nothing = { consoleId: null, consoleName: null, project: null, name: null };
    expect(rule).toEqual({
      id: expect.stringMatching(/^acr_[\w-]{22}$/),
      subject: { ...subject, name: user.username },
      match: { ...nothing, tag, source: "static" },
      level: "view",
      createdAt: expect.stringMatching(/Z$/),
    });
    const path = `/access-rules/${String(rule["id"])}`;
    const one = await read(await call(`/consoles/${consoleId}`, { token: user.token }), 200);
    expect(one).toMatchObject({ access: "view", project: "shop", tags: [tag] });
    const listed = await read(
      await call(`/access-rules?subjectId=${user.id}`, { token: admin.token }),
      200,
    );
    expect(listed["items"]).toContainEqual(rule);
    const ofConsole = await read(
      await call(`/consoles/${consoleId}/access?limit=200`, { token: admin.token }),
      200,
    );
    expect(ofConsole["items"]).toContainEqual(rule);
    const question = `/access/explain?userId=${user.id}&consoleId=${consoleId}`;
    expect(await read(await call(question, { token: admin.token }), 200)).toEqual({
      access: "view",
      byRole: null,
      disabled: false,
      rules: [rule],
    });
    const changes = { level: "open", match: { consoleId } };
    const changed = await read(await send("PATCH", path, admin, changes), 200);
    expect(changed).toMatchObject({
      id: rule["id"],
      level: "open",
      match: { consoleId, consoleName: one["name"], tag: null, source: null },
    });
    expect(await read(await call(path, { token: admin.token }), 200)).toEqual(changed);
    expect((await send("DELETE", path, admin)).status).toBe(204);
    await expectProblem(await call(path, { token: admin.token }), 404, "resource.not-found");
    const hidden = await call(`/consoles/${consoleId}`, { token: user.token });
    await expectProblem(hidden, 404, "resource.not-found");
  });

  it("are listed newest first, each once, page after page", async () => {
    const somebody = await makeUser("user");
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      ids.unshift(await grant(admin, somebody, { tag: uniqueName("tag") }));
    }
    const pages: string[][] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const after = cursor === "" ? "" : `&cursor=${cursor}`;
      const path = `/access-rules?subjectId=${somebody.id}&limit=2${after}`;
      const page = await read(await call(path, { token: admin.token }), 200);
      pages.push((page["items"] as { id: string }[]).map(({ id }) => id));
      cursor = page["nextCursor"] as string | null;
    }
    expect(pages.map((page) => page.length)).toEqual([2, 2, 1]);
    expect(pages.flat().sort()).toEqual(ids.sort());
  });

  const everyone = { kind: "everyone" };
  const wrong: [string, string, object][] = [
    ["a level that there is not", "level", { level: "rule" }],
    ["a subject that there is not", "subject.id", { subject: { kind: "user", id: "usr_none" } }],
    ["everyone by an id", "subject.id", { subject: { ...everyone, id: "x" } }],
    ["a console that there is not", "match.consoleId", { match: { consoleId: "con_none" } }],
    ["a source that there is not", "match.source", { match: { source: "elsewhere" } }],
    ["a console and a tag", "match", { match: { consoleId: "con_none", tag: "t" } }],
    ["a tag that is none", "match.tag", { match: { tag: "a b" } }],
    ["an empty pattern", "match.name", { match: { name: "" } }],
    ["a pattern of many stars", "match.name", { match: { name: "a*b*c*d*e*f" } }],
    ["an unknown part", "match.colour", { match: { colour: "red" } }],
  ];

  it.each(wrong)("are refused for %s", async (_what, field, values) => {
    const json = { subject: everyone, match: {}, level: "view", ...values };
    const problem = await expectProblem(
      await send("POST", "/access-rules", admin, json),
      422,
      "request.invalid",
    );
    expect(fieldsOf(problem)).toContain(field);
  });

  it("are refused where the subject has one about the same", async () => {
    const json = {
      subject: { kind: "user", id: user.id },
      match: { tag: uniqueName("tag") },
      level: "view",
    };
    await addRule(json);
    const twin = await send("POST", "/access-rules", admin, { ...json, level: "own" });
    await expectProblem(twin, 409, "resource.conflict");
  });

  it("are for admins to change, for operators and auditors to read, and for users not at all", async () => {
    const id = await grant(admin, user, { tag: uniqueName("tag") });
    const consoleId = await addConsole();
    const reading = [
      "/access-rules",
      `/access-rules/${id}`,
      `/consoles/${consoleId}/access`,
      `/access/explain?userId=${user.id}&consoleId=${consoleId}`,
    ];
    const rule = { subject: everyone, match: { tag: "t" }, level: "own" };
    const changing: [string, string, object][] = [
      ["POST", "/access-rules", rule],
      ["PATCH", `/access-rules/${id}`, { level: "own" }],
      ["DELETE", `/access-rules/${id}`, {}],
    ];
    for (const role of ["operator", "auditor", "user"] as const) {
      const caller = await makeUser(role);
      for (const path of reading) {
        const answer = await call(path, { token: caller.token });
        expect([role, path, answer.status]).toEqual([role, path, role === "user" ? 403 : 200]);
      }
      for (const [method, path, json] of changing) {
        await expectProblem(await send(method, path, caller, json), 403, "auth.forbidden");
      }
    }
    await expectProblem(await call("/access-rules"), 401, "auth.required");
  });
});

describe("consoles as a user sees them", () => {
  it("are those of their rules, by name, with every filter", async () => {
    const somebody = await makeUser("user");
    const tag = uniqueName("tag");
    const prefix = uniqueName("web");
    const ids = await Promise.all(
      ["a", "b", "c"].map(
        async (name) =>
          await addConsole({ name: `${prefix}-${name}`, tags: [tag, name], project: `p-${name}` }),
      ),
    );
    await addConsole({ name: `${prefix}-hidden`, tags: ["a"], project: "p-a" });
    await grant(admin, somebody, { tag }, "open");
    const listed = async (query: string) => {
      const page = await read(await call(`/consoles?${query}`, { token: somebody.token }), 200);
      return (page["items"] as { id: string }[]).map(({ id }) => id);
    };
    const [a, b] = ids;
    expect(await listed("")).toEqual(ids);
    expect(await listed(`namePrefix=${prefix}-`)).toEqual(ids);
    expect(await listed(`name=${prefix}-b`)).toEqual([b]);
    expect(await listed("tag=a")).toEqual([a]);
    expect(await listed("project=p-b&source=static")).toEqual([b]);
    expect(await listed("source=elsewhere")).toEqual([]);
  });

  it("can be opened or seen only as the rule says", async () => {
    const consoleId = await addConsole();
    const path = `/consoles/${consoleId}/tickets`;
    await expectProblem(await send("POST", path, user), 404, "resource.not-found");
    await grant(admin, user, { consoleId }, "view");
    const refused = await expectProblem(
      await send("POST", path, user),
      403,
      "console.access-too-low",
    );
    expect(refused["detail"]).toContain('"open"');
    const auditor = await makeUser("auditor");
    await expectProblem(await send("POST", path, auditor), 403, "auth.forbidden");
  });
});

describe("a link for a guest", () => {
  async function issue(by: TestUser, json: object) {
    const issued = await read(await send("POST", "/shares", by, json), 201);
    const url = String(issued["url"]);
    return { share: issued["share"] as { id: string }, url, token: url.split("#")[1] ?? "" };
  }

  it("opens the console without a login, as often as it may, and is revoked", async () => {
    const { id: siteId } = await makeSite(admin);
    const relay = await FakeRelay.join(admin, { siteId });
    const consoleId = await addConsole({ siteId });
    await grant(admin, user, { consoleId }, "own");
    const { share, url, token } = await issue(user, {
      consoleId,
      expiresInS: 3_600,
      uses: 2,
      label: "for Ann",
    });
    expect(url).toMatch(/^https:\/\/kerbside\.test\/s#ksl1_[\w-]{43}$/);
    expect(share).toMatchObject({ issuer: { id: user.id }, uses: 2, usesLeft: 2, state: "active" });
    const opened = await read(await call("/shares/open", { json: { token } }), 201);
    const file = await call(String(opened["vvUrl"]));
    expect(file.headers.get("Content-Type")).toBe("application/x-virt-viewer");
    await file.arrayBuffer();
    const session = await read(
      await call(`/sessions/${String(opened["sessionId"])}`, { token: user.token }),
      200,
    );
    expect(session).toMatchObject({
      user: { id: user.id },
      share: { id: share.id, label: "for Ann" },
    });
    const trail = await auditOf(admin, { consoleId, type: "share.opened" });
    expect(trail).toMatchObject([{ actor: { kind: "guest", id: share.id } }]);
    const read1 = await read(await call(`/shares/${share.id}`, { token: user.token }), 200);
    expect(read1).toMatchObject({ usesLeft: 1, label: "for Ann" });
    const listed = await read(
      await call(`/shares?consoleId=${consoleId}`, { token: user.token }),
      200,
    );
    expect(listed["items"]).toEqual([read1]);
    const revoked = await send("POST", `/shares/${share.id}/revoke`, user, { endSessions: true });
    expect(await read(revoked, 200)).toMatchObject({ sessionsEnding: 1 });
    await expectProblem(await call("/shares/open", { json: { token } }), 410, "share.gone");
    relay.close();
  });

  it("is revoked without a body too, and ends no session then", async () => {
    const consoleId = await addConsole();
    const { share } = await issue(admin, { consoleId, expiresInS: 60 });
    const options = { method: "POST", token: admin.token };
    const revoked = await call(`/shares/${share.id}/revoke`, options);
    expect(await read(revoked, 200)).toEqual({ sessionsEnding: 0, sessionsWaiting: 0 });
  });

  it.each([
    ["expiresInS", { expiresInS: 59 }],
    ["expiresInS", { expiresInS: 30 * 86_400 + 1 }],
    ["expiresInS", { expiresInS: undefined }],
    ["uses", { uses: 0 }],
    ["uses", { uses: 101 }],
    ["label", { label: "a\nb" }],
    ["policy.colour", { policy: { colour: "red" } }],
  ])("is refused for a wrong %s: %j", async (field, values) => {
    const json = { consoleId: "con_none", expiresInS: 60, ...values };
    const problem = await expectProblem(
      await send("POST", "/shares", admin, json),
      422,
      "request.invalid",
    );
    expect(fieldsOf(problem)).toContain(field);
  });

  it("is refused to who does not own the console, and who does not see it", async () => {
    const consoleId = await addConsole();
    const json = { consoleId, expiresInS: 60 };
    const somebody = await makeUser("user");
    await expectProblem(await send("POST", "/shares", somebody, json), 404, "resource.not-found");
    await grant(admin, somebody, { consoleId }, "open");
    await expectProblem(
      await send("POST", "/shares", somebody, json),
      403,
      "console.access-too-low",
    );
    const auditor = await makeUser("auditor");
    await expectProblem(await send("POST", "/shares", auditor, json), 403, "auth.forbidden");
  });

  it("is opened by a page of ours alone, which runs nothing that stands in itself", async () => {
    const page = await call(`${ORIGIN}/s`);
    expect(page.status).toBe(200);
    const policy = page.headers.get("Content-Security-Policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain("unsafe");
    expect(page.headers.get("Referrer-Policy")).toBe("no-referrer");
    const html = await page.text();
    const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source);
    expect(sources).toEqual(["/s/page.css", "/s/page.js"]);
    expect(html).not.toMatch(/<script>|<style|\son\w+=/);
    for (const [path, type] of [
      ["/s/page.js", "text/javascript"],
      ["/s/page.css", "text/css"],
    ] as const) {
      const part = await call(`${ORIGIN}${path}`);
      expect(part.headers.get("Content-Type")).toContain(type);
      await part.text();
    }
    const headers = { "Sec-Fetch-Site": "cross-site" };
    const foreign = await call("/shares/open", { json: { token: "x" }, headers });
    await expectProblem(foreign, 403, "request.cross-origin");
  });
});
