import { describe, expect, it } from "vitest";
import { isCheckViolation } from "../../../worker/repositories/database-errors.ts";
import { takeShareUse } from "../../../worker/repositories/shares.ts";
import { revokeAccess } from "../../../worker/services/access-rules.ts";
import { expireCredentials } from "../../../worker/services/expire-credentials.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import { changeConsole, deleteConsole } from "../../../worker/services/consoles.ts";
import type { ActingUser } from "../../../worker/services/context.ts";
import { openShare } from "../../../worker/services/open-share.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import { pageSessions, readSession } from "../../../worker/services/sessions.ts";
import {
  issueShare,
  type NewShare,
  pageShares,
  readShare,
  revokeShare,
} from "../../../worker/services/shares.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { changeUser } from "../../../worker/services/users.ts";
import type { ControlServices } from "../../harness/control-services.ts";
import { anonymous, holdConsole, offline, readGrant, tokenOf } from "./tickets-fixture.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";

const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;

/** A console with an owner who is no admin. */
async function holdOwned(relayNames: readonly string[] = ["one"]) {
  const held = await holdConsole(relayNames);
  const owner = await held.services.makeCaller("owner", "user");
  const ruleId = await held.services.grant(owner, held.consoleId, "own");
  const [first = ""] = held.relayIds;
  return { ...held, owner, ruleId, relayId: first };
}

async function share(
  services: ControlServices,
  issuer: ActingUser,
  input: Partial<NewShare> & { readonly consoleId: string },
) {
  const wish = { expiresInS: HOUR_S, usesMax: 1, ...input };
  const issued = await issueShare(services.context, issuer, wish);
  if (!issued.ok) {
    throw new Error(issued.error.code);
  }
  const { share: view, url } = issued.value;
  return { id: view.id, view, url, token: url.split("#")[1] ?? "" };
}

async function open(services: ControlServices, token: string) {
  return await openShare(services.context, anonymous, { token, way: "tls" });
}

const gone = { ok: false, error: { code: "share.gone", detail: "" } };

describe("issuing a link", () => {
  it("shows its token once, behind the # of an address, and stores its hash", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId } = held;
    const { view, url, token } = await share(services, owner, {
      consoleId,
      usesMax: 3,
      label: "for Ann",
      policy: { idleS: 60 },
    });
    expect(url).toMatch(/^https:\/\/kerbside\.test\/s#ksl1_[\w-]{43}$/);
    expect(view).toMatchObject({
      consoleId,
      issuerName: "owner",
      label: "for Ann",
      policy: { idleS: 60 },
      usesMax: 3,
      usesLeft: 3,
      state: "active",
      expiresAtMs: services.context.nowMs() + HOUR_S * 1000,
    });
    expect(await services.dumpDatabase()).not.toContain(token.slice("ksl1_".length));
    const trail = { type: "share.created" };
    expect(await recordedEvents(services.context, trail)).toMatchObject([
      {
        actorId: owner.actorId,
        consoleId,
        event: { data: { shareId: view.id, userId: owner.actorId, policy: "idleS", usesMax: 3 } },
      },
    ]);
  });

  it("is for the owner and for who manages all links, not for who may only open it", async () => {
    await using held = await holdOwned();
    const { services, admin, consoleId } = held;
    const [opener, stranger] = [
      await services.makeCaller("opener", "user"),
      await services.makeCaller("stranger", "user"),
    ];
    await services.grant(opener, consoleId, "open");
    const input = { consoleId, expiresInS: HOUR_S, usesMax: 1 };
    const codeFor = async (caller: ActingUser) => {
      const issued = await issueShare(services.context, caller, input);
      return issued.ok ? "issued" : issued.error.code;
    };
    expect(await codeFor(admin)).toBe("issued");
    expect(await codeFor(opener)).toBe("console.access-too-low");
    expect(await codeFor(stranger)).toBe("resource.not-found");
    expect(await codeFor({ ...held.owner, permissions: new Set() })).toBe("auth.forbidden");
  });
});

