/** Sites, and which relay a console gets by them. */
import { beforeAll, afterAll, describe, expect, it } from "vitest";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  makeUser,
  read,
  type TestUser,
  uniqueName,
} from "./api-client.ts";
import { FakeRelay } from "./fake-relay.ts";

let admin: TestUser;
const joined: FakeRelay[] = [];

beforeAll(async () => {
  admin = await makeUser("admin");
});

afterAll(() => {
  for (const relay of joined) {
    relay.close();
  }
});

const send = async (method: string, path: string, json?: unknown): Promise<Response> =>
  await call(path, { method, token: admin.token, ...(json === undefined ? {} : { json }) });

async function makeSite(
  fallbackIds: readonly string[] = [],
): Promise<{ id: string; name: string }> {
  const name = uniqueName("site");
  const site = await read(await send("POST", "/sites", { name, fallbackIds }), 201);
  return { id: String(site["id"]), name };
}

async function joinSite(siteId: string): Promise<FakeRelay> {
  const relay = await FakeRelay.join(admin);
  joined.push(relay);
  await read(await send("PATCH", `/relays/${relay.id}`, { siteId }), 200);
  return relay;
}

async function makeConsole(siteId?: string): Promise<string> {
  const json = { name: uniqueName("con"), host: "10.0.0.5", port: 5900, siteId };
  return String((await read(await send("POST", "/consoles", json), 201))["id"]);
}

const ask = async (consoleId: string): Promise<Response> =>
  await send("POST", `/consoles/${consoleId}/tickets`);

describe("sites", () => {
  it("are made, read, listed, changed and deleted, each with its record", async () => {
    const other = await makeSite();
    const name = uniqueName("syd");
    const made = await read(
      await send("POST", "/sites", { name, description: "Sydney", fallbackIds: [other.id] }),
      201,
    );
    const id = String(made["id"]);
    expect(made).toEqual({
      id: expect.stringMatching(/^sit_[\w-]{22}$/),
      name,
      description: "Sydney",
      fallbacks: [other],
      createdAt: expect.any(String),
    });
    expect(await read(await send("GET", `/sites/${id}`), 200)).toEqual(made);
    const patch = { description: "Sydney 2", fallbackIds: ["sit_default", other.id] };
    const changed = await read(await send("PATCH", `/sites/${id}`, patch), 200);
    expect(changed).toMatchObject({
      name,
      description: "Sydney 2",
      fallbacks: [{ id: "sit_default", name: "default" }, other],
    });
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const query = cursor === null ? "" : `&cursor=${cursor}`;
      const page = await read(await send("GET", `/sites?limit=2${query}`), 200);
      seen.push(...(page["items"] as { id: string }[]).map((site) => site.id));
      cursor = page["nextCursor"] as string | null;
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(["sit_default", id, other.id]));
    expect((await send("DELETE", `/sites/${id}`)).status).toBe(204);
    await expectProblem(await send("GET", `/sites/${id}`), 404, "resource.not-found");
    for (const type of ["site.created", "site.changed", "site.deleted"]) {
      const records = await auditOf(admin, { type });
      expect(records.map(({ data }) => (data as { siteId: string }).siteId)).toContain(id);
    }
  });

  it("have names of their own, and fall back on other sites, each once", async () => {
    const site = await makeSite();
    const taken = await send("POST", "/sites", { name: site.name });
    await expectProblem(taken, 409, "resource.conflict");
    const bad = [[site.id], ["sit_default", "sit_default"], ["sit_none"]];
    for (const fallbackIds of bad) {
      const response = await send("PATCH", `/sites/${site.id}`, { fallbackIds });
      expect(fieldsOf(await expectProblem(response, 422, "request.invalid"))).toEqual([
        "fallbackIds",
      ]);
    }
    const unlawful = await send("POST", "/sites", { name: "Sydney, NSW" });
    await expectProblem(unlawful, 422, "request.invalid");
  });

  it("are not deleted while anything belongs to them, and the default site never is", async () => {
    const site = await makeSite();
    const user = await makeSite([site.id]);
    const consoleId = await makeConsole(site.id);
    const relay = await joinSite(site.id);
    const token = await read(await send("POST", "/relays/join-tokens", { siteId: site.id }), 201);
    const used = await expectProblem(await send("DELETE", `/sites/${site.id}`), 409, "site.in-use");
    expect(used["detail"]).toBe(
      "It has 1 relay, 1 console, 1 join token and 1 site that falls back on it.",
    );
    await send("PATCH", `/relays/${relay.id}`, { siteId: "sit_default" });
    await send("PATCH", `/consoles/${consoleId}`, { siteId: null });
    await send("DELETE", `/relays/join-tokens/${String(token["id"])}`);
    await send("PATCH", `/sites/${user.id}`, { fallbackIds: [] });
    expect((await send("DELETE", `/sites/${site.id}`)).status).toBe(204);
    await expectProblem(await send("DELETE", "/sites/sit_default"), 409, "site.in-use");
  });

  it("may be left with nothing but deleted relays and consoles", async () => {
    const site = await makeSite();
    const relay = await joinSite(site.id);
    const consoleId = await makeConsole(site.id);
    await send("POST", `/relays/${relay.id}/disable`);
    expect((await send("DELETE", `/relays/${relay.id}`)).status).toBe(204);
    expect((await send("DELETE", `/consoles/${consoleId}`)).status).toBe(204);
    expect((await send("DELETE", `/sites/${site.id}`)).status).toBe(204);
  });

  it("are those of their sources for consoles that name none", async () => {
    await makeConsole();
    await expectProblem(
      await send("PUT", "/sources/nothing/site", { siteId: "sit_default" }),
      404,
      "resource.not-found",
    );
    const unknown = await send("PUT", "/sources/static/site", { siteId: "sit_none" });
    await expectProblem(unknown, 422, "request.invalid");
    const same = await send("PUT", "/sources/static/site", { siteId: "sit_default" });
    expect(same.status).toBe(204);
    const wrong = await send("POST", "/consoles", {
      name: "x",
      host: "10.0.0.5",
      port: 1,
      siteId: "sit_none",
    });
    expect(fieldsOf(await expectProblem(wrong, 422, "request.invalid"))).toEqual(["siteId"]);
  });

  it("are what consoles are listed by, for those who may read relays", async () => {
    const site = await makeSite();
    const own = await makeConsole(site.id);
    const ofSource = await makeConsole();
    const listed = async (siteId: string): Promise<string[]> => {
      const ids: string[] = [];
      let cursor = "";
      do {
        const page = await read(
          await send("GET", `/consoles?siteId=${siteId}&limit=2${cursor}`),
          200,
        );
        ids.push(...(page["items"] as { id: string }[]).map(({ id }) => id));
        const next = page["nextCursor"] as string | null;
        cursor = next === null ? "" : `&cursor=${next}`;
      } while (cursor !== "");
      return ids;
    };
    expect(await listed(site.id)).toEqual([own]);
    expect(await listed("sit_none")).toEqual([]);
    const ofDefault = await listed("sit_default");
    expect(ofDefault).toContain(ofSource);
    expect(ofDefault).not.toContain(own);
    const { token } = await makeUser("user");
    const asked = await call(`/consoles?siteId=${site.id}`, { token });
    await expectProblem(asked, 403, "auth.forbidden");
  });
});

