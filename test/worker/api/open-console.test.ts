// First, as in the Worker: schemas that are made before it has run cannot be described.
import "@hono/zod-openapi";
import { eq } from "drizzle-orm";
import { compactVerify, importJWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { grantSchema } from "#shared/ticket/grant.ts";
import { hashTicket } from "#shared/ticket/ticket.ts";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import { consoles, sources } from "../../../worker/repositories/schema/consoles.ts";
import { logins, users } from "../../../worker/repositories/schema/people.ts";
import { joinTokens, relays } from "../../../worker/repositories/schema/relays.ts";
import { sessions, tickets } from "../../../worker/repositories/schema/sessions.ts";
import {
  auditOf,
  call,
  expectProblem,
  grant,
  makeSite,
  makeUser,
  ORIGIN,
  PASSWORD,
  read,
  services,
  type TestUser,
  uniqueName,
} from "./api-client.ts";
import { FakeRelay } from "./fake-relay.ts";

const SPICE_PASSWORD = "hypervisor-secret";
/** On this file's consoles. */
const TAG = uniqueName("tag");
let admin: TestUser;
let user: TestUser;
let relay: FakeRelay;
let siteId: string;

beforeAll(async () => {
  admin = await makeUser("admin");
  user = await makeUser("user");
  await grant(admin, user, { tag: TAG });
  siteId = (await makeSite(admin)).id;
  relay = await FakeRelay.join(admin, { siteId });
});

afterAll(() => relay.close());

/** A console on this file's relay. */
async function makeConsole(): Promise<string> {
  const address = { host: "10.0.0.5", port: 5900, password: SPICE_PASSWORD };
  const json = { name: uniqueName("console"), ...address, tags: [TAG], siteId };
  const { id } = await read(await call("/consoles", { token: admin.token, json }), 201);
  return String(id);
}

/** The text of an answer whose type does not say that it is one. */
async function readBytes(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}

async function issue(consoleId: string) {
  const path = `/consoles/${consoleId}/tickets`;
  return await read(await call(path, { method: "POST", token: user.token }), 201);
}

describe("opening a console through the API", () => {
  it("goes from the ticket request to a console file that matches the relay's grant", async () => {
    const consoleId = await makeConsole();
    const { sessionId, vvUrl, expiresAt } = await issue(consoleId);
    expect(sessionId).toMatch(/^ses_/);
    expect(vvUrl).toMatch(/^https:\/\/kerbside\.test\/api\/v1\/vv\/kvv1_[\w-]{43}$/);
    expect(Date.parse(String(expiresAt))).toBeGreaterThan(Date.now());

    const response = await call(String(vvUrl));
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe("application/x-virt-viewer");
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(response.headers.get("Content-Disposition")).toMatch(
      /^attachment; filename="console-[\da-f]{8}\.vv"$/,
    );
    const file = parseVvFile(await readBytes(response));
    const command = relay.pushes.at(-1)?.command;
    const key = await importJWK({ ...relay.welcome.grantKeys[0] }, "EdDSA");
    const jws = command?.kind === "grant" ? command.grant : "";
    const { payload } = await compactVerify(jws, key);
    const claims = grantSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
    expect(claims).toMatchObject({
      iss: ORIGIN,
      aud: relay.id,
      sub: user.id,
      sessionId,
      consoleId,
      ticketHash: file.ok ? await hashTicket(file.value.password) : "unreadable",
    });
  });

  it("gives the console file to one of two who ask at once, and to none later", async () => {
    const { vvUrl, sessionId } = await issue(await makeConsole());
    const both = await Promise.all([call(String(vvUrl)), call(String(vvUrl))]);
    expect(both.map(({ status }) => String(status)).sort()).toEqual(["200", "410"]);
    await expectProblem(await call(String(vvUrl)), 410, "vv.gone");
    const trail = await auditOf(admin, { sessionId: String(sessionId) });
    expect(trail.map(({ type }) => type)).toEqual(["ticket.downloaded", "ticket.issued"]);
  });

  it("does not use the console file up for a preview by HEAD", async () => {
    const { vvUrl } = await issue(await makeConsole());
    const preview = await call(String(vvUrl), { method: "HEAD" });
    expect(preview.status).toBe(405);
    expect((await call(String(vvUrl))).status).toBe(200);
  });

  it.each(["nonsense", `kvv1_${"A".repeat(43)}`, `kbt1_${"A".repeat(43)}`])(
    "answers an unknown address alike: %s",
    async (token) => {
      await expectProblem(await call(`/vv/${token}`), 410, "vv.gone");
    },
  );

  it("is refused without a login, and for a console that is not there", async () => {
    const consoleId = await makeConsole();
    const strange = await call(`/consoles/${consoleId}/tickets`, { method: "POST" });
    await expectProblem(strange, 401, "auth.required");
    const options = { method: "POST", token: user.token };
    const missing = await call("/consoles/con_none/tickets", options);
    await expectProblem(missing, 404, "resource.not-found");
  });

  it("leaves the relay that does not acknowledge, and says why when there is no other", async () => {
    const consoleId = await makeConsole();
    relay.acknowledges = false;
    const options = { method: "POST", token: user.token };
    const response = await call(`/consoles/${consoleId}/tickets`, options);
    relay.acknowledges = true;
    const trail = await auditOf(admin, { consoleId, type: "ticket.withdrawn" });
    expect(trail.at(-1)).toMatchObject({
      relayId: relay.id,
      data: { code: "control.ack-timeout" },
    });
    // Another test file's relay may have taken it.
    if (response.status !== 201) {
      const problem = await expectProblem(response, 503, "console.no-relay");
      expect(problem["detail"]).toContain(`${relay.name}: control.ack-timeout`);
    }
  });
});

describe("sessions", () => {
  it("are shown to their user and to admins, and to nobody else", async () => {
    const consoleId = await makeConsole();
    const { sessionId } = await issue(consoleId);
    const path = `/sessions/${String(sessionId)}`;
    const session = await read(await call(path, { token: user.token }), 200);
    expect(session).toEqual({
      id: sessionId,
      state: "pending",
      createdAt: expect.stringMatching(/Z$/),
      console: { id: consoleId, name: expect.any(String) },
      user: { id: user.id, username: user.username },
      relay: { id: relay.id, name: relay.name },
      clientAddress: null,
      openedAt: null,
      endedAt: null,
      endReason: null,
      endDetail: null,
      refusedCode: null,
      share: null,
      clientBytes: 0,
      serverBytes: 0,
      endRequest: null,
      channels: [],
    });
    expect(await read(await call(path, { token: admin.token }), 200)).toEqual(session);
    const other = await makeUser("user");
    await expectProblem(await call(path, { token: other.token }), 404, "resource.not-found");
    const listed = await read(await call("/sessions", { token: other.token }), 200);
    expect(listed).toEqual({ items: [], nextCursor: null });
  });

  it("are listed newest first, each once, page after page", async () => {
    const owner = await makeUser("user");
    await grant(admin, owner, { tag: TAG });
    const consoleId = await makeConsole();
    const issued: unknown[] = [];
    for (let count = 0; count < 3; count += 1) {
      const options = { method: "POST", token: owner.token };
      const ticket = await read(await call(`/consoles/${consoleId}/tickets`, options), 201);
      issued.unshift(ticket["sessionId"]);
    }
    const first = await read(await call("/sessions?limit=2", { token: owner.token }), 200);
    const path = `/sessions?limit=2&cursor=${String(first["nextCursor"])}`;
    const second = await read(await call(path, { token: owner.token }), 200);
    const pages = [first, second].map((page) =>
      (page["items"] as { id: string }[]).map((s) => s.id),
    );
    expect(pages.map((page) => page.length)).toEqual([2, 1]);
    expect(pages.flat().sort()).toEqual(issued.map(String).sort());
    expect(second["nextCursor"]).toBeNull();
  });

  it("are ended through their relay, and their console file is gone", async () => {
    const { sessionId, vvUrl } = await issue(await makeConsole());
    const path = `/sessions/${String(sessionId)}/terminate`;
    const options = { method: "POST", token: user.token };
    const answer = await read(await call(path, options), 202);
    expect(answer).toEqual({ sessionId, state: "ending" });
    expect(relay.pushes.at(-1)?.command).toMatchObject({ kind: "terminate", sessionId });
    await expectProblem(await call(String(vvUrl)), 410, "vv.gone");
    const trail = await auditOf(admin, { sessionId: String(sessionId) });
    expect(trail.slice(0, 2)).toMatchObject([
      { type: "session.ended", actor: { kind: "system" }, data: { reason: "terminated" } },
      {
        type: "session.terminate-requested",
        actor: { kind: "user", id: user.id },
        relayId: relay.id,
      },
    ]);
  });

  it("cannot be ended by others, or when they never were", async () => {
    const { sessionId } = await issue(await makeConsole());
    const other = await makeUser("user");
    for (const id of [String(sessionId), "ses_none"]) {
      const options = { method: "POST", token: other.token };
      const response = await call(`/sessions/${id}/terminate`, options);
      await expectProblem(response, 404, "resource.not-found");
    }
  });

  it("say so when their relay is away", async () => {
    const away = await FakeRelay.join(admin);
    const { sessionId } = await issue(await makeConsole());
    await services()
      .database.update(sessions)
      .set({ relayId: away.id })
      .where(eq(sessions.id, String(sessionId)));
    away.close();
    const path = `/relays/${away.id}`;
    await expect
      .poll(async () => (await read(await call(path, { token: admin.token }), 200))["state"])
      .toBe("offline");
    const options = { method: "POST", token: user.token };
    const response = await call(`/sessions/${String(sessionId)}/terminate`, options);
    const problem = await expectProblem(response, 503, "control.offline");
    expect(problem["retryable"]).toBe(true);
  });
});

describe("the audit trail", () => {
  it("is for admins", async () => {
    await expectProblem(await call("/audit", { token: user.token }), 403, "auth.forbidden");
    await expectProblem(await call("/audit"), 401, "auth.required");
  });

  it("is filtered, and paged newest first without repeating", async () => {
    const consoleId = await makeConsole();
    await issue(consoleId);
    await issue(consoleId);
    const seen: Record<string, unknown>[] = [];
    let cursor: string | null | undefined;
    do {
      const after = cursor === undefined ? "" : `&cursor=${cursor}`;
      const path = `/audit?consoleId=${consoleId}&limit=2${after}`;
      const page = await read(await call(path, { token: admin.token }), 200);
      seen.push(...(page["items"] as Record<string, unknown>[]));
      cursor = page["nextCursor"] as string | null;
    } while (cursor !== null);
    expect(seen.map(({ type }) => type)).toEqual([
      "ticket.issued",
      "ticket.issued",
      "console.created",
    ]);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(3);
    const byRelay = await auditOf(admin, { relayId: relay.id, type: "ticket.issued" });
    expect(byRelay.length).toBeGreaterThanOrEqual(2);
    expect(byRelay.every(({ relayId }) => relayId === relay.id)).toBe(true);
  });

  it("is refused for a type that there is not", async () => {
    const response = await call("/audit?type=nonsense", { token: admin.token });
    await expectProblem(response, 422, "request.invalid");
  });
});

describe("the database", () => {
  it("holds no secret in clear after a console was opened", async () => {
    const { vvUrl, sessionId } = await issue(await makeConsole());
    const file = parseVvFile(await readBytes(await call(String(vvUrl))));
    const ticket = file.ok ? file.value.password : "";
    const { database } = services();
    const rows = await Promise.all(
      [users, logins, sources, consoles, joinTokens, relays, sessions, tickets, auditEvents].map(
        (table) => database.select().from(table),
      ),
    );
    const everything = JSON.stringify(rows);
    expect(everything).toContain(String(sessionId));
    expect(ticket).toMatch(/^kst1_/);
    const vvToken = String(vvUrl).split("/").at(-1) ?? "";
    for (const secret of [ticket, vvToken, user.token, SPICE_PASSWORD, PASSWORD]) {
      expect(everything).not.toContain(secret);
      expect(everything).not.toContain(secret.replace(/^k\w\w1_/, ""));
    }
  });
});