describe("opening a link", () => {
  it("gives a guest the console, in a session of the issuer's that is marked with it", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId, relayId } = held;
    const { id, token } = await share(services, owner, { consoleId, label: "for Ann" });
    const opened = await open(services, token);
    const { sessionId, vvUrl } = opened.ok ? opened.value : { sessionId: "", vvUrl: "" };
    expect(await readGrant(services, 0)).toMatchObject({
      aud: relayId,
      sub: owner.actorId,
      sessionId,
      // So that a relay ends it when the link is revoked.
      shareId: id,
    });
    const session = await readSession(services.context, owner, sessionId);
    expect(session).toMatchObject({
      value: { session: { user: { username: "owner" }, shareId: id, shareLabel: "for Ann" } },
    });
    const file = await fetchConsoleFile(
      services.context,
      anonymous,
      tokenOf({ sessionId, vvUrl, expiresAtMs: 0 }),
    );
    expect(file.ok).toBe(true);
    const records = await recordedEvents(services.context, { sessionId }, 9);
    expect(
      records
        .map(({ event, actorKind, actorId }) => `${event.type} ${actorKind} ${actorId}`)
        .sort(),
    ).toEqual([
      `share.opened guest ${id}`,
      "ticket.downloaded anonymous null",
      `ticket.issued guest ${id}`,
    ]);
  });

  it("makes the console's policy stricter and never laxer", async () => {
    await using held = await holdOwned();
    const { services, admin, owner, consoleId } = held;
    const policy = {
      channels: ["main" as const, "display" as const, "inputs" as const],
      firewall: "enforce" as const,
      idleS: 600,
      durationS: 100,
      reconnectWindowS: 30,
    };
    await changeConsole(services.context, admin, { id: consoleId, changes: { policy } });
    const { token } = await share(services, owner, {
      consoleId,
      policy: {
        channels: ["main", "display", "usbredir"],
        firewall: "observe",
        secondViewer: "take-over",
        idleS: 60,
        durationS: 9_999,
        reconnectWindowS: 600,
      },
    });
    await open(services, token);
    expect((await readGrant(services, 0)).policy).toMatchObject({
      channels: ["main", "display"],
      firewall: "enforce",
      secondViewer: "refuse",
      idleS: 60,
      durationS: 100,
      reconnectWindowS: 30,
    });
  });

  it("works as often as it may: of two that race for the last use, one wins", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId } = held;
    const { id, token } = await share(services, owner, { consoleId, usesMax: 2 });
    await open(services, token);
    const both = await Promise.all([open(services, token), open(services, token)]);
    expect(both.filter(({ ok }) => ok)).toHaveLength(1);
    expect(both.find(({ ok }) => !ok)).toEqual(gone);
    expect(await open(services, token)).toEqual(gone);
    expect(await readShare(services.context, owner, id)).toMatchObject({
      value: { usesLeft: 0, state: "used-up" },
    });
    const page = { after: null, limit: 9 };
    expect((await pageSessions(services.context, owner, page)).items).toHaveLength(2);
  });

  it("takes no use while no relay takes the session", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId, relayId } = held;
    const { id, token } = await share(services, owner, { consoleId });
    services.answerPushes(relayId, offline);
    expect(await open(services, token)).toMatchObject({
      error: { code: "console.no-relay", detail: "" },
    });
    const usesLeft = async () => {
      const read = await readShare(services.context, owner, id);
      return read.ok ? read.value.usesLeft : -1;
    };
    expect(await usesLeft()).toBe(1);
    services.answerPushes(relayId, null);
    expect((await open(services, token)).ok).toBe(true);
    expect(await usesLeft()).toBe(0);
  });

  it("takes no use while somebody has the console open, and does not say who", async () => {
    await using held = await holdOwned();
    const { services, admin, owner, consoleId, relayId } = held;
    const issued = await issueTicket(services.context, owner, consoleId);
    const { sessionId = "" } = issued.ok ? issued.value : {};
    await storeRelayEvents(services.context, relayId, "stream", [
      { seq: 1, atMs: 1, event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" } },
    ]);
    const { id, token } = await share(services, admin, { consoleId });
    const refused = await open(services, token);
    expect(refused).toMatchObject({ error: { code: "console.in-use" } });
    expect(refused.ok ? "" : refused.error.detail).toMatch(/^Somebody else has it open since/);
    expect(await readShare(services.context, admin, id)).toMatchObject({ value: { usesLeft: 1 } });
  });

  it("tells others that a guest has the console open, and whose", async () => {
    await using held = await holdOwned();
    const { services, admin, owner, consoleId, relayId } = held;
    const opened = await open(services, (await share(services, owner, { consoleId })).token);
    const { sessionId = "" } = opened.ok ? opened.value : {};
    await storeRelayEvents(services.context, relayId, "stream", [
      { seq: 1, atMs: 1, event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" } },
    ]);
    const detailFor = async (caller: ActingUser) => {
      const refused = await issueTicket(services.context, caller, consoleId);
      return refused.ok ? "" : refused.error.detail;
    };
    expect(await detailFor(owner)).toMatch(/^A guest of yours has it open since/);
    expect(await detailFor(admin)).toMatch(/^A guest of owner has it open since/);
  });
});