describe("a console's ticket", () => {
  it("is for a relay of its site, else of the site's fallbacks in order; it says why there is none", async () => {
    const far = await makeSite();
    const near = await makeSite();
    const home = await makeSite([near.id, far.id]);
    const consoleId = await makeConsole(home.id);
    const none = await expectProblem(await ask(consoleId), 503, "console.no-relay");
    expect(none["detail"]).toBe(
      `No relay belongs to the sites ${home.name}, ${near.name} and ${far.name}.`,
    );

    const ofFar = await joinSite(far.id);
    const ofNear = await joinSite(near.id);
    const { sessionId } = await read(await ask(consoleId), 201);
    expect([ofNear.pushes.length, ofFar.pushes.length]).toEqual([1, 0]);
    const [issued] = await auditOf(admin, { sessionId: String(sessionId), type: "ticket.issued" });
    expect(issued).toMatchObject({
      data: {
        placement: {
          site: home.name,
          relaySite: near.name,
          step: 1,
          relay: ofNear.name,
          load: null,
          candidates: { good: 2 },
          tried: [],
        },
      },
    });

    const ofHome = await joinSite(home.id);
    await read(await ask(consoleId), 201);
    expect(ofHome.pushes).toHaveLength(1);
    await send("POST", `/relays/${ofHome.id}/drain`);
    await send("POST", `/relays/${ofNear.id}/disable`);
    await read(await ask(consoleId), 201);
    expect([ofHome.pushes.length, ofNear.pushes.length, ofFar.pushes.length]).toEqual([1, 1, 1]);
    ofFar.say({ type: "serving", draining: true });
    await expect.poll(async () => (await ask(consoleId)).status, { timeout: 5_000 }).toBe(503);
    const problem = await expectProblem(await ask(consoleId), 503, "console.no-relay");
    expect(problem["detail"]).toBe(
      `No relay of the sites ${home.name}, ${near.name} and ${far.name} can take it: ` +
        `2 draining (${[ofHome.name, ofFar.name].sort().join(" and ")}); ` +
        `1 disabled (${ofNear.name}).`,
    );
  });
});
