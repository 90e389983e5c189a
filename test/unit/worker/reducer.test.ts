import { describe, expect, it } from "vitest";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { CONTROL_VERSIONS } from "#shared/control/contract.ts";
import {
  HELLO_DEADLINE_MS,
  LEASE_MS,
  LOOKUPS_OPEN_MAX,
  OUTBOX_ROWS_MAX,
  PUSH_ACK_DEADLINE_MS,
  RELINK_MS_MAX,
} from "#shared/control/limits.ts";
import {
  EXPIRY_FIRST_LOOK_MS,
  EXPIRY_RETRY_MS,
  type HubEffect,
  initialHubState,
  OUTBOX_BYTES_MAX,
  PRESENCE_RETRY_MS,
  RELAY_LOST_GRACE_MS,
  RESTART_GRACE_MS,
} from "../../../worker/hub/hub-state.ts";
import { nextWakeMs } from "../../../worker/hub/reducer.ts";
import { HELLO, HubDriver, WELCOME } from "./hub-driver.ts";

const kinds = (effects: readonly HubEffect[]): string[] => effects.map(({ kind }) => kind);
const closes = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "close" ? [effect.close] : []));
const settled = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === "settle" ? [[effect.waiterId, effect.failure?.code ?? null]] : [],
  );
const sent = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "send" ? [effect.message] : []));
const pushed = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "send-push" ? [effect.seq] : []));
const sentPushes = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === "send-push" ? [{ id: effect.id, seq: effect.seq }] : [],
  );

describe("the hub's greeting", () => {
  it("asks the database before it welcomes, and welcomes with the facts", () => {
    const hub = new HubDriver();
    expect(hub.feed({ kind: "connected", linkId: "link-1" })).toEqual([]);
    expect(kinds(hub.say(HELLO))).toEqual(["greet"]);
    const effects = hub.feed({ kind: "greeted", linkId: "link-1", welcome: WELCOME });
    expect(sent(effects)).toEqual([
      {
        type: "welcome",
        version: 1,
        versions: CONTROL_VERSIONS,
        epoch: "epoch-1",
        nowMs: hub.nowMs,
        ...WELCOME,
      },
    ]);
    expect(hub.state.presence).toEqual({ kind: "online" });
  });

  it("refuses versions that do not meet, tells both ranges, and never shows the relay online", () => {
    const hub = new HubDriver();
    hub.feed({ kind: "connected", linkId: "link-1" });
    const effects = hub.say({ ...HELLO, versions: { min: 8, max: 9 } });
    expect(kinds(effects)).toEqual(["send", "audit-refusal", "close"]);
    expect(sent(effects)[0]).toMatchObject({
      type: "refuse",
      code: "relay.version-unsupported",
      detail: expect.stringContaining("the relay speaks 8 to 9, the control plane"),
    });
    expect(closes(effects)).toEqual([CONTROL_CLOSE.version]);
    expect(hub.state.presence).toEqual({ kind: "offline" });
  });

  it("closes with the retry code when the database cannot be asked, and undoes its half", () => {
    const hub = new HubDriver();
    hub.feed({ kind: "connected", linkId: "link-1" });
    hub.say(HELLO);
    const effects = hub.feed({ kind: "greeted", linkId: "link-1", welcome: null });
    expect(closes(effects)).toEqual([CONTROL_CLOSE.retry]);
    expect(kinds(effects)).toContain("mark-offline");
  });

  it("gives up on a relay that does not say hello in time, and not a moment before", () => {
    const hub = new HubDriver();
    hub.feed({ kind: "connected", linkId: "link-1" });
    expect(nextWakeMs(hub.state, null)).toBe(hub.nowMs + HELLO_DEADLINE_MS);
    expect(hub.tickAfter(HELLO_DEADLINE_MS - 1)).toEqual([]);
    expect(closes(hub.tickAfter(1))).toEqual([CONTROL_CLOSE.silent]);
  });

  it("closes the older socket when a newer one comes, and ignores it from then on", () => {
    const hub = new HubDriver();
    hub.link("link-1");
    expect(hub.feed({ kind: "connected", linkId: "link-2" })).toEqual([
      { kind: "close", linkId: "link-1", close: CONTROL_CLOSE.replaced },
    ]);
    expect(hub.feed({ kind: "closed", linkId: "link-1", code: "closed" })).toEqual([]);
    expect(hub.say(HELLO, "link-1")).toEqual([]);
    expect(kinds(hub.say(HELLO, "link-2"))).toEqual(["greet"]);
  });

  it("marks a relay offline again whose greeting succeeded after its socket had gone", () => {
    const hub = new HubDriver();
    hub.feed({ kind: "connected", linkId: "link-1" });
    hub.say(HELLO);
    hub.feed({ kind: "closed", linkId: "link-1", code: "lost" });
    const effects = hub.feed({ kind: "greeted", linkId: "link-1", welcome: WELCOME });
    expect(kinds(effects)).toEqual(["mark-offline"]);
  });
});