describe("the policy of a link", () => {
  it("loosens nothing that is as by default", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId } = held;
    const { token } = await share(services, owner, {
      consoleId,
      policy: { firewall: "observe", secondViewer: "take-over", reconnectWindowS: 600, idleS: 60 },
    });
    await open(services, token);
    expect((await readGrant(services, 0)).policy).toMatchObject({
      firewall: "enforce",
      secondViewer: "refuse",
      reconnectWindowS: 0,
      idleS: 60,
    });
  });

  it("counts its issuer's sessions, and says so without naming them", async () => {
    await using held = await holdOwned();
    const { services, admin, owner, consoleId } = held;
    for (const [sessionsMax, said] of [
      [1, "There is a session already"],
      [2, "There are 2 sessions already"],
    ] as const) {
      const change = { id: consoleId, changes: { policy: { sessionsMax } } };
      await changeConsole(services.context, admin, change);
      const { token } = await share(services, owner, { consoleId, usesMax: 2 });
      expect(await open(services, token)).toMatchObject({ ok: true });
      const detail = `${said}, as many as policies allow.`;
      const refused = { ok: false, error: { code: "session.limit", detail } };
      expect(await open(services, token)).toEqual(refused);
    }
  });
});

describe("a link opens nothing", () => {
  type Held = Awaited<ReturnType<typeof holdOwned>>;
  interface Ending {
    readonly code: string;
    readonly end: (held: Held, shareId: string) => Promise<unknown>;
  }
  const ENDINGS: Record<string, Ending> = {
    "after its time": {
      code: "expired",
      end: async ({ services }) => services.moveClock(HOUR_S * 1000),
    },
    "once it is revoked": {
      code: "revoked",
      end: async ({ services, owner }, id) =>
        await revokeShare(services.context, owner, { id, endSessions: false }),
    },
    "once its console is deleted": {
      code: "console-deleted",
      end: async ({ services, admin, consoleId }) =>
        await deleteConsole(services.context, admin, consoleId),
    },
    "once its issuer owns the console no more": {
      code: "issuer-lost-right",
      end: async ({ services, admin, ruleId }) =>
        await revokeAccess(services.context, admin, ruleId),
    },
    "once its issuer's role may share no more": {
      code: "issuer-lost-right",
      end: async ({ services, admin, owner }) =>
        await changeUser(services.context, admin, {
          id: owner.actorId,
          changes: { role: "auditor" },
        }),
    },
    "once its issuer is disabled": {
      code: "issuer-gone",
      end: async ({ services, admin, owner }) =>
        await changeUser(services.context, admin, {
          id: owner.actorId,
          changes: { disabled: true },
        }),
    },
  };

  it.each(Object.entries(ENDINGS))("%s", async (_when, { code, end }) => {
    await using held = await holdOwned();
    const { services, owner, consoleId } = held;
    const { id, token } = await share(services, owner, { consoleId });
    await end(held, id);
    const pushes = services.pushes.length;
    expect(await open(services, token)).toEqual(gone);
    expect(services.pushes).toHaveLength(pushes);
    const trail = { type: "share.refused" };
    expect(await recordedEvents(services.context, trail)).toMatchObject([
      {
        actorKind: "guest",
        actorId: id,
        consoleId,
        event: { data: { shareId: id, userId: owner.actorId, code } },
      },
    ]);
  });

  it.each([
    [
      "revoked",
      (held: Held, id: string) =>
        revokeShare(held.services.context, held.owner, { id, endSessions: false }),
    ],
    ["expired", async (held: Held) => held.services.moveClock(HOUR_S * 1000)],
  ])("that was %s after it was judged, and before its use was taken", async (_how, end) => {
    await using held = await holdOwned();
    const { services, owner, consoleId } = held;
    const { database } = services.context;
    const { id } = await share(services, owner, { consoleId, usesMax: 2 });
    const take = async () => await takeShareUse(database, { id, nowMs: services.context.nowMs() });
    await take();
    await end(held, id);
    const error: unknown = await take().catch((thrown: unknown) => thrown);
    expect(isCheckViolation(error)).toBe(true);
  });

  it.each(["nonsense", `ksl1_${"A".repeat(43)}`, `kbt1_${"A".repeat(43)}`])(
    "that never was, and leaves no trace in the audit trail: %s",
    async (token) => {
      await using held = await holdOwned();
      expect(await open(held.services, token)).toEqual(gone);
      const trail = { type: "share.refused" };
      expect(await recordedEvents(held.services.context, trail)).toEqual([]);
    },
  );

  it("once it is used up, and soon to whoever tries on and on, who would fill the trail", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId } = held;
    const { token } = await share(services, owner, { consoleId });
    await open(services, token);
    expect(await open(services, token)).toEqual(gone);
    for (let again = 0; again < 40; again += 1) {
      await open(services, token);
    }
    expect(await open(services, token)).toMatchObject({ error: { code: "request.rate-limited" } });
    const trail = await recordedEvents(services.context, { type: "share.refused" });
    expect(trail.length).toBeLessThanOrEqual(30);
  });

  it("for an address that guesses: it has to wait, whatever it brings then", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId } = held;
    const { token } = await share(services, owner, { consoleId });
    const codes = new Set<string>();
    for (let guess = 0; guess < 40; guess += 1) {
      const refused = await open(services, `ksl1_${"A".repeat(43)}`);
      codes.add(refused.ok ? "" : refused.error.code);
    }
    expect([...codes]).toEqual(["share.gone", "request.rate-limited"]);
    expect(await open(services, token)).toMatchObject({
      error: { code: "request.rate-limited", retryAfterS: expect.any(Number) },
    });
    services.moveClock(60_000);
    expect((await open(services, token)).ok).toBe(true);
  });
});

