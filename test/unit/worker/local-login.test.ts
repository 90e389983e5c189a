import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { LocalLogin } from "../../../worker/identity/local-login.ts";
import { NO_PERMISSIONS } from "../../../worker/identity/permissions.ts";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import { users } from "../../../worker/repositories/schema/people.ts";
import type { Caller, ServiceContext } from "../../../worker/services/context.ts";
import { logIn } from "../../../worker/services/login.ts";
import { listLoginMethods } from "../../../worker/services/login-methods.ts";
import {
  type ControlServices,
  startControlServices,
  TEST_PASSWORD,
} from "../../harness/control-services.ts";

const NOBODY: Caller = {
  actorKind: "anonymous",
  actorId: null,
  permissions: NO_PERMISSIONS,
  address: null,
  requestId: "req_login",
};

function withMode({ context }: ControlServices, localLogin: LocalLogin): ServiceContext {
  return { ...context, settings: { ...context.settings, localLogin } };
}

async function outcome(context: ServiceContext, username: string, password = TEST_PASSWORD) {
  const result = await logIn(context, NOBODY, { username, password });
  return result.ok ? "in" : result.error;
}

const REFUSED = { code: "auth.invalid-credentials", detail: "" };

describe("logging in by a password", () => {
  it("is for everybody who has one", async () => {
    await using services = await startControlServices();
    const context = withMode(services, "on");
    const { actorId } = await services.makeCaller("alice", "user");
    await context.database.update(users).set({ origin: "corp" }).where(eq(users.id, actorId));
    expect(await outcome(context, "alice")).toBe("in");
    expect(await listLoginMethods(context)).toMatchObject([
      { kind: "password", isForEmergencies: false },
    ]);
  });

  it("is for local admins alone in an emergency, and says nothing of who they are", async () => {
    await using services = await startControlServices();
    const context = withMode(services, "break-glass");
    await services.makeCaller("admin", "admin");
    await services.makeCaller("operator", "operator");
    const { actorId } = await services.makeCaller("foreign", "admin");
    await context.database.update(users).set({ origin: "corp" }).where(eq(users.id, actorId));
    expect(await outcome(context, "admin")).toBe("in");
    for (const username of ["operator", "foreign", "nobody"]) {
      expect(await outcome(context, username)).toEqual(REFUSED);
    }
    expect(await outcome(context, "admin", "wrong")).toEqual(REFUSED);
    expect(await listLoginMethods(context)).toMatchObject([
      { kind: "password", isForEmergencies: true },
    ]);
  });

  it("can be switched off", async () => {
    await using services = await startControlServices();
    const context = withMode(services, "off");
    await services.makeCaller("admin", "admin");
    expect(await outcome(context, "admin")).toEqual({ code: "auth.method-off", detail: "" });
    expect(await listLoginMethods(context)).toEqual([]);
  });
});

describe("a refused login", () => {
  /** Each brings alice, or nobody, into a state in which the password does not help. */
  const CASES: Record<string, (services: ControlServices) => Promise<unknown>> = {
    "unknown-user": async () => await Promise.resolve(),
    "wrong-password": async (services) => {
      await services.makeCaller("alice", "user");
      // Another password than the one that is tried.
      await services.context.database.update(users).set({
        passwordHash: `scrypt$ln=14,r=8,p=5$${"B".repeat(21)}A$${"B".repeat(42)}A`,
      });
    },
    "no-password": async (services) => {
      await services.makeCaller("alice", "user");
      await services.context.database.update(users).set({ passwordHash: null });
    },
    disabled: async (services) => {
      await services.makeCaller("alice", "user");
      await services.context.database.update(users).set({ disabledAtMs: 1 });
    },
    "not-admitted": async (services) => {
      await services.makeCaller("alice", "user");
    },
  };

  it.each(Object.entries(CASES))(
    "costs the same work and says the same: %s",
    async (reason, prepare) => {
      await using services = await startControlServices();
      await prepare(services);
      const context = withMode(services, reason === "not-admitted" ? "break-glass" : "on");
      const started = process.cpuUsage();
      expect(await outcome(context, "alice")).toEqual(REFUSED);
      const { user, system } = process.cpuUsage(started);
      // The hash alone takes about 100 ms; all the rest stays far below this.
      expect(user + system).toBeGreaterThan(40_000);
      const rows = await context.database
        .select()
        .from(auditEvents)
        .where(eq(auditEvents.type, "user.login-refused"));
      expect(rows.map(({ data }): unknown => JSON.parse(data))).toEqual([
        {
          username: reason === "unknown-user" ? "(unknown)" : "alice",
          method: "password",
          reason,
        },
      ]);
    },
  );
});
