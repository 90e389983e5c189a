import { describe, expect, it } from "vitest";
import { NO_PERMISSIONS } from "../../../worker/identity/permissions.ts";
import { logins } from "../../../worker/repositories/schema/people.ts";
import { changeOwnPassword } from "../../../worker/services/account.ts";
import type { Caller } from "../../../worker/services/context.ts";
import { authenticate, logIn, LOGIN_LIFE_MS, logOut } from "../../../worker/services/login.ts";
import { changeUser, createUser, setPassword } from "../../../worker/services/users.ts";
import { isolatePorts, WorkGate } from "../../../worker/work-gate.ts";
import {
  type ControlServices,
  startControlServices,
  TEST_PASSWORD,
} from "../../harness/control-services.ts";

const anonymous: Caller = {
  actorKind: "anonymous",
  actorId: null,
  permissions: NO_PERMISSIONS,
  address: null,
  requestId: "req_login",
};

async function logInAs({ context }: ControlServices, username: string) {
  const login = await logIn(context, anonymous, { username, password: TEST_PASSWORD });
  if (!login.ok) {
    throw new Error(login.error.code);
  }
  return login.value;
}

describe("logins by password that come at once", () => {
  const given = { username: "alice", password: TEST_PASSWORD };
  const gateOf = (waitingMax: number) =>
    new WorkGate({ placesMax: 1, waitingMax, lookEveryMs: 1 }, isolatePorts);

  it("are judged one after the other, and all are let in", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    const context = { ...services.context, passwordGate: gateOf(5) };
    const answers = await Promise.all(
      Array.from({ length: 4 }, async () => await logIn(context, anonymous, given)),
    );
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true, true]);
  });

  it("are told to come again when too many wait, whether or not the password is right", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    const passwordGate = gateOf(0);
    const context = { ...services.context, passwordGate };
    const leave = await passwordGate.enter(() => true);
    for (const password of [TEST_PASSWORD, "a wrong password"]) {
      const refused = await logIn(context, anonymous, { ...given, password });
      expect(refused).toMatchObject({ ok: false, error: { code: "auth.busy" } });
    }
    leave?.();
    expect(await logIn(context, anonymous, given)).toMatchObject({ ok: true });
    const wrong = await logIn(context, anonymous, { ...given, password: "a wrong password" });
    expect(wrong).toMatchObject({ error: { code: "auth.invalid-credentials" } });
    // The gate is free again after a wrong one as well.
    expect(await logIn(context, anonymous, given)).toMatchObject({ ok: true });
  });

  it("do not count against their account when they were not judged", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    const passwordGate = gateOf(0);
    const context = { ...services.context, passwordGate };
    const leave = await passwordGate.enter(() => true);
    for (let time = 0; time < 15; time += 1) {
      expect(await logIn(context, anonymous, given)).toMatchObject({
        error: { code: "auth.busy" },
      });
    }
    leave?.();
    expect(await logIn(context, anonymous, given)).toMatchObject({ ok: true });
  });

  it("are joined by changes of the own password, which cost the same", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    const passwordGate = gateOf(0);
    const context = { ...services.context, passwordGate };
    const change = { currentPassword: TEST_PASSWORD, newPassword: "another long password" };
    const leave = await passwordGate.enter(() => true);
    for (let time = 0; time < 7; time += 1) {
      expect(await changeOwnPassword(context, alice, change)).toMatchObject({
        error: { code: "auth.busy" },
      });
    }
    leave?.();
    expect(await changeOwnPassword(context, alice, change)).toMatchObject({ ok: true });
    expect(await logIn(context, anonymous, given)).toMatchObject({ ok: false });
  });

  it("wait for their turn so long and no longer", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    const passwordGate = new WorkGate(
      { placesMax: 1, waitingMax: 1, lookEveryMs: 1_000 },
      {
        nowMs: services.context.nowMs,
        wait: async (ms) => {
          services.moveClock(ms);
          await Promise.resolve();
        },
        chance: () => 0.5,
      },
    );
    await passwordGate.enter(() => true);
    const refused = await logIn({ ...services.context, passwordGate }, anonymous, given);
    expect(refused).toMatchObject({ ok: false, error: { code: "auth.busy" } });
  });
});

