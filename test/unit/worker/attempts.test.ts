import { describe, expect, it } from "vitest";
import { NO_PERMISSIONS } from "../../../worker/identity/permissions.ts";
import { keystoneSchema } from "../../../worker/identity/provider-settings.ts";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import { changeOwnPassword } from "../../../worker/services/account.ts";
import { settleAttempt, takeAttempt } from "../../../worker/services/attempts.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import type { Caller } from "../../../worker/services/context.ts";
import { logInByPassword } from "../../../worker/services/external-login.ts";
import { logIn } from "../../../worker/services/login.ts";
import { enrolRelay } from "../../../worker/services/relays.ts";
import { setPassword } from "../../../worker/services/users.ts";
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
  requestId: "req_attempt",
};

const at = (address: string): Caller => ({ ...NOBODY, address });

async function guess({ context }: ControlServices, caller: Caller, password = "wrong") {
  const result = await logIn(context, caller, { username: "alice", password });
  return result.ok ? "in" : result.error.code;
}

async function limitedEvents({ context }: ControlServices) {
  const rows = await context.database.select().from(auditEvents);
  return rows
    .filter(({ type }) => type === "auth.rate-limited")
    .map(({ data, address }): unknown => ({ ...JSON.parse(data), address }));
}

describe("guessing a password", () => {
  it("ends after ten wrong ones at one account, from however many addresses", async () => {
    await using services = await startControlServices();
    const { actorId } = await services.makeCaller("alice", "user");
    for (let count = 0; count < 10; count += 1) {
      expect(await guess(services, at(`192.0.2.${count}`))).toBe("auth.invalid-credentials");
    }
    // Not even the right one is looked at, so nothing can be told from the answer.
    expect(await guess(services, at("192.0.2.100"), TEST_PASSWORD)).toBe("request.rate-limited");
    expect(await guess(services, at("192.0.2.101"))).toBe("request.rate-limited");
    expect(await limitedEvents(services)).toEqual([
      { kind: "login", by: "account", userId: actorId, address: "192.0.2.100" },
    ]);
    services.moveClock(60_000);
    expect(await guess(services, at("192.0.2.100"), TEST_PASSWORD)).toBe("in");
  });

  it("ends at one account however its name is written, which some providers read alike", async () => {
    await using services = await startControlServices();
    const userId = async () => await Promise.resolve(null);
    const names = ["alice", "ALICE", "alice ", " alice", "\u00e0lice", "a\u0300lice", "\uff41lice"];
    let allowed = 0;
    for (const name of [...names, ...names]) {
      const attempt = await takeAttempt(services.context, NOBODY, "login", { name, userId });
      allowed += attempt.ok ? 1 : 0;
    }
    expect(allowed).toBe(10);
  });

  it("is told when to try again", async () => {
    await using services = await startControlServices();
    for (let count = 0; count < 10; count += 1) {
      await guess(services, NOBODY);
    }
    services.moveClock(15_500);
    const credentials = { username: "ALICE", password: "wrong" };
    expect(await logIn(services.context, NOBODY, credentials)).toMatchObject({
      ok: false,
      error: { code: "request.rate-limited", retryAfterS: 45 },
    });
  });

  it("goes no further for a user that is not there, and looks the same", async () => {
    await using services = await startControlServices();
    const codes = [];
    for (let count = 0; count < 11; count += 1) {
      codes.push(await guess(services, at("192.0.2.1")));
    }
    expect(codes).toEqual([
      ...Array.from({ length: 10 }, () => "auth.invalid-credentials"),
      "request.rate-limited",
    ]);
    expect(await limitedEvents(services)).toEqual([
      { kind: "login", by: "account", address: "192.0.2.1" },
    ]);
  });

  it("does not keep the owner out, who comes from where they came before", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    expect(await guess(services, at("198.51.100.1"), TEST_PASSWORD)).toBe("in");
    for (let count = 0; count < 11; count += 1) {
      await guess(services, at(`192.0.2.${count}`));
    }
    expect(await guess(services, at("192.0.2.200"), TEST_PASSWORD)).toBe("request.rate-limited");
    expect(await guess(services, at("198.51.100.1"), TEST_PASSWORD)).toBe("in");
  });

  it("from one address ends at all accounts, without emptying theirs", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    const { context } = services;
    const caller = at("2001:db8:1:2::1");
    for (let count = 0; count < 20; count += 1) {
      const userId = async () => await Promise.resolve(null);
      await takeAttempt(context, caller, "login", { name: `user${count}`, userId });
    }
    // The same /64, and right.
    const neighbour = at("2001:db8:1:2:ffff::2");
    for (let count = 0; count < 15; count += 1) {
      expect(await guess(services, neighbour)).toBe("request.rate-limited");
    }
    expect(await guess(services, at("2001:db8:1:3::1"), TEST_PASSWORD)).toBe("in");
    expect(await limitedEvents(services)).toEqual([
      { kind: "login", by: "address", address: neighbour.address },
    ]);
  });

  it("is no reason to refuse those who make no mistakes", async () => {
    await using services = await startControlServices();
    await services.makeCaller("alice", "user");
    for (let count = 0; count < 12; count += 1) {
      expect(await guess(services, at("192.0.2.1"), TEST_PASSWORD)).toBe("in");
    }
  });
});

