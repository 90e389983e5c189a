import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { Role } from "../../../worker/identity/permissions.ts";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import { logins, users } from "../../../worker/repositories/schema/people.ts";
import { createApiToken } from "../../../worker/services/api-tokens.ts";
import type { ActingUser } from "../../../worker/services/context.ts";
import { createConsole } from "../../../worker/services/consoles.ts";
import { authenticate, logIn } from "../../../worker/services/login.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import {
  changeUser,
  createUser,
  deleteUser,
  enableUserNamed,
  pageUsers,
  readUser,
  setPassword,
  setPasswordNamed,
} from "../../../worker/services/users.ts";
import {
  type ControlServices,
  startControlServices,
  TEST_PASSWORD,
} from "../../harness/control-services.ts";

async function tokenOf({ context }: ControlServices, caller: ActingUser, username: string) {
  const login = await logIn(context, caller, { username, password: TEST_PASSWORD });
  return login.ok ? login.value.token : login.error.code;
}

async function lastEvent({ context }: ControlServices, type: string) {
  const rows = await context.database.select().from(auditEvents).where(eq(auditEvents.type, type));
  const row = rows.at(-1);
  return row === undefined ? null : { actorId: row.actorId, data: JSON.parse(row.data) as object };
}

describe("changing a user", () => {
  it("takes a role away at once", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const bob = await services.makeCaller("bob", "operator");
    const token = await tokenOf(services, bob, "bob");
    const change = { id: bob.actorId, changes: { role: "user" as const } };
    expect(await changeUser(context, admin, change)).toMatchObject({ value: { role: "user" } });
    const { permissions } = (await authenticate(context, token)) ?? {};
    expect(permissions?.has("relays.manage")).toBe(false);
    expect(await lastEvent(services, "user.changed")).toEqual({
      actorId: admin.actorId,
      data: {
        userId: bob.actorId,
        username: "bob",
        fields: "role",
        changes: [{ field: "role", before: '"operator"', after: '"user"' }],
        roleBefore: "operator",
        roleAfter: "user",
        loginsEnded: 0,
        tokensRevoked: 0,
      },
    });
  });

  it("to what they are already changes nothing, and the trail hears nothing", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const changes = { role: "admin", displayName: null, disabled: false } as const;
    const change = { id: admin.actorId, changes };
    expect(await changeUser(services.context, admin, change)).toMatchObject({ ok: true });
    expect(await lastEvent(services, "user.changed")).toBeNull();
  });

  it("is told with what each field held and holds", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const changes = { displayName: "Alice Cooper", email: "alice@example.com" };
    const changed = await changeUser(services.context, admin, { id: admin.actorId, changes });
    expect(changed).toMatchObject({ value: changes });
    const event = await lastEvent(services, "user.changed");
    expect(event?.data).toMatchObject({
      fields: "displayName,email",
      changes: [
        { field: "displayName", before: null, after: '"Alice Cooper"' },
        { field: "email", before: null, after: '"alice@example.com"' },
      ],
    });
  });

  it("is refused for one who is not there", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const change = { id: "usr_none", changes: { role: "user" as const } };
    expect(await changeUser(services.context, admin, change)).toMatchObject({
      error: { code: "resource.not-found" },
    });
  });
});