describe("a login", () => {
  it("is good until its twelve hours are over", async () => {
    await using services = await startControlServices();
    const { actorId } = await services.makeCaller("alice", "user");
    const { token, expiresAtMs } = await logInAs(services, "alice");
    expect(expiresAtMs).toBe(services.context.nowMs() + LOGIN_LIFE_MS);
    services.moveClock(LOGIN_LIFE_MS - 1);
    const owner = await authenticate(services.context, token);
    expect(owner).toMatchObject({ userId: actorId, role: "user" });
    services.moveClock(1);
    expect(await authenticate(services.context, token)).toBeNull();
  });

  it("removes the user's expired ones, and nobody else's", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    const bob = await services.makeCaller("bob", "user");
    await logInAs(services, "alice");
    await logInAs(services, "bob");
    services.moveClock(LOGIN_LIFE_MS);
    await logInAs(services, "alice");
    const rows = await services.context.database.select().from(logins);
    expect(rows.filter(({ userId }) => userId === bob.actorId)).toHaveLength(1);
    expect(rows).toHaveLength(2);
  });

  it("ends alone when it is logged out", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    const first = await logInAs(services, "alice");
    const second = await logInAs(services, "alice");
    const owner = await authenticate(services.context, first.token);
    await logOut(services.context, alice, owner?.credential.id ?? "");
    expect(await authenticate(services.context, first.token)).toBeNull();
    expect(await authenticate(services.context, second.token)).not.toBeNull();
  });

  it("leaves neither token nor password in the database", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    const { token } = await logInAs(services, "alice");
    await logIn(services.context, anonymous, { username: "alice", password: "a wrong one" });
    const everything = await services.dumpDatabase();
    expect(everything).toContain("user.login-refused");
    for (const secret of [token, token.slice(5), TEST_PASSWORD, "a wrong one"]) {
      expect(everything).not.toContain(secret);
    }
  });
});

describe("a login whose user changes while the password is judged", () => {
  /** Its turn comes when that has happened, as it may under way. */
  async function logInWhile(services: ControlServices, change: () => Promise<unknown>) {
    const limits = { placesMax: 1, waitingMax: 1, lookEveryMs: 1 };
    let leave: (() => void) | null = null;
    const wait = async () => {
      await change();
      leave?.();
    };
    const passwordGate = new WorkGate(limits, { ...isolatePorts, wait });
    leave = await passwordGate.enter(() => true);
    const given = { username: "alice", password: TEST_PASSWORD };
    return await logIn({ ...services.context, passwordGate }, anonymous, given);
  }

  it.each<[string, (services: ControlServices, id: string) => Promise<unknown>]>([
    [
      "gets another password",
      async ({ context }, id) =>
        await setPassword(context, anonymous, { id, password: "x".repeat(12) }),
    ],
    [
      "is disabled",
      async ({ context }, id) =>
        await changeUser(context, anonymous, { id, changes: { disabled: true } }),
    ],
  ])("is refused, and leaves no login to come back with: $0", async (_what, change) => {
    await using services = await startControlServices();
    const { actorId } = await services.makeCaller("alice", "user");
    const login = await logInWhile(services, async () => await change(services, actorId));
    expect(login).toMatchObject({ ok: false, error: { code: "auth.invalid-credentials" } });
    expect(await services.context.database.select().from(logins)).toEqual([]);
    const everything = await services.dumpDatabase();
    expect(everything).toContain("user.login-refused");
    expect(everything).not.toContain("user.logged-in");
  });
});

describe("a refused login", () => {
  it("costs the same work for a user that is not there", async () => {
    await using services = await startControlServices();
    const credentials = { username: "nobody", password: TEST_PASSWORD };
    const started = process.cpuUsage();
    const result = await logIn(services.context, anonymous, credentials);
    const { user, system } = process.cpuUsage(started);
    expect(result).toMatchObject({ ok: false, error: { code: "auth.invalid-credentials" } });
    // The hash alone takes about 100 ms; all the rest stays far below this.
    expect(user + system).toBeGreaterThan(40_000);
  });
});

describe("making a user", () => {
  it.each([
    ["username", { username: "" }],
    ["username", { username: "-alice" }],
    ["username", { username: "al ice" }],
    ["username", { username: "x".repeat(65) }],
    ["password", { password: "x".repeat(11) }],
    ["password", { password: "x".repeat(257) }],
  ])("is refused for its %s", async (field, values) => {
    await using services = await startControlServices();
    const user = { username: "alice", password: TEST_PASSWORD, role: "user" as const, ...values };
    const result = await createUser(services.context, user);
    expect(result).toMatchObject({
      ok: false,
      error: { code: "request.invalid", fields: [{ field }] },
    });
    expect(await services.dumpDatabase()).not.toContain("user.created");
  });

  it("is refused when the name is taken in another case, and nothing is recorded", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    const user = { username: "ALICE", password: TEST_PASSWORD, role: "admin" as const };
    const result = await createUser(services.context, user);
    expect(result).toMatchObject({ ok: false, error: { code: "resource.conflict" } });
    expect((await services.dumpDatabase()).match(/user\.created/g)).toHaveLength(1);
  });
});