describe("revoking a link", () => {
  it("leaves its sessions alone, or ends those that live", async () => {
    await using held = await holdOwned(["one", "two"]);
    const { services, owner, consoleId } = held;
    const kept = await share(services, owner, { consoleId });
    const ended = await share(services, owner, { consoleId, usesMax: 5 });
    await open(services, kept.token);
    const opened = await open(services, ended.token);
    const { sessionId = "", vvUrl = "" } = opened.ok ? opened.value : {};
    const revoke = async (id: string, endSessions: boolean) =>
      await revokeShare(services.context, owner, { id, endSessions });
    expect(await revoke(kept.id, false)).toEqual({
      ok: true,
      value: { sessionsEnding: 0, sessionsWaiting: 0 },
    });
    expect(await revoke(ended.id, true)).toEqual({
      ok: true,
      value: { sessionsEnding: 1, sessionsWaiting: 0 },
    });
    const terminations = services.pushes.filter(({ command }) => command.kind === "terminate");
    expect(terminations.map(({ command }) => command)).toMatchObject([
      { sessionId, reason: "its link was revoked", cause: "terminated" },
    ]);
    const file = await fetchConsoleFile(
      services.context,
      anonymous,
      tokenOf({ sessionId, vvUrl, expiresAtMs: 0 }),
    );
    expect(file).toMatchObject({ error: { code: "vv.gone" } });
    const trail = { type: "share.revoked" };
    const told = await recordedEvents(services.context, trail);
    expect(told.map(({ event }) => event.data)).toEqual(
      expect.arrayContaining([
        { shareId: kept.id, userId: owner.actorId },
        { shareId: ended.id, userId: owner.actorId },
      ]),
    );
  });

  it("says which sessions wait for their relay, and may be asked for again", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId, relayId } = held;
    const { id, token } = await share(services, owner, { consoleId });
    await open(services, token);
    services.answerPushes(relayId, offline);
    const revoke = async (endSessions: boolean) =>
      await revokeShare(services.context, owner, { id, endSessions });
    expect(await revoke(false)).toMatchObject({ value: { sessionsEnding: 0, sessionsWaiting: 0 } });
    expect(await revoke(true)).toMatchObject({ value: { sessionsEnding: 0, sessionsWaiting: 1 } });
    services.answerPushes(relayId, null);
    expect(await revoke(true)).toMatchObject({ value: { sessionsEnding: 1, sessionsWaiting: 0 } });
    const trail = { type: "share.revoked" };
    expect(await recordedEvents(services.context, trail)).toHaveLength(1);
  });

  it("is for its issuer and admins: for others it is not there", async () => {
    await using held = await holdOwned();
    const { services, admin, owner, consoleId } = held;
    const { context } = services;
    const other = await services.makeCaller("other", "user");
    await services.grant(other, consoleId, "own");
    const { id } = await share(services, owner, { consoleId });
    const page = { consoleId, after: null, limit: 9 };
    const notFound = { ok: false, error: { code: "resource.not-found" } };
    expect(await readShare(context, other, id)).toMatchObject(notFound);
    expect(await revokeShare(context, other, { id, endSessions: true })).toMatchObject(notFound);
    expect((await pageShares(context, other, page)).items).toEqual([]);
    for (const caller of [owner, admin]) {
      expect((await pageShares(context, caller, page)).items).toMatchObject([{ id }]);
      expect((await readShare(context, caller, id)).ok).toBe(true);
    }
    expect((await revokeShare(context, admin, { id, endSessions: false })).ok).toBe(true);
    expect(await revokeShare(context, admin, { id: "shr_none", endSessions: false })).toMatchObject(
      notFound,
    );
  });
});