describe("messages that the contract does not allow now", () => {
  const cases: [string, (hub: HubDriver) => HubEffect[]][] = [
    [
      "anything before hello",
      (hub) => {
        hub.feed({ kind: "connected", linkId: "link-1" });
        return hub.say({ type: "ack", seq: 1, refusal: null });
      },
    ],
    [
      "a second hello",
      (hub) => {
        hub.link();
        return hub.say(HELLO);
      },
    ],
    [
      "an ack of what was never sent",
      (hub) => {
        hub.link();
        return hub.say({ type: "ack", seq: 1, refusal: null });
      },
    ],
    [
      "events before the ack of earlier ones",
      (hub) => {
        hub.link();
        const event = { type: "relay.snapshot" as const, sessionIds: [] };
        const events = [{ seq: 1, atMs: 1, event }];
        expect(kinds(hub.say({ type: "events", stream: "s", events }))).toEqual(["store-events"]);
        return hub.say({ type: "events", stream: "s", events });
      },
    ],
    [
      "text that is no message",
      (hub) => {
        hub.link();
        return hub.feed({ kind: "malformed", linkId: "link-1", detail: "not JSON" });
      },
    ],
  ];
  it.each(cases)("ends the link for %s, and says so to the relay and the audit", (_name, act) => {
    const hub = new HubDriver();
    const effects = act(hub);
    expect(closes(effects)).toEqual([CONTROL_CLOSE.malformed]);
    expect(sent(effects)[0]).toMatchObject({ type: "refuse", code: "control.malformed" });
    expect(kinds(effects)).toContain("audit-refusal");
    expect(hub.state.link).toEqual({ phase: "none" });
  });
});

