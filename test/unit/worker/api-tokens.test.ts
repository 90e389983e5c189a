import { asc, eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import {
  type Permission,
  PERMISSIONS,
  permissionsOf,
  type Role,
} from "../../../worker/identity/permissions.ts";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import { apiTokens, logins, users } from "../../../worker/repositories/schema/people.ts";
import { createApiToken, endApiToken, pageApiTokens } from "../../../worker/services/api-tokens.ts";
import { auditRecord } from "../../../worker/services/audit-record.ts";
import type { ActingUser } from "../../../worker/services/context.ts";
import { expireCredentials } from "../../../worker/services/expire-credentials.ts";
import { authenticate, logIn } from "../../../worker/services/login.ts";
import { changeUser } from "../../../worker/services/users.ts";
import {
  type ControlServices,
  startControlServices,
  TEST_PASSWORD,
} from "../../harness/control-services.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

async function issue(
  { context }: ControlServices,
  caller: ActingUser,
  scopes: readonly Permission[],
  lifeDays = 30,
) {
  const issued = await createApiToken(context, caller, { name: "script", scopes, lifeDays });
  if (!issued.ok) {
    throw new Error(issued.error.code);
  }
  return issued.value;
}

async function setRole({ context }: ControlServices, caller: ActingUser, role: Role) {
  await context.database.update(users).set({ role }).where(eq(users.id, caller.actorId));
}

async function eventsOf({ context }: ControlServices, type: string) {
  const rows = await context.database
    .select()
    .from(auditEvents)
    .where(eq(auditEvents.type, type))
    .orderBy(asc(auditEvents.atMs));
  return rows.map(({ data, address, actorId }) => ({
    data: JSON.parse(data) as object,
    address,
    actorId,
  }));
}

describe("an API token", () => {
  it("is not made for a user who was disabled while it was asked for", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    await changeUser(services.context, alice, { id: alice.actorId, changes: { disabled: true } });
    const wanted = { name: "late", scopes: ["consoles.read"] as const, lifeDays: 365 };
    expect(await createApiToken(services.context, alice, wanted)).toMatchObject({
      ok: false,
      error: { code: "auth.required" },
    });
    expect(await services.context.database.select().from(apiTokens)).toEqual([]);
  });

  it("has a prefix of its own, and is stored as a hash", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    const { token } = await issue(services, alice, ["consoles.read"]);
    expect(token).toMatch(/^kat1_[A-Za-z0-9_-]{43}$/);
    expect(await services.dumpDatabase()).not.toContain(token.slice(5));
  });

  it("may do what it was made for, as far as its user's role holds it at that moment", async () => {
    await using services = await startControlServices();
    const bob = await services.makeCaller("bob", "operator");
    const { token } = await issue(services, bob, ["relays.read", "consoles.read"]);
    const held = async () => [
      ...((await authenticate(services.context, token))?.permissions ?? []),
    ];
    expect(await held()).toEqual(["consoles.read", "relays.read"]);
    await setRole(services, bob, "user");
    expect(await held()).toEqual(["consoles.read"]);
    await setRole(services, bob, "admin");
    expect(await held()).toEqual(["consoles.read", "relays.read"]);
  });

  it.each<[Role, Permission]>([
    ["user", "consoles.read-all"],
    ["user", "people.read"],
    ["auditor", "consoles.open"],
    ["operator", "people.manage"],
    ["admin", "account.manage"],
  ])("of a %s cannot be made with %s", async (role, scope) => {
    await using services = await startControlServices();
    const caller = await services.makeCaller("alice", role);
    const wanted = { name: "x", scopes: ["consoles.read", scope] as const, lifeDays: 1 };
    expect(await createApiToken(services.context, caller, wanted)).toMatchObject({
      ok: false,
      error: { code: "request.invalid", fields: [{ field: "scopes" }] },
    });
    expect(await eventsOf(services, "token.created")).toEqual([]);
  });

  it("never manages accounts, also where its row says so", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const { token } = await issue(services, admin, ["consoles.read"]);
    await services.context.database
      .update(apiTokens)
      .set({ scopes: JSON.stringify([...PERMISSIONS, "no.such-permission"]) });
    const { permissions } = (await authenticate(services.context, token)) ?? {};
    const expected = new Set(permissionsOf("admin"));
    expected.delete("account.manage");
    expect(permissions).toEqual(expected);
  });

  it("ends with its time, to the millisecond", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    const { token, expiresAtMs } = await issue(services, alice, ["consoles.read"], 1);
    expect(expiresAtMs).toBe(services.context.nowMs() + DAY_MS);
    services.moveClock(DAY_MS - 1);
    expect(await authenticate(services.context, token)).not.toBeNull();
    services.moveClock(1);
    expect(await authenticate(services.context, token)).toBeNull();
  });

  it("ends when it is revoked, once for the audit trail", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const alice = await services.makeCaller("alice", "user");
    const { token, id } = await issue(services, alice, ["consoles.read"]);
    const mine = { id, userId: alice.actorId };
    for (let count = 0; count < 2; count += 1) {
      expect(await endApiToken(context, alice, mine)).toMatchObject({ ok: true });
    }
    expect(await authenticate(context, token)).toBeNull();
    const data = { tokenId: id, userId: alice.actorId, name: "script" };
    expect(await eventsOf(services, "token.revoked")).toMatchObject([{ data }]);
  });

  it("of somebody else is not there", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const alice = await services.makeCaller("alice", "user");
    const bob = await services.makeCaller("bob", "user");
    const { token, id } = await issue(services, alice, ["consoles.read"]);
    expect(await endApiToken(context, bob, { id, userId: bob.actorId })).toMatchObject({
      error: { code: "resource.not-found" },
    });
    expect(await authenticate(context, token)).not.toBeNull();
  });

  it("is one of a hundred at most that are good", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const alice = await services.makeCaller("alice", "user");
    const { id } = await issue(services, alice, ["consoles.read"]);
    for (let index = 1; index < 100; index += 1) {
      await issue(services, alice, ["consoles.read"]);
    }
    const wanted = { name: "x", scopes: ["consoles.read"] as const, lifeDays: 1 };
    expect(await createApiToken(context, alice, wanted)).toMatchObject({
      error: { code: "resource.limit-reached" },
    });
    await endApiToken(context, alice, { id, userId: alice.actorId });
    expect(await createApiToken(context, alice, wanted)).toMatchObject({ ok: true });
  });
});