describe("a link that is over", () => {
  it("is forgotten 30 days after its expiry, unless a session names it", async () => {
    await using held = await holdOwned();
    const { services, owner, consoleId, relayId } = held;
    const { context } = services;
    const unused = await share(services, owner, { consoleId, usesMax: 2 });
    const revoked = await share(services, owner, { consoleId });
    await revokeShare(context, owner, { id: revoked.id, endSessions: true });
    const used = await share(services, owner, { consoleId });
    const opened = await open(services, used.token);
    const failed = await share(services, owner, { consoleId });
    services.answerPushes(relayId, offline);
    await open(services, failed.token);
    expect(await services.query("SELECT count(*) AS n FROM sessions")).toEqual([{ n: 2 }]);
    const listed = async () => {
      await expireCredentials(context);
      const { items } = await pageShares(context, owner, { consoleId, after: null, limit: 9 });
      return items.map(({ id }) => id).toSorted();
    };
    services.moveClock((HOUR_S + 30 * DAY_S) * 1000 - 1);
    expect(await listed()).toEqual([unused.id, revoked.id, used.id, failed.id].toSorted());
    services.moveClock(1);
    expect(await listed()).toEqual([used.id, failed.id].toSorted());
    const sessionId = opened.ok ? opened.value.sessionId : "";
    expect(await readSession(context, owner, sessionId)).toMatchObject({
      value: { session: { shareId: used.id } },
    });
  });
});
