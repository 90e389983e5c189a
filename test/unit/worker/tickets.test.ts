import { decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { PLACEMENT_TRIED_MAX } from "#shared/audit/events.ts";
import { unseal } from "#shared/ticket/seal.ts";
import {
  authenticateTicket,
  deriveSealKey,
  deriveTicketKey,
  hashTicket,
} from "#shared/ticket/ticket.ts";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import { users } from "../../../worker/repositories/schema/people.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import { deleteConsole } from "../../../worker/services/consoles.ts";
import { pageSessions, readSession } from "../../../worker/services/sessions.ts";
import { terminateSession } from "../../../worker/services/terminate-sessions.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { TEST_PASSWORD } from "../../harness/control-services.ts";
import {
  SPICE_PASSWORD,
  anonymous,
  auditTypes,
  holdConsole,
  issue,
  offline,
  pushedGrants,
  readGrant,
  timeout,
  tokenOf,
} from "./tickets-fixture.ts";

describe("a ticket request", () => {
  it("pushes a signed grant whose ticket the console file holds", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId, relayIds } = held;
    const issued = await issue(services, admin, consoleId);
    const grant = await readGrant(services, 0);
    expect(grant).toMatchObject({
      iss: "https://kerbside.test",
      aud: relayIds[0],
      sub: admin.actorId,
      sessionId: issued.sessionId,
      consoleId,
      exp: issued.expiresAtMs / 1000,
      policy: { channels: null },
    });
    const file = await fetchConsoleFile(services.context, anonymous, tokenOf(issued));
    const fields = file.ok ? parseVvFile(file.value.text) : file;
    if (!fields.ok) {
      throw new Error("the console file cannot be read");
    }
    expect(await hashTicket(fields.value.password)).toBe(grant.ticketHash);
    const root = services.context.settings.ticketRoot;
    const key = await deriveTicketKey(root, relayIds[0] ?? "", 1);
    const ticket = await authenticateTicket(fields.value.password, [key]);
    expect(ticket).toMatchObject({ ok: true, value: { expiresAtS: grant.exp } });
    expect(fields.value).toMatchObject({
      host: "one.relay.test",
      tlsPort: 5900,
      hostSubject: "CN=one",
      ca: services.context.settings.caCertificate,
      title: 'Büro / "1" - Kerbside',
    });
  });

  it("names the grant's type, algorithm and key in its header", async () => {
    await using held = await holdConsole(["one"]);
    await issue(held.services, held.admin, held.consoleId);
    const command = held.services.pushes[0]?.command;
    expect(decodeProtectedHeader(command?.kind === "grant" ? command.grant : "")).toEqual({
      alg: "EdDSA",
      typ: "kerbside-grant+jwt",
      kid: held.services.context.settings.grantSigningKey?.kid,
    });
  });

  it("expires at a whole second, two minutes later at most", async () => {
    await using held = await holdConsole(["one"]);
    const issued = await issue(held.services, held.admin, held.consoleId);
    const lifeMs = issued.expiresAtMs - held.services.context.nowMs();
    expect(issued.expiresAtMs % 1000).toBe(0);
    expect(lifeMs).toBeLessThanOrEqual(120_000);
    expect(lifeMs).toBeGreaterThan(119_000);
  });

  it("seals the console's password for the chosen relay alone", async () => {
    await using held = await holdConsole(["one"]);
    await issue(held.services, held.admin, held.consoleId);
    const { target } = await readGrant(held.services, 0);
    const root = held.services.context.settings.ticketRoot;
    const keyOf = (relayId: string) => deriveSealKey(root, relayId, 1);
    const sealed = target.sealedPassword ?? "";
    expect(await unseal(await keyOf(held.relayIds[0] ?? ""), sealed)).toBe(SPICE_PASSWORD);
    expect(await unseal(await keyOf("rly_other"), sealed)).toBeNull();
    expect(target).toMatchObject({ host: "10.0.0.5", port: null, tlsPort: 5901, ca: null });
  });

  it("tries the next relay with a new ticket when the first does not acknowledge", async () => {
    await using held = await holdConsole(["one", "two"]);
    const { services, admin, consoleId } = held;
    for (const relayId of held.relayIds) {
      services.answerPushes(relayId, timeout);
    }
    const failed = await issueTicket(services.context, admin, consoleId);
    expect(failed.ok).toBe(false);
    const [first, second] = pushedGrants(services).map(({ relayId }) => relayId);
    services.answerPushes(second ?? "", null);
    const issued = await issue(services, admin, consoleId);
    const [refused, taken] = [await readGrant(services, 2), await readGrant(services, 3)];
    expect([refused.aud, taken.aud]).toEqual([first, second]);
    expect(taken.sessionId).toBe(refused.sessionId);
    expect(taken.ticketHash).not.toBe(refused.ticketHash);
    expect(await auditTypes(services, issued.sessionId)).toEqual([
      "ticket.issued",
      "ticket.issued",
      "ticket.withdrawn",
    ]);
    const file = await fetchConsoleFile(services.context, anonymous, tokenOf(issued));
    const fields = file.ok ? parseVvFile(file.value.text) : file;
    expect(fields.ok && (await hashTicket(fields.value.password))).toBe(taken.ticketHash);
    const session = await readSession(services.context, admin, issued.sessionId);
    expect(session).toMatchObject({
      ok: true,
      value: { session: { relayId: second, state: "pending" } },
    });
  });

  it("tells a relay that was too slow to forget its grant, without waiting", async () => {
    await using held = await holdConsole(["one"]);
    const deferred: Promise<unknown>[] = [];
    const context = {
      ...held.services.context,
      defer: (work: Promise<unknown>) => void deferred.push(work),
    };
    held.services.answerPushes(held.relayIds[0] ?? "", timeout);
    await issueTicket(context, held.admin, held.consoleId);
    expect(deferred).toHaveLength(1);
    expect(held.services.pushes[1]?.command).toMatchObject({ kind: "withdraw" });
  });

  it("fails with a reason when no relay is online, and the session says so", async () => {
    await using held = await holdConsole([]);
    const { services, admin } = held;
    const result = await issueTicket(services.context, admin, held.consoleId);
    const detail = "No relay belongs to the site default.";
    const error = { code: "console.no-relay", detail };
    expect(result).toEqual({ ok: false, error });
    const { items } = await pageSessions(services.context, admin, { after: null, limit: 10 });
    expect(items).toMatchObject([
      { state: "ended", endReason: "failed", endDetail: detail, relayId: null },
    ]);
    expect(await auditTypes(services, items[0]?.id ?? "")).toEqual(["session.failed"]);
  });

  it("fails with each relay's reason when none acknowledges, after a bounded number", async () => {
    await using held = await holdConsole(["one", "two", "three", "four", "five"]);
    const { services, admin } = held;
    held.relayIds.forEach((relayId, index) =>
      services.answerPushes(relayId, index % 2 === 0 ? offline : timeout),
    );
    const result = await issueTicket(services.context, admin, held.consoleId);
    expect(pushedGrants(services)).toHaveLength(PLACEMENT_TRIED_MAX);
    expect(result).toMatchObject({ ok: false, error: { code: "console.no-relay" } });
    const detail = result.ok ? "" : result.error.detail;
    expect(detail.match(/control\.(offline|ack-timeout)/g)).toHaveLength(PLACEMENT_TRIED_MAX);
    const { items } = await pageSessions(services.context, admin, { after: null, limit: 10 });
    expect(items).toMatchObject([{ state: "ended", endReason: "failed", endDetail: detail }]);
    expect(await auditTypes(services, items[0]?.id ?? "")).toEqual([
      "session.failed",
      ...Array(PLACEMENT_TRIED_MAX).fill("ticket.issued"),
      ...Array(PLACEMENT_TRIED_MAX).fill("ticket.withdrawn"),
    ]);
  });

  it("is refused for a console that is deleted or never was", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin, consoleId } = held;
    await deleteConsole(services.context, admin, consoleId);
    for (const id of [consoleId, "con_none"]) {
      const result = await issueTicket(services.context, admin, id);
      expect(result).toMatchObject({ ok: false, error: { code: "resource.not-found" } });
    }
    expect(services.pushes).toEqual([]);
  });

  it("is refused when the console's password was sealed with another key", async () => {
    await using held = await holdConsole(["one"]);
    const secretsKeys = [{ id: "test", key: new Uint8Array(32) }] as const;
    const settings = { ...held.services.context.settings, secretsKeys };
    const context = { ...held.services.context, settings };
    const result = await issueTicket(context, held.admin, held.consoleId);
    expect(result).toMatchObject({ ok: false, error: { code: "target.unreadable" } });
    expect(held.services.pushes).toEqual([]);
  });

  it("leaves no secret in the database", async () => {
    await using held = await holdConsole(["one"]);
    const { services } = held;
    const issued = await issue(services, held.admin, held.consoleId);
    const file = await fetchConsoleFile(services.context, anonymous, tokenOf(issued));
    const ticket = /^password=(.+)$/m.exec(file.ok ? file.value.text : "")?.[1];
    const everything = await services.dumpDatabase();
    expect(everything).toContain(issued.sessionId);
    expect(ticket).toMatch(/^kst1_/);
    for (const secret of [ticket, tokenOf(issued), SPICE_PASSWORD, TEST_PASSWORD]) {
      expect(everything).not.toContain(secret);
      expect(everything).not.toContain(secret?.slice(5));
    }
  });
});

