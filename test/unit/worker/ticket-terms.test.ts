/** What policies say before there is a session: hours, how many, and what relays can enforce. */
import { describe, expect, it } from "vitest";
import type { PartialPolicy } from "#shared/policy/policy.ts";
import type { Database } from "../../../worker/repositories/database.ts";
import { changeConsole } from "../../../worker/services/consoles.ts";
import { terminateSession } from "../../../worker/services/terminate-sessions.ts";
import { TICKET_TTL_MS } from "../../../worker/services/ticket-life.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import type { ControlServices } from "../../harness/control-services.ts";
import { holdConsole, issue, offline, readGrant } from "./tickets-fixture.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";

// The services' clock begins on a Thursday, 2026-01-01T12:00:00.500Z: 13:00 in Zurich.
const NOON_MS = Date.UTC(2026, 0, 1, 12, 0, 0, 500);

const zurich = (from: string, to: string): PartialPolicy => ({
  allowedHours: { timeZone: "Europe/Zurich", windows: [{ days: ["thu"], from, to }] },
});

type Held = Awaited<ReturnType<typeof holdConsole>>;

async function setPolicy({ services, admin, consoleId }: Held, policy: PartialPolicy) {
  const change = { id: consoleId, changes: { policy } };
  expect(await changeConsole(services.context, admin, change)).toMatchObject({ ok: true });
}

async function ask({ services, admin, consoleId }: Held) {
  const issued = await issueTicket(services.context, admin, consoleId);
  return issued.ok ? { code: "issued", detail: issued.value.sessionId } : issued.error;
}

async function denials({ context }: ControlServices) {
  const page = { type: "ticket.denied" };
  return (await recordedEvents(context, page)).map(({ event }) => event.data);
}

describe("a ticket outside the allowed hours", () => {
  it("is refused, with when they begin, and audited", async () => {
    await using held = await holdConsole(["one"]);
    await setPolicy(held, zurich("13:30", "14:00"));
    const detail =
      "Sessions are allowed again from 2026-01-01T12:30:00.000Z (Thu 13:30 in Europe/Zurich).";
    expect(await ask(held)).toEqual({ code: "policy.outside-hours", detail });
    expect(await denials(held.services)).toEqual([{ code: "policy.outside-hours", detail }]);
    held.services.moveClock(30 * 60_000);
    expect(await ask(held)).toMatchObject({ code: "issued" });
  });
});

describe("a ticket in the last seconds of the allowed hours", () => {
  it("is refused as one outside them", async () => {
    await using held = await holdConsole(["one"]);
    await setPolicy(held, zurich("13:00", "13:30"));
    held.services.moveClock(30 * 60_000 - 5_000);
    const refused = await ask(held);
    expect(refused.code).toBe("policy.outside-hours");
    expect(refused.detail).toContain("from 2026-01-08T12:00:00.000Z (Thu 13:00");
  });
});

describe("a ticket within the allowed hours", () => {
  it("ends its session with them, at a relay that knows ends", async () => {
    await using held = await holdConsole([]);
    await held.services.makeRelay("new", { enforces: ["notAfter"] });
    await setPolicy(held, { ...zurich("12:00", "14:00"), durationS: 7_200 });
    await ask(held);
    expect(await readGrant(held.services, 0)).toMatchObject({
      notAfterMs: Date.UTC(2026, 0, 1, 13),
      policy: { durationS: 7_200 },
    });
  });

  it("ends its session before them, at a relay that knows lengths alone", async () => {
    await using held = await holdConsole(["old"]);
    await setPolicy(held, zurich("12:00", "14:00"));
    await ask(held);
    const { exp, notAfterMs, policy } = await readGrant(held.services, 0);
    expect(notAfterMs).toBeNull();
    const latestEndMs = (exp + 30 + (policy.durationS ?? Infinity)) * 1000;
    expect(latestEndMs).toBeLessThanOrEqual(Date.UTC(2026, 0, 1, 13));
    expect(latestEndMs).toBeGreaterThan(Date.UTC(2026, 0, 1, 13) - 1_000);
  });

  it("expires with them, and then goes to no relay that could not end it", async () => {
    await using held = await holdConsole(["old"]);
    await setPolicy(held, zurich("12:00", "13:01"));
    expect(await ask(held)).toMatchObject({ code: "policy.unenforceable" });
    await held.services.makeRelay("new", { enforces: ["notAfter"] });
    const { services, admin, consoleId } = held;
    const { expiresAtMs } = await issue(services, admin, consoleId);
    expect(expiresAtMs).toBe(Date.UTC(2026, 0, 1, 12, 1));
    expect(expiresAtMs).toBeLessThan(NOON_MS + TICKET_TTL_MS);
  });
});

