/** Denials in the control plane: who is told, what is refused, and how long they matter. */
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { ok } from "#shared/base/result.ts";
import { isVoidedBy, subjectsOfGrant } from "#shared/control/denials.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { hashTicket } from "#shared/ticket/ticket.ts";
import { denials } from "../../../worker/repositories/schema/denials.ts";
import { relays } from "../../../worker/repositories/schema/relays.ts";
import { sessions, tickets } from "../../../worker/repositories/schema/sessions.ts";
import { deleteConsole } from "../../../worker/services/consoles.ts";
import type { Caller, ServiceContext } from "../../../worker/services/context.ts";
import { tendDenials } from "../../../worker/services/denials.ts";
import { expireAllSessions, OPENING_GRACE_MS } from "../../../worker/services/unopened-sessions.ts";
import { openShare } from "../../../worker/services/open-share.ts";
import { lookUpGrant } from "../../../worker/services/relay-lookups.ts";
import { endSessionsOfLostRelay, welcomeRelay } from "../../../worker/services/relay-presence.ts";
import { issueShare, revokeShare } from "../../../worker/services/shares.ts";
import { TICKET_TTL_MS } from "../../../worker/services/ticket-life.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { changeUser, deleteUser } from "../../../worker/services/users.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";
import { denySubject } from "../../harness/deny-subject.ts";
import { anonymous, holdConsole, issue, readGrant } from "./tickets-fixture.ts";

const HELLO = { build: "test", channelsMax: 10, draining: false, enforces: [] };

const rows = async ({ database }: ServiceContext) => await database.select().from(denials);

/** A console with a relay, and a session on it; what was pushed so far is not looked at. */
async function holdSession() {
  const held = await holdConsole(["relay"]);
  const issued = await issue(held.services, held.admin, held.consoleId);
  const before = held.services.pushes.length;
  return {
    ...held,
    context: held.services.context,
    relayId: held.relayIds[0] ?? "",
    sessionId: issued.sessionId,
    pushed: () => held.services.pushes.slice(before),
    deny: async (subject: "user" | "console" | "session" | "share", id: string) => {
      await denySubject(held.services.context, held.admin, { subject, id, reason: "test" });
    },
  };
}

