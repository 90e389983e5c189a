/** Orders and grants in the hub's outbox: what goes first, what is dropped, what an old relay gets. */
import { describe, expect, it } from "vitest";
import { toBase64Url, utf8 } from "#shared/base/bytes.ts";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { CONTROL_VERSIONS } from "#shared/control/contract.ts";
import type { Denial } from "#shared/control/denials.ts";
import { PUSH_ACK_DEADLINE_MS } from "#shared/control/limits.ts";
import { GRANTS_IN_FLIGHT_MAX, type HubEffect } from "../../../worker/hub/hub-state.ts";
import { describeCommand, type QueuedGrant } from "../../../worker/hub/outbox-entry.ts";
import { HELLO, HubDriver, WELCOME } from "./hub-driver.ts";

const NEWEST = { versions: CONTROL_VERSIONS };
const kinds = (effects: readonly HubEffect[]): string[] => effects.map(({ kind }) => kind);
const settled = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === "settle" ? [[effect.waiterId, effect.failure?.code ?? null]] : [],
  );
const sentIds = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "send-push" ? [effect.id] : []));

const denial: Denial = { subject: "user", id: "usr_1", atMs: 1_000_500, untilMs: 2_000_000 };

const grant = (facts: Partial<QueuedGrant> = {}): QueuedGrant => ({
  userId: "usr_1",
  consoleId: "con_1",
  sessionId: "ses_1",
  shareId: null,
  issuedAtMs: 1_000_000,
  expiresAtMs: 1_120_000,
  ...facts,
});

/** A hub whose relay has said hello and is not welcomed yet. */
function greeting(hello: object = NEWEST): HubDriver {
  const hub = new HubDriver();
  hub.feed({ kind: "connected", linkId: "link-1" });
  hub.say({ ...HELLO, ...hello });
  return hub;
}

const welcome = (hub: HubDriver) =>
  hub.feed({ kind: "greeted", linkId: "link-1", welcome: WELCOME });

describe("grants", () => {
  it("are sent a few at a time, so that an order can go before the rest", () => {
    const hub = new HubDriver();
    hub.link("link-1", NEWEST);
    for (let index = 0; index < GRANTS_IN_FLIGHT_MAX; index += 1) {
      expect(sentIds(hub.push(`g${index}`))).toHaveLength(1);
    }
    expect(sentIds(hub.push("waits"))).toEqual([]);
    const order = GRANTS_IN_FLIGHT_MAX + 2;
    expect(sentIds(hub.push("order", { kind: "terminate", sessionId: "ses_9" }))).toEqual([order]);
    // The acknowledged one makes room for the one that waits, whose number is the next.
    expect(hub.say({ type: "ack", seq: 1, refusal: null })).toContainEqual({
      kind: "send-push",
      linkId: "link-1",
      id: GRANTS_IN_FLIGHT_MAX + 1,
      seq: GRANTS_IN_FLIGHT_MAX + 2,
    });
  });

  it.each([
    ["a withdrawal of their session", { kind: "withdraw", sessionId: "ses_1" }],
    ["the end of their session", { kind: "terminate", sessionId: "ses_1" }],
    ["a denial of their user", { kind: "deny", denials: [denial] }],
    [
      "a denial of their console",
      { kind: "deny", denials: [{ ...denial, subject: "console", id: "con_1" }] },
    ],
  ] as const)("are dropped by %s", (_name, order) => {
    const hub = greeting();
    hub.push("voided", { grant: grant() });
    hub.push("good", { grant: grant({ sessionId: "ses_2", userId: "usr_2", consoleId: "con_2" }) });
    expect(settled(hub.push("order", order))).toEqual([["voided", "control.denied"]]);
    expect(sentIds(welcome(hub))).toEqual([3, 2]);
  });

  it("are not dropped by a denial of before, nor by one of a share that is not theirs", () => {
    const hub = greeting();
    hub.push("later", { grant: grant({ issuedAtMs: denial.atMs + 1 }) });
    hub.push("shared", { grant: grant({ userId: "usr_2", shareId: "shr_1" }) });
    hub.push("deny", { kind: "deny", denials: [denial] });
    hub.push("deny2", { kind: "deny", denials: [{ ...denial, subject: "share", id: "shr_2" }] });
    expect(hub.state.outbox.map(({ kind }) => kind)).toEqual(["grant", "grant", "deny", "deny"]);
  });

  it("that have expired are not sent, though their caller still waits", () => {
    const hub = greeting();
    hub.push("a", { grant: grant({ expiresAtMs: hub.nowMs + 500 }) });
    hub.nowMs += 500;
    const effects = welcome(hub);
    expect(sentIds(effects)).toEqual([]);
    expect(settled(effects)).toEqual([["a", "control.ack-timeout"]]);
  });

  it("that wait for room are refused when the relay begins to drain", () => {
    const hub = new HubDriver();
    hub.link("link-1", NEWEST);
    for (let index = 0; index <= GRANTS_IN_FLIGHT_MAX; index += 1) {
      hub.push(`g${index}`);
    }
    const last = `g${GRANTS_IN_FLIGHT_MAX}`;
    const effects = hub.say({ type: "serving", draining: true });
    expect(settled(effects)).toEqual([[last, "relay.draining"]]);
    expect(hub.state.outbox).toHaveLength(GRANTS_IN_FLIGHT_MAX);
  });
});