describe("a disabled user", () => {
  it("loses logins, API tokens and sessions at once, and cannot log in", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const bob = await services.makeCaller("bob", "user");
    const login = await tokenOf(services, bob, "bob");
    const issued = await createApiToken(context, bob, {
      name: "script",
      scopes: ["consoles.read"],
      lifeDays: 30,
    });
    const apiToken = issued.ok ? issued.value.token : "";
    const relayId = await services.makeRelay("relay");
    const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
    const created = await createConsole(context, admin, input);
    const consoleId = created.ok ? created.value.id : "";
    await services.grant(bob, consoleId);
    const ticket = await issueTicket(context, bob, consoleId);
    expect(ticket.ok).toBe(true);
    expect(await authenticate(context, apiToken)).not.toBeNull();

    const changes = { disabled: true };
    await changeUser(context, admin, { id: bob.actorId, changes });

    expect(await authenticate(context, login)).toBeNull();
    expect(await authenticate(context, apiToken)).toBeNull();
    expect(await tokenOf(services, bob, "bob")).toBe("auth.invalid-credentials");
    expect(services.pushes.at(-1)).toMatchObject({
      relayId,
      command: { kind: "deny", denials: [{ subject: "user", id: bob.actorId }] },
    });
    expect((await lastEvent(services, "user.changed"))?.data).toMatchObject({
      disabledBefore: false,
      disabledAfter: true,
      loginsEnded: 1,
      tokensRevoked: 1,
    });
    expect((await lastEvent(services, "user.login-refused"))?.data).toMatchObject({
      username: "bob",
      reason: "disabled",
    });
  });

  it("who is enabled again logs in anew, and what ended stays ended", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const bob = await services.makeCaller("bob", "user");
    const login = await tokenOf(services, bob, "bob");
    for (const disabled of [true, false]) {
      await changeUser(context, admin, { id: bob.actorId, changes: { disabled } });
    }
    expect(await authenticate(context, login)).toBeNull();
    expect(await tokenOf(services, bob, "bob")).toMatch(/^kbt1_/);
  });

  it("has no login even where a row of one was left", async () => {
    await using services = await startControlServices();
    const bob = await services.makeCaller("bob", "user");
    const login = await tokenOf(services, bob, "bob");
    await services.context.database.update(users).set({ disabledAtMs: 1 });
    expect(await authenticate(services.context, login)).toBeNull();
  });
});

describe("the last enabled admin", () => {
  const changes: Record<string, { role?: Role; disabled?: boolean }> = {
    demoted: { role: "operator" },
    disabled: { disabled: true },
    both: { role: "user", disabled: true },
  };

  it.each(Object.entries(changes))("cannot be %s", async (_what, change) => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const former = await services.makeCaller("former", "admin");
    await changeUser(context, admin, { id: former.actorId, changes: { disabled: true } });
    const before = await services.dumpDatabase();
    const refused = await changeUser(context, admin, { id: admin.actorId, changes: change });
    expect(refused).toMatchObject({ error: { code: "user.last-admin" } });
    expect(await services.dumpDatabase()).toBe(before);
  });

  it("cannot be deleted", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const refused = await deleteUser(services.context, admin, admin.actorId);
    expect(refused).toMatchObject({ error: { code: "user.last-admin" } });
  });

  it("is left when two admins demote each other at the same moment", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const one = await services.makeCaller("one", "admin");
    const other = await services.makeCaller("other", "admin");
    const changes_ = { role: "user" as const };
    const outcomes = await Promise.all([
      changeUser(context, one, { id: other.actorId, changes: changes_ }),
      changeUser(context, other, { id: one.actorId, changes: changes_ }),
    ]);
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
  });
});

describe("a deleted user", () => {
  it("leaves a row for what points to it, and nothing of the person", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const bob = await services.makeCaller("bob", "user");
    const personal = { displayName: "Bob Builder", email: "bob@example.com" };
    await changeUser(context, admin, { id: bob.actorId, changes: personal });
    const login = await tokenOf(services, bob, "bob");
    expect(await deleteUser(context, admin, bob.actorId)).toEqual({ ok: true, value: null });

    expect(await authenticate(context, login)).toBeNull();
    const rows = await context.database.select().from(users).where(eq(users.id, bob.actorId));
    expect(rows).toMatchObject([
      {
        username: `deleted:${bob.actorId}`,
        passwordHash: null,
        displayName: null,
        email: null,
        role: "user",
      },
    ]);
    expect(await readUser(context, bob.actorId)).toMatchObject({
      error: { code: "resource.not-found" },
    });
    const page = { prefix: null, role: null, after: null, limit: 10 };
    expect((await pageUsers(context, page)).items.map(({ username }) => username)).toEqual([
      "admin",
    ]);
    expect(await deleteUser(context, admin, bob.actorId)).toMatchObject({
      error: { code: "resource.not-found" },
    });
    expect(await lastEvent(services, "user.deleted")).toMatchObject({
      actorId: admin.actorId,
      data: { userId: bob.actorId, username: "bob", loginsEnded: 1 },
    });
  });

  it("frees the name for somebody new, who is somebody else", async () => {
    await using services = await startControlServices();
    const admin = await services.makeCaller("admin", "admin");
    const bob = await services.makeCaller("bob", "user");
    await deleteUser(services.context, admin, bob.actorId);
    const again = await services.makeCaller("Bob", "user");
    expect(again.actorId).not.toBe(bob.actorId);
    expect(await tokenOf(services, again, "bob")).toMatch(/^kbt1_/);
  });
});