describe("a denial", () => {
  it("is stored with its record, and told to the relays that hold something", async () => {
    await using held = await holdSession();
    const { context, admin } = held;
    await held.services.makeRelay("idle");
    await held.deny("user", admin.actorId);
    const atMs = context.nowMs() + 1_000;
    const [row] = await rows(context);
    expect(row).toMatchObject({
      subject: "user",
      subjectId: admin.actorId,
      atMs,
      announcedAtMs: context.nowMs(),
    });
    const denial = { subject: "user", id: admin.actorId, atMs, untilMs: row?.untilMs };
    expect(held.pushed()).toEqual([
      {
        relayId: held.relayId,
        command: { kind: "deny", revision: row?.revision, denials: [denial] },
      },
    ]);
    const records = await recordedEvents(context, { type: "denial.added" }, 2);
    expect(records.map(({ event }) => event.data)).toEqual([
      { subject: "user", id: admin.actorId, reason: "test" },
    ]);
    const welcome = await welcomeRelay(context, held.relayId, HELLO);
    expect(welcome).toMatchObject({
      value: { denials: { revision: row?.revision, denials: [denial] }, drain: null },
    });
  });

  it.each(["console", "session"] as const)("of a %s finds its relays", async (subject) => {
    await using held = await holdSession();
    const ids = { console: held.consoleId, session: held.sessionId };
    await held.deny(subject, ids[subject]);
    expect(held.pushed().map(({ relayId }) => relayId)).toEqual([held.relayId]);
  });

  it("withdraws what was not fetched, and says in the sessions whose wish their end is", async () => {
    await using held = await holdSession();
    const { context, admin } = held;
    await held.deny("console", held.consoleId);
    const [ticket] = await context.database.select().from(tickets);
    expect(ticket?.withdrawnAtMs).toBe(context.nowMs());
    const [session] = await context.database.select().from(sessions);
    expect(session).toMatchObject({
      endRequestedBy: admin.actorId,
      endRequestedAtMs: context.nowMs(),
    });
  });

  it("finds the relay of a session that nobody seems to have opened", async () => {
    await using held = await holdSession();
    held.services.moveClock(TICKET_TTL_MS + OPENING_GRACE_MS);
    await expireAllSessions(held.context);
    await held.deny("user", held.admin.actorId);
    expect(held.pushed()).toHaveLength(1);
  });

  it("finds the relay of a session that is only presumed to be over", async () => {
    await using held = await holdSession();
    const { context, relayId } = held;
    const { database } = context;
    await database.update(sessions).set({ state: "active" });
    await database.update(relays).set({ state: "offline" });
    await endSessionsOfLostRelay(context, relayId);
    await held.deny("user", held.admin.actorId);
    expect(held.pushed()).toHaveLength(1);
  });

  it("is told to a relay of the first contract as an end of each session", async () => {
    await using held = await holdSession();
    await welcomeRelay(held.context, held.relayId, HELLO);
    await held.deny("user", held.admin.actorId);
    expect(held.pushed().map(({ command }) => command)).toEqual([
      {
        kind: "terminate",
        sessionId: held.sessionId,
        reason: "its user was denied",
        cause: "terminated",
      },
    ]);
  });

  it("matters for minutes only when nothing lives, and is forgotten then", async () => {
    await using held = await holdSession();
    const { context, services } = held;
    await held.deny("user", "usr_without_sessions");
    const [row] = await rows(context);
    expect((row?.untilMs ?? 0) - context.nowMs()).toBe(5 * 60_000);
    expect(held.pushed()).toEqual([]);
    services.moveClock(5 * 60_000);
    await tendDenials(context);
    expect(await rows(context)).toEqual([]);
  });

  it("is told again by the clock to a relay that could not be told", async () => {
    await using held = await holdSession();
    const { services, relayId, context } = held;
    services.answerPushes(relayId, { code: "control.hub-silent", detail: "" });
    await held.deny("user", held.admin.actorId);
    expect((await rows(context))[0]?.announcedAtMs).toBe(null);
    services.answerPushes(relayId, null);
    await tendDenials(context);
    await tendDenials(context);
    expect(held.pushed()).toHaveLength(2);
    expect((await rows(context))[0]?.announcedAtMs).toBe(context.nowMs());
  });

  it("counts as told when the relay is away: its welcome tells it", async () => {
    await using held = await holdSession();
    held.services.answerPushes(held.relayId, { code: "control.offline", detail: "" });
    await held.deny("user", held.admin.actorId);
    expect((await rows(held.context))[0]?.announcedAtMs).not.toBe(null);
  });

  it("takes the place of an older one of its subject, with a higher revision", async () => {
    await using held = await holdSession();
    await held.deny("user", held.admin.actorId);
    const [first] = await rows(held.context);
    held.services.moveClock(10);
    await held.deny("user", held.admin.actorId);
    const [second, ...others] = await rows(held.context);
    expect(others).toEqual([]);
    expect(second?.revision).toBeGreaterThan(first?.revision ?? 0);
    expect(second?.atMs).toBe((first?.atMs ?? 0) + 10);
  });

  it("comes of deleting a console", async () => {
    await using held = await holdSession();
    await deleteConsole(held.context, held.admin, held.consoleId);
    expect(held.pushed()).toMatchObject([
      { command: { kind: "deny", denials: [{ subject: "console", id: held.consoleId }] } },
    ]);
  });

  it.each([
    {
      cause: "disabling a user",
      act: async (context: ServiceContext, caller: Caller, id: string) =>
        await changeUser(context, caller, { id, changes: { disabled: true } }),
    },
    { cause: "deleting a user", act: deleteUser },
  ])("comes of $cause, and not of enabling or renaming one", async ({ act }) => {
    await using held = await holdSession();
    const { context, admin } = held;
    const boss = await held.services.makeCaller("boss", "admin");
    const id = admin.actorId;
    await changeUser(context, boss, { id, changes: { displayName: "A", disabled: false } });
    expect(await rows(context)).toEqual([]);
    expect(await act(context, boss, id)).toMatchObject({ ok: true });
    expect(await rows(context)).toMatchObject([{ subject: "user", subjectId: id }]);
    expect(held.pushed()).toMatchObject([
      { command: { kind: "deny", denials: [{ subject: "user", id }] } },
    ]);
  });

  it("comes of revoking a link with its sessions, and makes its guests' grants void", async () => {
    await using held = await holdConsole(["relay"]);
    const { services, admin, consoleId } = held;
    const { context } = services;
    const wish = { consoleId, expiresInS: 60, usesMax: 2 };
    const issued = await issueShare(context, admin, wish);
    const { share, url } = issued.ok ? issued.value : { share: null, url: "" };
    const id = share?.id ?? "";
    await issue(services, admin, consoleId);
    await openShare(context, anonymous, { token: url.split("#")[1] ?? "", way: "tls" });
    const [own, guests] = [await readGrant(services, 0), await readGrant(services, 1)];
    await revokeShare(context, admin, { id, endSessions: true });
    const [row] = await rows(context);
    expect(row).toMatchObject({ subject: "share", subjectId: id });
    expect(services.pushes.at(-1)).toMatchObject({
      relayId: held.relayIds[0],
      command: { kind: "deny", denials: [{ subject: "share", id }] },
    });
    const denial = { subject: "share", id, atMs: row?.atMs ?? 0 } as const;
    expect(isVoidedBy(subjectsOfGrant(guests), denial)).toBe(true);
    expect(isVoidedBy(subjectsOfGrant(own), denial)).toBe(false);
    await context.database.update(tickets).set({ withdrawnAtMs: null });
    const ask = async ({ ticketHash }: Grant) =>
      (await lookUpGrant(context, held.relayIds[0] ?? "", ticketHash)).ok;
    expect([await ask(own), await ask(guests)]).toEqual([true, false]);
  });
});