describe("a console file", () => {
  it("is given once, however many ask at the same time", async () => {
    await using held = await holdConsole(["one"]);
    const { services } = held;
    const issued = await issue(services, held.admin, held.consoleId);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        fetchConsoleFile(services.context, anonymous, tokenOf(issued)),
      ),
    );
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
    expect(answers.filter((answer) => !answer.ok)[0]).toMatchObject({ error: { code: "vv.gone" } });
    expect(await auditTypes(services, issued.sessionId)).toEqual([
      "ticket.downloaded",
      "ticket.issued",
    ]);
  });

  it("is gone from the second of its expiry on", async () => {
    await using held = await holdConsole(["one"]);
    const { services } = held;
    const issued = await issue(services, held.admin, held.consoleId);
    services.moveClock(issued.expiresAtMs - services.context.nowMs());
    const late = await fetchConsoleFile(services.context, anonymous, tokenOf(issued));
    expect(late).toMatchObject({ ok: false, error: { code: "vv.gone" } });
    services.moveClock(-1);
    const just = await fetchConsoleFile(services.context, anonymous, tokenOf(issued));
    expect(just.ok).toBe(true);
  });

  it("is gone when its session is told to end", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin } = held;
    const issued = await issue(services, admin, held.consoleId);
    expect(await terminateSession(services.context, admin, issued.sessionId)).toEqual({
      ok: true,
      value: "requested",
    });
    const result = await fetchConsoleFile(services.context, anonymous, tokenOf(issued));
    expect(result).toMatchObject({ ok: false, error: { code: "vv.gone" } });
  });

  it("is gone when its user is disabled, also where nothing ended the session", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin } = held;
    const issued = await issue(services, admin, held.consoleId);
    await services.context.database.update(users).set({ disabledAtMs: 1 });
    const result = await fetchConsoleFile(services.context, anonymous, tokenOf(issued));
    expect(result).toMatchObject({ ok: false, error: { code: "vv.gone" } });
  });

  it("has a name that is safe as a file's", async () => {
    await using held = await holdConsole(["one"]);
    const issued = await issue(held.services, held.admin, held.consoleId);
    const file = await fetchConsoleFile(held.services.context, anonymous, tokenOf(issued));
    expect(file).toMatchObject({ ok: true, value: { filename: "B-ro-1.vv" } });
  });
});