describe("another password", () => {
  it("set by an admin ends all logins", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const bob = await services.makeCaller("bob", "user");
    const login = await tokenOf(services, bob, "bob");
    const change = { id: bob.actorId, password: "another long password" };
    expect(await setPassword(context, admin, change)).toEqual({ ok: true, value: null });
    expect(await authenticate(context, login)).toBeNull();
    expect(await tokenOf(services, bob, "bob")).toBe("auth.invalid-credentials");
    const credentials = { username: "bob", password: change.password };
    expect(await logIn(context, bob, credentials)).toMatchObject({ ok: true });
    expect(await services.dumpDatabase()).not.toContain(change.password);
  });

  it.each(["short", "x".repeat(257), "a-user-name-of-length"])(
    "is refused as %.20s",
    async (password) => {
      await using services = await startControlServices();
      const { context } = services;
      const username = "A-User-Name-Of-Length";
      const admin = await services.makeCaller(username, "admin");
      const refusal = { error: { code: "request.invalid", fields: [{ field: "password" }] } };
      expect(await setPassword(context, admin, { id: admin.actorId, password })).toMatchObject(
        refusal,
      );
      const twin = { username: password.slice(0, 64), password, role: "user" as const };
      expect(await createUser(context, twin)).toMatchObject(refusal);
    },
  );
});

describe("an operator with the database at hand", () => {
  it("lets a disabled admin in again, with another password", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    await context.database.update(users).set({ disabledAtMs: 1, passwordHash: null });
    expect(await enableUserNamed(context, "ADMIN")).toEqual({ id: admin.actorId });
    const change = { username: "admin", password: TEST_PASSWORD };
    expect(await setPasswordNamed(context, change)).toEqual({
      ok: true,
      value: { id: admin.actorId },
    });
    expect(await tokenOf(services, admin, "admin")).toMatch(/^kbt1_/);
    expect(await enableUserNamed(context, "nobody")).toBeNull();
    const nobody = await setPasswordNamed(context, { ...change, username: "nobody" });
    expect(nobody).toMatchObject({ error: { code: "resource.not-found" } });
  });
});

describe("the list of people", () => {
  it("is by name without regard to case, page after page, also by how names begin", async () => {
    await using services = await startControlServices();
    const { context } = services;
    for (const name of ["carol", "Alice", "bob", "ALBERT", "al_x", "alpha"]) {
      await services.makeCaller(name, name === "bob" ? "admin" : "user");
    }
    const read = async (filter: { prefix?: string; role?: Role }) => {
      const names: string[] = [];
      let after: string | null = null;
      do {
        const { prefix = null, role = null } = filter;
        const page = await pageUsers(context, { prefix, role, after, limit: 2 });
        expect(page.items.length).toBeLessThanOrEqual(2);
        names.push(...page.items.map(({ username }) => username));
        after = page.nextName;
      } while (after !== null);
      return names;
    };
    expect(await read({})).toEqual(["al_x", "ALBERT", "Alice", "alpha", "bob", "carol"]);
    expect(await read({ prefix: "AL" })).toEqual(["al_x", "ALBERT", "Alice", "alpha"]);
    // No character of a prefix stands for others.
    expect(await read({ prefix: "al_" })).toEqual(["al_x"]);
    expect(await read({ prefix: "a%" })).toEqual([]);
    expect(await read({ role: "admin" })).toEqual(["bob"]);
    expect(await read({ role: "user", prefix: "b" })).toEqual([]);
  });
});

describe("logins of one user", () => {
  it("are a hundred at most: the oldest end", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const bob = await services.makeCaller("bob", "user");
    const now = context.nowMs();
    for (let index = 0; index < 120; index += 1) {
      await context.database.insert(logins).values({
        id: `lgn_${index}`,
        userId: bob.actorId,
        tokenHash: `h${index}`,
        createdAtMs: now - 1_000 + index,
        expiresAtMs: now + 10_000,
      });
    }
    await tokenOf(services, bob, "bob");
    const rows = await context.database.select().from(logins);
    expect(rows).toHaveLength(100);
    expect(rows.some(({ id }) => id === "lgn_20")).toBe(false);
    expect(rows.some(({ id }) => id === "lgn_21")).toBe(true);
  });
});