describe("a user's last session", () => {
  it("of tickets that are asked for at once is given as often as there is room", async () => {
    await using held = await holdConsole(["one"]);
    await setPolicy(held, { sessionsMax: 2 });
    const answers = await Promise.all(Array.from({ length: 5 }, async () => await ask(held)));
    const codes = answers.map(({ code }) => code).sort();
    expect(codes).toEqual(["issued", "issued", "session.limit", "session.limit", "session.limit"]);
    const denied = await denials(held.services);
    expect(denied).toHaveLength(3);
    expect(denied[0]).toMatchObject({ code: "session.limit" });
  });

  it("names the limit and how to end one, and ending one makes room", async () => {
    await using held = await holdConsole(["one"]);
    await setPolicy(held, { sessionsMax: 1 });
    const { detail: sessionId } = await ask(held);
    const refused = await ask(held);
    expect(refused.code).toBe("session.limit");
    expect(refused.detail).toContain("You have a session already");
    expect(refused.detail).toContain(`kerbside terminate ${sessionId} (Büro / "1")`);
    await terminateSession(held.services.context, held.admin, sessionId);
    expect(await ask(held)).toMatchObject({ code: "issued" });
  });

  it("is each user's own", async () => {
    await using held = await holdConsole(["one"]);
    await setPolicy(held, { sessionsMax: 1 });
    await ask(held);
    const other = await held.services.makeCaller("other", "admin");
    const { context } = held.services;
    expect(await issueTicket(context, other, held.consoleId)).toMatchObject({ ok: true });
  });

  it("that no relay takes is none", async () => {
    await using held = await holdConsole(["one"]);
    await setPolicy(held, { sessionsMax: 1 });
    const [relayId = ""] = held.relayIds;
    held.services.answerPushes(relayId, offline);
    expect(await ask(held)).toMatchObject({ code: "console.no-relay" });
    held.services.answerPushes(relayId, null);
    expect(await ask(held)).toMatchObject({ code: "issued" });
  });

  it("may be taken by another ticket while the first is between two relays", async () => {
    await using held = await holdConsole(["one", "two"]);
    await setPolicy(held, { sessionsMax: 1 });
    const { services, admin, consoleId, relayIds } = held;
    for (const relayId of relayIds) {
      services.answerPushes(relayId, offline);
    }
    const others: ReturnType<typeof issueTicket>[] = [];
    // The first transaction stores the first ticket, the second one the ticket for the other relay.
    const database = beforeTransaction(services.context.database, 2, async () => {
      relayIds.forEach((relayId) => services.answerPushes(relayId, null));
      others.push(issueTicket(services.context, admin, consoleId));
      await Promise.all(others);
    });
    const first = await issueTicket({ ...services.context, database }, admin, consoleId);
    expect(await Promise.all(others)).toMatchObject([{ ok: true }]);
    expect(first).toMatchObject({ ok: false, error: { code: "session.limit" } });
  });
});

/** The database, with something that happens just before its nth transaction. */
function beforeTransaction(database: Database, nth: number, happen: () => Promise<void>) {
  let count = 0;
  const transaction: Database["transaction"] = async (...args) => {
    count += 1;
    if (count === nth) {
      await happen();
    }
    return await database.transaction(...args);
  };
  return new Proxy(database, {
    get: (target, property) =>
      property === "transaction" ? transaction : (Reflect.get(target, property) as unknown),
  });
}

describe("a ticket whose policy needs what relays may not be able to enforce", () => {
  it("goes to a relay that can", async () => {
    await using held = await holdConsole(["one", "two", "three"]);
    const able = await held.services.makeRelay("able", { enforces: ["clipboard", "controlLoss"] });
    await setPolicy(held, { clipboard: "deny", controlLoss: { strict: 60 } });
    expect(await ask(held)).toMatchObject({ code: "issued" });
    expect(held.services.pushes.map(({ relayId }) => relayId)).toEqual([able]);
    expect(await readGrant(held.services, 0)).toMatchObject({
      policy: { clipboard: "deny", controlLoss: { strict: 60 } },
    });
  });

  it("is refused where none can, and the rule is named and audited", async () => {
    await using held = await holdConsole(["one"]);
    await held.services.makeRelay("able", { enforces: ["controlLoss"] });
    await setPolicy(held, { fileTransfer: "deny", input: "deny", controlLoss: { strict: 60 } });
    const detail =
      "No relay that is online can enforce what its policies say: fileTransfer, input.";
    expect(await ask(held)).toEqual({ code: "policy.unenforceable", detail });
    expect(await denials(held.services)).toMatchObject([{ code: "policy.unenforceable", detail }]);
  });

  it("is given by any relay where the rule is about a channel type", async () => {
    await using held = await holdConsole(["old"]);
    await setPolicy(held, { usb: "deny", channels: ["main", "display", "usbredir"] });
    await ask(held);
    expect(await readGrant(held.services, 0)).toMatchObject({
      policy: { usb: "allow", channels: ["main", "display"] },
    });
  });
});