describe("a ticket", () => {
  it("that is being made while its user is denied is taken back, on whichever side came first", async () => {
    await using held = await holdConsole(["one", "two"]);
    const { services, admin, consoleId } = held;
    const { context } = services;
    const about = { subject: "user", id: admin.actorId, reason: "race" } as const;
    let denied = false;
    const slow: ServiceContext = {
      ...context,
      hubs: {
        ...context.hubs,
        push: async (relayId, command) => {
          if (command.kind === "grant" && !denied) {
            denied = true;
            await denySubject(context, admin, about);
          }
          return await context.hubs.push(relayId, command);
        },
      },
    };
    const result = await issueTicket(slow, admin, consoleId);
    const kinds = services.pushes.map(({ command }) => command.kind);
    // Either the maker saw the denial, or the denial saw the ticket: it is told before the grant.
    expect(kinds.indexOf("deny")).toBe(0);
    if (!result.ok) {
      expect(result.error.code).toBe("auth.revoked");
    }
  });

  it("is refused, and nothing else tried, when the denial is there before it is stored", async () => {
    await using held = await holdConsole(["one", "two"]);
    const { services, admin, consoleId } = held;
    const { context } = services;
    await denySubject(context, admin, { subject: "user", id: admin.actorId, reason: "" });
    const refused = await issueTicket(context, admin, consoleId);
    expect(refused).toMatchObject({ ok: false, error: { code: "auth.revoked" } });
    const deferred = services.pushes.map(({ command }) => command.kind);
    expect(deferred.filter((kind) => kind === "grant")).toHaveLength(1);
    const [ticket] = await context.database.select().from(tickets);
    expect(ticket?.withdrawnAtMs).not.toBe(null);
    const [session] = await context.database.select().from(sessions);
    expect(session).toMatchObject({ state: "ended", endReason: "failed" });
    // A denial is no ban.
    services.moveClock(1_001);
    expect((await issueTicket(context, admin, consoleId)).ok).toBe(true);
  });

  it("goes to no further relay when the relay says that it was denied", async () => {
    await using held = await holdConsole(["one", "two"]);
    const { services, admin, consoleId, relayIds } = held;
    for (const id of relayIds) {
      services.answerPushes(id, { code: "control.denied", detail: "" });
    }
    const refused = await issueTicket(services.context, admin, consoleId);
    expect(refused).toMatchObject({ error: { code: "auth.revoked" } });
    expect(services.pushes.filter(({ command }) => command.kind === "grant")).toHaveLength(1);
  });

  it("that a relay asks about is unknown once it was denied", async () => {
    await using held = await holdSession();
    const { context, relayId } = held;
    const [ticket] = await context.database
      .select()
      .from(tickets)
      .where(eq(tickets.sessionId, held.sessionId));
    const ask = async () => await lookUpGrant(context, relayId, ticket?.ticketHash ?? "");
    expect(await ask()).toEqual(ok(ticket?.grantJws));
    await held.deny("console", held.consoleId);
    // By the denial alone, which may have come before the ticket was stored.
    await context.database.update(tickets).set({ withdrawnAtMs: null });
    expect(await ask()).toEqual({ ok: false, error: "unknown" });
    expect(await lookUpGrant(context, relayId, await hashTicket("none"))).toMatchObject({
      ok: false,
    });
  });
});