describe("pushes", () => {
  it("are stored before they are sent, and answered by the ack", () => {
    const hub = new HubDriver();
    hub.link();
    expect(kinds(hub.push("a"))).toEqual(["store-push", "send-push"]);
    const effects = hub.say({ type: "ack", seq: 1, refusal: null });
    expect(kinds(effects)).toEqual(["delete-push", "settle"]);
    expect(settled(effects)).toEqual([["a", null]]);
    expect(hub.say({ type: "ack", seq: 1, refusal: null })).toEqual([]);
  });

  it("are answered with the relay's refusal", () => {
    const hub = new HubDriver();
    hub.link();
    hub.push("a");
    hub.push("b");
    expect(settled(hub.say({ type: "ack", seq: 1, refusal: "relay.full" }))).toEqual([
      ["a", "relay.full"],
    ]);
    expect(settled(hub.say({ type: "ack", seq: 2, refusal: "toString" }))).toEqual([
      ["b", "control.grant-invalid"],
    ]);
  });

  it("fail at once while the relay is away; what must not be lost is kept for it", () => {
    const hub = new HubDriver();
    expect(settled(hub.push("a"))).toEqual([["a", "control.offline"]]);
    expect(hub.state.outbox).toEqual([]);
    const effects = hub.push("b", { kind: "terminate", sessionId: "ses_1" });
    expect(kinds(effects)).toEqual(["store-push", "settle"]);
    expect(settled(effects)).toEqual([["b", "control.offline"]]);
    expect(pushed(hub.link())).toEqual([1]);
  });

  it("that wait for a greeting go out with the welcome, orders first", () => {
    const hub = new HubDriver();
    hub.feed({ kind: "connected", linkId: "link-1" });
    hub.say(HELLO);
    expect(kinds(hub.push("a"))).toEqual(["store-push"]);
    hub.push("b", { kind: "withdraw", sessionId: "ses_1" });
    const effects = hub.feed({ kind: "greeted", linkId: "link-1", welcome: WELCOME });
    expect(kinds(effects)).toEqual(["send", "send-push", "send-push"]);
    expect(sentPushes(effects)).toEqual([
      { id: 2, seq: 1 },
      { id: 1, seq: 2 },
    ]);
  });

  it("that are late are reported; the grant is withdrawn, the termination stays", () => {
    const hub = new HubDriver();
    hub.link();
    hub.push("a");
    hub.push("b", { kind: "terminate", sessionId: "ses_1" });
    expect(nextWakeMs(hub.state, null)).toBe(hub.nowMs + PUSH_ACK_DEADLINE_MS);
    expect(hub.tickAfter(PUSH_ACK_DEADLINE_MS - 1)).toEqual([]);
    const effects = hub.tickAfter(1);
    expect(effects).toContainEqual({ kind: "delete-push", id: 1 });
    expect(settled(effects)).toEqual([
      ["a", "control.ack-timeout"],
      ["b", "control.ack-timeout"],
    ]);
    expect(pushed(hub.link("link-2"))).toEqual([3]);
    expect(settled(hub.say({ type: "ack", seq: 3, refusal: null }, "link-2"))).toEqual([]);
    expect(hub.state.outbox).toEqual([]);
  });

  it("fail at once when the link is lost, and only grants are forgotten", () => {
    const hub = new HubDriver();
    hub.link();
    hub.push("a");
    hub.push("b", { kind: "withdraw", sessionId: "ses_1" });
    const effects = hub.feed({ kind: "closed", linkId: "link-1", code: "lost" });
    expect(settled(effects)).toEqual([
      ["a", "control.offline"],
      ["b", "control.offline"],
    ]);
    expect(hub.state.outbox.map(({ id }) => id)).toEqual([2]);
  });

  it("for the same end of the same session are one order with many callers", () => {
    const hub = new HubDriver();
    hub.link();
    hub.push("a", { kind: "terminate", sessionId: "ses_1" });
    expect(hub.push("b", { kind: "terminate", sessionId: "ses_1" })).toEqual([]);
    hub.push("c", { kind: "terminate", sessionId: "ses_2" });
    expect(settled(hub.say({ type: "ack", seq: 1, refusal: null }))).toEqual([
      ["a", null],
      ["b", null],
    ]);
    expect(hub.state.outbox).toHaveLength(1);
  });

  it("beyond the bound of rows are refused", () => {
    const hub = new HubDriver();
    for (let index = 0; index < OUTBOX_ROWS_MAX; index += 1) {
      hub.push(`w${index}`, { kind: "terminate", sessionId: `ses_${index}` });
    }
    expect(settled(hub.push("over", { kind: "terminate", sessionId: "ses_over" }))).toEqual([
      ["over", "control.queue-full"],
    ]);
    expect(hub.state.outbox).toHaveLength(OUTBOX_ROWS_MAX);
  });

  it("beyond the bound of bytes are refused", () => {
    const hub = new HubDriver();
    hub.link();
    hub.push("a", { sizeBytes: OUTBOX_BYTES_MAX });
    expect(settled(hub.push("b", { sizeBytes: 1 }))).toEqual([["b", "control.queue-full"]]);
  });

  it("begin a new epoch for a relay that has applied more than was ever sent", () => {
    const hub = new HubDriver();
    hub.push("a", { kind: "terminate", sessionId: "ses_1" });
    const effects = hub.link("link-1", { epoch: "epoch-1", appliedSeq: 7 });
    expect(kinds(effects)).toEqual(["forget-numbers", "send", "send-push"]);
    expect(sent(effects)[0]).toMatchObject({ type: "welcome", epoch: "epoch-2" });
    expect(hub.state).toMatchObject({ epoch: "epoch-2", nextSeq: 2 });
  });

  it("keep their epoch for a relay that knows another one", () => {
    const hub = new HubDriver();
    hub.link("link-1", { epoch: "epoch-0", appliedSeq: 7 });
    expect(hub.state.epoch).toBe("epoch-1");
  });
});