describe("denials and drains", () => {
  it("are not kept for a relay that is away: its welcome tells it", () => {
    const hub = new HubDriver();
    for (const order of [
      { kind: "deny" as const, denials: [denial] },
      { kind: "drain" as const, drains: true },
    ]) {
      expect(settled(hub.push("a", order))).toEqual([["a", "control.offline"]]);
    }
    expect(hub.state.outbox).toEqual([]);
    hub.link("link-1", NEWEST);
    hub.push("b", { kind: "drain", drains: true });
    const lost = hub.feed({ kind: "closed", linkId: "link-1", code: "lost" });
    expect(settled(lost)).toEqual([["b", "control.offline"]]);
    expect(hub.state.outbox).toEqual([]);
  });

  it("stay for a relay that is late, until it has them", () => {
    const hub = new HubDriver();
    hub.link("link-1", NEWEST);
    hub.push("a", { kind: "deny", denials: [denial] });
    const late = hub.tickAfter(PUSH_ACK_DEADLINE_MS, hub.nowMs + PUSH_ACK_DEADLINE_MS);
    expect(settled(late)).toEqual([["a", "control.ack-timeout"]]);
    expect(hub.state.outbox).toHaveLength(1);
  });

  it("are kept from a relay of the first contract, whose caller is told", () => {
    const hub = new HubDriver();
    hub.link("link-1");
    const code = "relay.version-unsupported";
    expect(settled(hub.push("a", { kind: "deny", denials: [denial] }))).toEqual([["a", code]]);
    const early = greeting({});
    early.push("b", { kind: "drain", drains: true });
    const effects = welcome(early);
    expect(settled(effects)).toEqual([["b", code]]);
    expect(sentIds(effects)).toEqual([]);
  });

  it("a drain keeps grants away from the moment that it is pushed, or the welcome says so", () => {
    const hub = new HubDriver();
    hub.link("link-1", NEWEST);
    hub.push("a", { kind: "drain", drains: true });
    expect(settled(hub.push("b"))).toEqual([["b", "relay.draining"]]);
    hub.push("c", { kind: "drain", drains: false });
    expect(settled(hub.push("d"))).toEqual([]);

    const told = greeting();
    told.push("early");
    const drain = { endsAtMs: null };
    const facts = { ...WELCOME, drain };
    const effects = told.feed({ kind: "greeted", linkId: "link-1", welcome: facts });
    expect(settled(effects)).toEqual([["early", "relay.draining"]]);
    expect(settled(told.push("late"))).toEqual([["late", "relay.draining"]]);
  });

  it("that were pushed as the database was read are newer than the welcome", () => {
    const hub = greeting();
    hub.push("a", { kind: "drain", drains: false });
    const facts = { ...WELCOME, drain: { endsAtMs: null } };
    const effects = hub.feed({ kind: "greeted", linkId: "link-1", welcome: facts });
    expect(sentIds(effects)).toEqual([1]);
    expect(settled(hub.push("b"))).toEqual([]);
  });
});

describe("a relay that is not to be linked", () => {
  const refusal = { close: CONTROL_CLOSE.disabled, detail: "an administrator said so" };

  it("is told why at its hello, and never shown online", () => {
    const hub = greeting();
    const effects = hub.feed({ kind: "greeted", linkId: "link-1", welcome: null, refusal });
    expect(kinds(effects)).toEqual(["send", "audit-refusal", "close"]);
    expect(effects[0]).toMatchObject({ message: { type: "refuse", code: "relay.disabled" } });
    expect(hub.state.presence).toEqual({ kind: "offline" });
  });

  it("is told why when that is decided later, and its callers are told", () => {
    const hub = new HubDriver();
    hub.link("link-1", NEWEST);
    hub.push("a");
    const effects = hub.feed({ kind: "expel", ...refusal });
    expect(kinds(effects)).toEqual([
      "send",
      "audit-refusal",
      "close",
      "delete-push",
      "settle",
      "mark-offline",
    ]);
    expect(hub.feed({ kind: "expel", ...refusal })).toEqual([]);
  });
});

describe("what the rules know of a command", () => {
  const jws = (claims: object): string =>
    `e30.${toBase64Url(utf8(JSON.stringify(claims)))}.signature`;

  it("is read from a grant's own claims", () => {
    const claims = { sub: "usr_1", iat: 7, exp: 9, sessionId: "ses_1", consoleId: "con_1" };
    expect(describeCommand({ kind: "grant", grant: jws(claims) }).grant).toEqual({
      userId: "usr_1",
      consoleId: "con_1",
      sessionId: "ses_1",
      shareId: null,
      issuedAtMs: 7_000,
      expiresAtMs: 9_000,
    });
    const newer = { ...claims, issuedAtMs: 7_250, shareId: "shr_1" };
    expect(describeCommand({ kind: "grant", grant: jws(newer) }).grant).toMatchObject({
      issuedAtMs: 7_250,
      shareId: "shr_1",
    });
  });

  it.each(["", "one", "a.b.c", jws({ sub: "usr_1" }), jws([])])(
    "is nothing for a grant that cannot be read: %s",
    (text) => {
      expect(describeCommand({ kind: "grant", grant: text }).grant).toBe(null);
    },
  );
});