describe("the use of an API token", () => {
  it("is told once an hour of each address, and noted to the minute", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const alice = await services.makeCaller("alice", "user");
    const { token, id } = await issue(services, alice, ["consoles.read"]);
    const use = async (address: string) =>
      await authenticate(context, token, { address, requestId: "req_use" });
    for (const address of ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2"]) {
      services.moveClock(1_000);
      await use(address);
    }
    const told = await eventsOf(services, "token.used");
    expect(told).toEqual(
      ["192.0.2.1", "192.0.2.2"].map((address) => ({
        data: { tokenId: id, userId: alice.actorId },
        address,
        actorId: alice.actorId,
      })),
    );
    services.moveClock(60_000);
    await use("192.0.2.1");
    const { items } = await pageApiTokens(context, {
      userId: alice.actorId,
      after: null,
      limit: 10,
    });
    expect(items).toMatchObject([
      { id, lastUsedAtMs: context.nowMs(), lastUsedAddress: "192.0.2.1" },
    ]);
    expect(await eventsOf(services, "token.used")).toHaveLength(2);
    services.moveClock(60 * 60 * 1000);
    await use("192.0.2.1");
    expect(await eventsOf(services, "token.used")).toHaveLength(3);
  });

  it("is told once also when many begin at the same moment", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    const { token } = await issue(services, alice, ["consoles.read"]);
    const from = { address: "192.0.2.1", requestId: "req_use" };
    const uses = Array.from({ length: 8 }, () => authenticate(services.context, token, from));
    expect((await Promise.all(uses)).every((found) => found !== null)).toBe(true);
    expect(await eventsOf(services, "token.used")).toHaveLength(1);
  });

  it("is in every event of what was done with it", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    const event = { type: "console.deleted", data: { name: "a" } } as const;
    const byToken = { ...alice, credential: { kind: "token", id: "tok_x" } } as const;
    const byLogin = { ...alice, credential: { kind: "login", id: "lgn_x" } } as const;
    const { context } = services;
    expect(auditRecord(context, byToken, event).event.data).toEqual({
      name: "a",
      viaTokenId: "tok_x",
    });
    expect(auditRecord(context, byLogin, event).event.data).toEqual({ name: "a" });
  });
});

describe("credentials that are good for nothing any more", () => {
  it("are forgotten: logins at their end, tokens a month later", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const alice = await services.makeCaller("alice", "user");
    await issue(services, alice, ["consoles.read"], 1);
    await issue(services, alice, ["consoles.read"], 365);
    await logIn(context, alice, { username: "alice", password: TEST_PASSWORD });
    const counts = async () => [
      (await context.database.select().from(logins)).length,
      (await context.database.select().from(apiTokens)).length,
    ];
    await expireCredentials(context);
    expect(await counts()).toEqual([1, 2]);
    services.moveClock(DAY_MS);
    await expireCredentials(context);
    expect(await counts()).toEqual([0, 2]);
    services.moveClock(30 * DAY_MS);
    await expireCredentials(context);
    expect(await counts()).toEqual([0, 1]);
  });
});