describe("events and look-ups", () => {
  const snapshot = { type: "relay.snapshot" as const, sessionIds: [] };
  const events = [{ seq: 1, atMs: 1, event: snapshot }];

  it("are acknowledged when they are stored, and not before", () => {
    const hub = new HubDriver();
    hub.link();
    expect(kinds(hub.say({ type: "events", stream: "s", events }))).toEqual(["store-events"]);
    const effects = hub.feed({
      kind: "events-stored",
      linkId: "link-1",
      stream: "s",
      storedSeq: 1,
    });
    expect(sent(effects)).toEqual([{ type: "events-ack", stream: "s", seq: 1 }]);
    expect(kinds(hub.say({ type: "events", stream: "s", events }))).toEqual(["store-events"]);
  });

  it("end the link with the retry code when they cannot be stored", () => {
    const hub = new HubDriver();
    hub.link();
    hub.say({ type: "events", stream: "s", events });
    const effects = hub.feed({
      kind: "events-stored",
      linkId: "link-1",
      stream: "s",
      storedSeq: null,
    });
    expect(closes(effects)).toEqual([CONTROL_CLOSE.retry]);
    expect(sent(effects)).toEqual([]);
  });

  it("are not acknowledged on a later link", () => {
    const hub = new HubDriver();
    hub.link();
    hub.say({ type: "events", stream: "s", events });
    hub.link("link-2");
    const stored = { kind: "events-stored", linkId: "link-1", stream: "s", storedSeq: 1 } as const;
    expect(hub.feed(stored)).toEqual([]);
  });

  it("answers look-ups, and at once those beyond the bound", () => {
    const hub = new HubDriver();
    hub.link();
    const ticketHash = "h".repeat(43);
    const lookup = (requestId: string) => hub.say({ type: "lookup", requestId, ticketHash });
    for (let index = 0; index < LOOKUPS_OPEN_MAX; index += 1) {
      expect(kinds(lookup(`r${index}`))).toEqual(["look-up"]);
    }
    expect(sent(lookup("over"))).toEqual([
      { type: "lookup-answer", requestId: "over", grant: null, reason: "unverifiable" },
    ]);
    const answer = { requestId: "r0", grant: "jws", reason: null };
    expect(sent(hub.feed({ kind: "lookup-done", linkId: "link-1", answer }))).toEqual([
      { type: "lookup-answer", ...answer },
    ]);
    expect(kinds(lookup("again"))).toEqual(["look-up"]);
  });
});

describe("the lease and the relay's presence", () => {
  it("counts heartbeats as life", () => {
    const hub = new HubDriver();
    hub.link();
    const beatAtMs = hub.nowMs + 5_000;
    expect(hub.tickAfter(LEASE_MS, beatAtMs)).toEqual([]);
    expect(nextWakeMs(hub.state, beatAtMs)).toBe(beatAtMs + LEASE_MS);
    expect(closes(hub.tickAfter(5_000, beatAtMs))).toEqual([CONTROL_CLOSE.silent]);
  });

  it("shows a lost relay offline at once and ends its sessions after the grace", () => {
    const hub = new HubDriver();
    hub.link();
    const effects = hub.feed({ kind: "closed", linkId: "link-1", code: "lost" });
    expect(effects).toEqual([{ kind: "mark-offline", code: "lost" }]);
    hub.feed({ kind: "presence-saved", step: "marked", done: true });
    expect(nextWakeMs(hub.state, null)).toBe(hub.nowMs + RELAY_LOST_GRACE_MS);
    expect(hub.tickAfter(RELAY_LOST_GRACE_MS - 1)).toEqual([]);
    expect(kinds(hub.tickAfter(1))).toEqual(["end-sessions"]);
    hub.feed({ kind: "presence-saved", step: "ended", done: true });
    expect(hub.state.presence).toEqual({ kind: "offline" });
    expect(nextWakeMs({ ...hub.state, expiry: null }, null)).toBe(null);
  });

  it("ends no session of a relay that is back within the grace", () => {
    const hub = new HubDriver();
    hub.link();
    hub.feed({ kind: "closed", linkId: "link-1", code: "lost" });
    hub.feed({ kind: "presence-saved", step: "marked", done: true });
    hub.feed({ kind: "connected", linkId: "link-2" });
    expect(hub.tickAfter(RELAY_LOST_GRACE_MS)).toEqual([]);
    hub.say(HELLO, "link-2");
    hub.feed({ kind: "greeted", linkId: "link-2", welcome: WELCOME });
    expect(hub.tickAfter(RELAY_LOST_GRACE_MS)).toEqual([]);
    expect(hub.state.presence).toEqual({ kind: "online" });
  });

  it("tries again what the database did not take", () => {
    const hub = new HubDriver();
    hub.link();
    hub.feed({ kind: "closed", linkId: "link-1", code: "lost" });
    hub.feed({ kind: "presence-saved", step: "marked", done: false });
    expect(hub.tickAfter(PRESENCE_RETRY_MS - 1)).toEqual([]);
    expect(kinds(hub.tickAfter(1))).toEqual(["mark-offline"]);
    expect(hub.tickAfter(1)).toEqual([]);
    hub.feed({ kind: "presence-saved", step: "marked", done: true });
    expect(kinds(hub.tickAfter(0))).toEqual(["end-sessions"]);
    hub.feed({ kind: "presence-saved", step: "ended", done: false });
    expect(kinds(hub.tickAfter(PRESENCE_RETRY_MS))).toEqual(["end-sessions"]);
  });

  it("finds out by itself that it woke up without the socket of an online relay", () => {
    const hub = new HubDriver({ ...initialHubState("epoch-1"), presence: { kind: "online" } });
    expect(nextWakeMs(hub.state, null)).toBe(0);
    expect(hub.tickAfter(0)).toEqual([{ kind: "mark-offline", code: "control-plane-restarted" }]);
  });

  it("gives a relay time to come back, which tries seldom, when it was the hub that went", () => {
    const hub = new HubDriver({ ...initialHubState("epoch-1"), presence: { kind: "online" } });
    hub.tickAfter(0);
    hub.feed({ kind: "presence-saved", step: "marked", done: true });
    expect(RESTART_GRACE_MS).toBeGreaterThan(RELINK_MS_MAX);
    expect(hub.tickAfter(RESTART_GRACE_MS - 1)).toEqual([]);
    expect(kinds(hub.tickAfter(1))).toEqual(["end-sessions"]);
  });
});