describe("ending a session", () => {
  it("tells the relay and records who asked", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin } = held;
    const issued = await issue(services, admin, held.consoleId);
    await terminateSession(services.context, admin, issued.sessionId);
    expect(services.pushes.at(-1)).toEqual({
      relayId: held.relayIds[0],
      command: {
        kind: "terminate",
        sessionId: issued.sessionId,
        reason: "ended by its user",
        cause: "terminated",
      },
    });
    expect(await auditTypes(services, issued.sessionId)).toContain("session.terminate-requested");
  });

  it("fails with the push's code when the relay is away", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin } = held;
    const issued = await issue(services, admin, held.consoleId);
    services.answerPushes(held.relayIds[0] ?? "", offline);
    const result = await terminateSession(services.context, admin, issued.sessionId);
    expect(result).toMatchObject({ ok: false, error: { code: "control.offline" } });
  });

  it("is refused to others than its user and admins, as if it were not there", async () => {
    await using held = await holdConsole(["one"]);
    const { services, admin } = held;
    const [owner, other] = [
      await services.makeCaller("owner", "user"),
      await services.makeCaller("other", "user"),
    ];
    await services.grant(owner, held.consoleId);
    await services.grant(other, held.consoleId);
    const issued = await issue(services, owner, held.consoleId);
    for (const attempt of [terminateSession, readSession]) {
      const result = await attempt(services.context, other, issued.sessionId);
      expect(result).toMatchObject({ ok: false, error: { code: "resource.not-found" } });
    }
    const listed = await pageSessions(services.context, other, { after: null, limit: 10 });
    expect(listed.items).toEqual([]);
    const ended = await terminateSession(services.context, admin, issued.sessionId);
    expect(ended.ok).toBe(true);
    expect(services.pushes.at(-1)?.command).toMatchObject({ reason: "ended by an administrator" });
  });

  it("is a success without a command when the session has ended already", async () => {
    await using held = await holdConsole([]);
    const { services, admin } = held;
    await issueTicket(services.context, admin, held.consoleId);
    const { items } = await pageSessions(services.context, admin, { after: null, limit: 1 });
    const result = await terminateSession(services.context, admin, items[0]?.id ?? "");
    expect(result).toEqual({ ok: true, value: "ended" });
    expect(services.pushes).toEqual([]);
  });

  it("hides the exact reason of an end from users", async () => {
    await using held = await holdConsole([]);
    const { services } = held;
    const owner = await services.makeCaller("owner", "user");
    await services.grant(owner, held.consoleId);
    await issueTicket(services.context, owner, held.consoleId);
    const { items } = await pageSessions(services.context, owner, { after: null, limit: 1 });
    expect(items).toMatchObject([{ endReason: "failed", endDetail: null }]);
  });
});