describe("guessing the own password with a login that was stolen", () => {
  it("ends after five wrong ones", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    const change = { currentPassword: "wrong", newPassword: "another long password" };
    const codes = [];
    for (let count = 0; count < 6; count += 1) {
      const result = await changeOwnPassword(services.context, alice, change);
      codes.push(result.ok ? "ok" : result.error.code);
    }
    expect(codes).toEqual([
      ...Array.from({ length: 5 }, () => "request.invalid"),
      "request.rate-limited",
    ]);
  });
});

describe("a password that no provider judged", () => {
  it("counts against nobody, and makes no stranger's address one that the owner uses", async () => {
    await using services = await startControlServices();
    const url = "http://127.0.0.1:9/v3";
    const keystone = keystoneSchema.parse({ url, roles: {} });
    const context = { ...services.context, settings: { ...services.context.settings, keystone } };
    const caller = at("192.0.2.1");
    const credentials = { username: "alice", password: "wrong", provider: "keystone" };
    for (let count = 0; count < 25; count += 1) {
      const login = await logInByPassword(context, caller, credentials);
      expect(login).toMatchObject({ error: { code: "auth.provider-unavailable" } });
    }
    const account = { name: "keystone:alice", userId: async () => await Promise.resolve(null) };
    for (let count = 0; count < 10; count += 1) {
      const attempt = await takeAttempt(context, at(`198.51.100.${count}`), "login", account);
      expect(attempt.ok).toBe(true);
    }
    expect(await takeAttempt(context, caller, "login", account)).toMatchObject({ ok: false });
  });
});

describe("the own password", () => {
  it("is not changed by who proved the old one, when there is a new one meanwhile", async () => {
    await using services = await startControlServices();
    const alice = await services.makeCaller("alice", "user");
    const reset = "what an admin has set";
    const { limits } = services.context;
    // The old password is found right at this moment.
    const settle: typeof limits.settle = async () => {
      const change = { id: alice.actorId, password: reset };
      expect(await setPassword(services.context, NOBODY, change)).toMatchObject({ ok: true });
    };
    const context = { ...services.context, limits: { ...limits, settle } };
    const change = { currentPassword: TEST_PASSWORD, newPassword: "what a thief has set" };
    expect(await changeOwnPassword(context, alice, change)).toMatchObject({
      ok: false,
      error: { code: "request.invalid", fields: [{ field: "currentPassword" }] },
    });
    expect(await guess(services, NOBODY, reset)).toBe("in");
  });
});

describe("guessing tokens", () => {
  it("of console files ends by address", async () => {
    await using services = await startControlServices();
    const codes = new Set<string>();
    for (let count = 0; count < 31; count += 1) {
      const result = await fetchConsoleFile(services.context, at("192.0.2.1"), "kvv1_guess");
      codes.add(result.ok ? "ok" : result.error.code);
    }
    expect([...codes]).toEqual(["vv.gone", "request.rate-limited"]);
    const elsewhere = await fetchConsoleFile(services.context, at("192.0.2.2"), "kvv1_guess");
    expect(elsewhere).toMatchObject({ error: { code: "vv.gone" } });
  });

  it("of enrolment ends by address", async () => {
    await using services = await startControlServices();
    const codes = new Set<string>();
    for (let count = 0; count < 11; count += 1) {
      const result = await enrolRelay(services.context, at("192.0.2.1"), {
        joinToken: `kjt1_${"A".repeat(43)}`,
        name: "relay",
        host: "relay.test",
        tlsPort: 5900,
        publicKey: "x",
        csr: "x",
      });
      codes.add(result.ok ? "ok" : result.error.code);
    }
    expect([...codes]).toEqual(["join-token.invalid", "request.rate-limited"]);
  });

  it("is not counted by address where nobody vouches for one", async () => {
    await using services = await startControlServices();
    for (let count = 0; count < 40; count += 1) {
      const attempt = await takeAttempt(services.context, NOBODY, "share-link");
      expect(attempt.ok).toBe(true);
    }
  });

  it("is free where they were right", async () => {
    await using services = await startControlServices();
    for (let count = 0; count < 40; count += 1) {
      const attempt = await takeAttempt(services.context, at("192.0.2.1"), "login-callback");
      expect(attempt.ok).toBe(true);
      if (attempt.ok) {
        await settleAttempt(services.context, attempt.value);
      }
    }
  });
});