describe("sessions that nobody opens", () => {
  const granted = (): HubDriver => {
    const hub = new HubDriver();
    hub.link();
    hub.push("a");
    hub.say({ type: "ack", seq: 1, refusal: null });
    hub.feed({ kind: "closed", linkId: "link-1", code: "closed" });
    hub.feed({ kind: "presence-saved", step: "marked", done: true });
    hub.tickAfter(RELAY_LOST_GRACE_MS);
    hub.feed({ kind: "presence-saved", step: "ended", done: true });
    return hub;
  };

  it("are looked for after a grant, also when the relay is gone, until none is left", () => {
    const hub = granted();
    expect(kinds(hub.tickAfter(EXPIRY_FIRST_LOOK_MS))).toEqual(["expire-sessions"]);
    const nextMs = hub.nowMs + 90_000;
    hub.feed({ kind: "sessions-expired", done: true, nextMs });
    expect(nextWakeMs(hub.state, null)).toBe(nextMs);
    expect(kinds(hub.tickAfter(90_000))).toEqual(["expire-sessions"]);
    hub.feed({ kind: "sessions-expired", done: true, nextMs: null });
    expect(nextWakeMs(hub.state, null)).toBe(null);
  });

  it("are looked for whatever became of the grant: they wait in the database already", () => {
    const away = new HubDriver();
    away.push("a");
    expect(nextWakeMs(away.state, null)).toBe(away.nowMs + EXPIRY_FIRST_LOOK_MS);
    const late = new HubDriver();
    late.link();
    late.push("a");
    late.tickAfter(PUSH_ACK_DEADLINE_MS);
    expect(kinds(late.tickAfter(EXPIRY_FIRST_LOOK_MS))).toContain("expire-sessions");
  });

  it("are looked for after a greeting: a control plane that ended may have left some", () => {
    const hub = new HubDriver();
    hub.link();
    const heardAtMs = hub.nowMs + EXPIRY_FIRST_LOOK_MS;
    expect(kinds(hub.tickAfter(EXPIRY_FIRST_LOOK_MS, heardAtMs))).toEqual(["expire-sessions"]);
    hub.feed({ kind: "sessions-expired", done: true, nextMs: null });
    expect(hub.state.expiry).toBe(null);
  });

  it("are looked for again when nobody could look", () => {
    const hub = granted();
    hub.tickAfter(EXPIRY_FIRST_LOOK_MS);
    hub.feed({ kind: "sessions-expired", done: false, nextMs: null });
    expect(kinds(hub.tickAfter(EXPIRY_RETRY_MS))).toEqual(["expire-sessions"]);
  });

  it("are not forgotten when a grant comes during the look", () => {
    const hub = granted();
    hub.link("link-2");
    hub.tickAfter(EXPIRY_FIRST_LOOK_MS, hub.nowMs + EXPIRY_FIRST_LOOK_MS);
    hub.push("b");
    hub.say({ type: "ack", seq: 2, refusal: null }, "link-2");
    hub.feed({ kind: "sessions-expired", done: true, nextMs: null });
    expect(hub.state.expiry).not.toBe(null);
  });
});
