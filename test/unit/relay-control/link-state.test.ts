/** The control link's decisions, one at a time. */
import { describe, expect, it } from "vitest";
import { CONTROL_VERSIONS } from "#shared/control/contract.ts";
import {
  HEARTBEAT_INTERVAL_MS,
  HELLO_DEADLINE_MS,
  LEASE_MS,
  OUTBOX_ROWS_MAX,
} from "#shared/control/limits.ts";
import { EVENTS_ACK_DEADLINE_MS } from "../../../relay/control/link-delivery.ts";
import { BACKOFF_BASE_MS, BACKOFF_MS_MAX } from "../../../relay/control/link-ends.ts";
import {
  CONNECT_DEADLINE_MS,
  initialLinkState,
  nextDeadlineMs,
  stepLink,
} from "../../../relay/control/link-state.ts";
import type { LinkInput, LinkState } from "../../../relay/control/link-types.ts";
import {
  NOW,
  WELCOME,
  run,
  message,
  terminate,
  START,
  LINK,
  linked,
  kinds,
  sent,
  logNames,
} from "./link-steps.ts";

describe("draining", () => {
  it("is said at once while linked, and only when it changes", () => {
    const begun = run(linked(), [{ kind: "serving", draining: true }]);
    expect(sent(begun)).toEqual([{ type: "serving", draining: true }]);
    expect(sent(run(begun.state, [{ kind: "serving", draining: true }]))).toEqual([]);
    const ceased = run(begun.state, [{ kind: "serving", draining: false }]);
    expect(sent(ceased)).toEqual([{ type: "serving", draining: false }]);
  });

  it("is said by the hello of the next connection, and not again", () => {
    const lost = run(linked(), [
      { kind: "closed", detail: "gone" },
      { kind: "serving", draining: true },
    ]);
    expect(sent(lost)).toEqual([]);
    const again = run(lost.state, [{ kind: "tick" }, { kind: "opened" }], NOW + 60_000);
    expect(again.effects).toContainEqual({
      kind: "hello",
      hello: { epoch: "epoch-a", appliedSeq: 0, versions: CONTROL_VERSIONS, draining: true },
    });
    const inputs: LinkInput[] = [message(WELCOME), { kind: "adopted", failure: null }];
    expect(sent(run(again.state, inputs))).toEqual([]);
  });

  it("is said after the welcome when it began behind the hello", () => {
    const step = run(initialLinkState(), [
      ...START,
      { kind: "serving", draining: true },
      message(WELCOME),
      { kind: "adopted", failure: null },
    ]);
    expect(sent(step)).toEqual([{ type: "serving", draining: true }]);
  });
});

describe("when the hub was heard", () => {
  const heard = (state: LinkState, input: LinkInput, nowMs: number) =>
    run(state, [input], nowMs).state.heardAtMs;

  it("is the welcome whose keys are in use, and every word of its link since", () => {
    const greeting = run(initialLinkState(), [...START, message(WELCOME)]).state;
    expect(greeting.heardAtMs).toBeNull();
    expect(linked().heardAtMs).toBe(NOW);
    expect(heard(linked(), { kind: "pong" }, NOW + 5)).toBe(NOW + 5);
    expect(heard(linked(), terminate(1), NOW + 7)).toBe(NOW + 7);
    expect(heard(linked(), { kind: "tick" }, NOW + 9)).toBe(NOW);
  });

  it("is not what it says to a relay that it does not welcome", () => {
    const again: LinkInput[] = [{ kind: "closed", detail: "gone" }, { kind: "tick" }];
    const refusal = message({ type: "refuse", code: "relay.unauthorized", detail: "" });
    const { state } = run(linked(), [...again, { kind: "opened" }], NOW + 60_000);
    expect(heard(state, refusal, NOW + 60_001)).toBe(NOW);
    expect(heard(state, { kind: "pong" }, NOW + 60_001)).toBe(NOW);
  });
});

describe("connecting", () => {
  it("says hello with what it has applied, and is linked when the keys are in use", () => {
    const step = run(initialLinkState(), LINK);
    expect(step.state.phase.name).toBe("linked");
    expect(kinds(step)).toEqual([
      "connect",
      "hello",
      "adopt",
      "reconcile",
      "record-snapshot",
      "deliver",
    ]);
    expect(step.effects).toContainEqual({
      kind: "hello",
      hello: { epoch: null, appliedSeq: 0, versions: CONTROL_VERSIONS, draining: false },
    });
  });

  it("says the epoch and the last applied push after a loss", () => {
    const before = run(linked(), [
      terminate(4),
      { kind: "applied", epoch: "epoch-a", seq: 4, refusal: null },
      { kind: "closed", detail: "gone" },
    ]).state;
    const again = run(before, [{ kind: "tick" }, { kind: "opened" }], NOW + 60_000);
    expect(again.effects).toContainEqual({
      kind: "hello",
      hello: { epoch: "epoch-a", appliedSeq: 4, versions: CONTROL_VERSIONS, draining: false },
    });
  });

  it.each([
    ["the connection", [{ kind: "start" }] as LinkInput[], CONNECT_DEADLINE_MS],
    ["the welcome", [...START], HELLO_DEADLINE_MS],
    ["the keys", [...START, message(WELCOME)], HELLO_DEADLINE_MS],
  ])("gives up when %s takes too long", (_what, inputs, deadlineMs) => {
    const { state } = run(initialLinkState(), inputs);
    expect(nextDeadlineMs(state)).toBe(NOW + deadlineMs);
    expect(run(state, [{ kind: "tick" }], NOW + deadlineMs - 1).state.phase).toEqual(state.phase);
    const late = run(state, [{ kind: "tick" }], NOW + deadlineMs);
    expect(late.state.phase.name).toBe("waiting");
    expect(kinds(late)).toEqual(["close"]);
  });

  it("does not send anything between welcome and keys", () => {
    const adopting = run(initialLinkState(), [...START, message(WELCOME)]).state;
    const step = run(adopting, [
      terminate(1),
      { kind: "spooled" },
      { kind: "lookup", requestId: "r", ticketHash: "h" },
    ]);
    expect(sent(step)).toEqual([]);
    expect(kinds(step)).toEqual(["settle"]);
    expect(kinds(run(step.state, [{ kind: "adopted", failure: null }]))).toContain("apply");
  });

  it("treats keys that cannot be used as malformed", () => {
    const step = run(initialLinkState(), [
      ...START,
      message(WELCOME),
      { kind: "adopted", failure: "a seal key is malformed" },
    ]);
    expect(step.state.phase.name).toBe("waiting");
    expect(logNames(step.effects)).toContain("control.malformed");
  });

  it("refuses a version that it does not speak", () => {
    const { min, max } = CONTROL_VERSIONS;
    const versions = { min: max + 1, max: max + 2 };
    const welcome = { ...WELCOME, version: versions.min, versions };
    const step = run(initialLinkState(), [...START, message(welcome)]);
    const code = "relay.version-unsupported";
    const detail = `the relay speaks ${min} to ${max}, the control plane ${versions.min} to ${versions.max}: upgrade the relay`;
    expect(step.effects).toContainEqual({ kind: "close", reason: `${code}: ${detail}` });
    expect(step.effects).toContainEqual({
      kind: "log",
      level: "error",
      name: "control.refused",
      fields: { code, detail },
    });
    expect(step.state.refusal).toEqual({ code, detail });
    // Longer than a WebSocket's close reason may be, it would be dropped on its way.
    expect(Buffer.byteLength(`${code}: ${detail}`)).toBeLessThanOrEqual(123);
  });

  it("remembers why it was refused until there is a link again", () => {
    const refusal = { code: "relay.disabled", detail: "ask for it to be enabled" };
    const refused = run(linked(), [message({ type: "refuse", ...refusal })]);
    expect(refused.state.refusal).toEqual(refusal);
    const lost = run(refused.state, [{ kind: "tick" }], NOW + 60_000);
    expect(lost.state.refusal).toEqual(refusal);
    const again = run(
      lost.state,
      [{ kind: "opened" }, message(WELCOME), { kind: "adopted", failure: null }],
      NOW + 60_000,
    );
    expect(again.state.refusal).toBe(null);
  });

  it.each([
    ["a push", terminate(1)],
    ["an ack", message({ type: "events-ack", stream: "s", seq: 1 })],
    [
      "a look-up's answer",
      message({ type: "lookup-answer", requestId: "r", grant: null, reason: null }),
    ],
  ])("treats %s before the welcome as malformed", (_what, input) => {
    const step = run(initialLinkState(), [...START, input]);
    expect(step.state.phase.name).toBe("waiting");
    expect(logNames(step.effects)).toContain("control.malformed");
  });

  it("treats a second welcome as malformed", () => {
    const step = run(linked(), [message(WELCOME)]);
    expect(logNames(step.effects)).toContain("control.malformed");
  });

  it("hears nothing that comes before it is started or after it is stopped", () => {
    for (const state of [initialLinkState(), run(linked(), [{ kind: "stop" }]).state]) {
      const step = run(state, [message(WELCOME), { kind: "closed", detail: "" }, { kind: "tick" }]);
      expect(step).toEqual({ state, effects: [] });
    }
  });
});

describe("back-off", () => {
  function waitAfter(failures: number, chance: number): number {
    const state = { ...run(initialLinkState(), [{ kind: "start" }]).state, failures };
    const context = { nowMs: NOW, chance };
    const { phase } = stepLink(state, { kind: "closed", detail: "" }, context).state;
    return phase.name === "waiting" ? phase.retryAtMs - NOW : Number.NaN;
  }

  it("doubles its ceiling up to the cap, with full jitter", () => {
    expect(waitAfter(0, 0)).toBe(0);
    expect(waitAfter(0, 0.999)).toBeLessThan(BACKOFF_BASE_MS);
    expect(waitAfter(3, 0.5)).toBe((BACKOFF_BASE_MS * 8) / 2);
    expect(waitAfter(16, 0.5)).toBe(BACKOFF_MS_MAX / 2);
    expect(waitAfter(16, 0.999)).toBeLessThan(BACKOFF_MS_MAX);
  });

  it("begins anew only after a link that lasted a lease", () => {
    const flapping = { ...linked(), failures: 5 };
    const lost = { kind: "closed", detail: "" } as const;
    expect(run(flapping, [lost], NOW + LEASE_MS - 1).state.failures).toBe(6);
    expect(run(flapping, [lost], NOW + LEASE_MS).state.failures).toBe(1);
  });

  it("waits at least half of the cap when the control plane refuses", () => {
    const refusals: LinkInput[] = [
      { kind: "refused", code: "relay.unauthorized", detail: "" },
      message({ type: "refuse", code: "control.replaced", detail: "" }),
    ];
    for (const input of refusals) {
      const { phase } = run(linked(), [input]).state;
      expect(phase).toEqual({ name: "waiting", retryAtMs: NOW + BACKOFF_MS_MAX * 0.75 });
    }
  });
});

describe("the lease", () => {
  it("pings at each interval and lives as long as it is answered", () => {
    let { state } = { state: linked() };
    for (let nowMs = NOW; nowMs < NOW + 3 * LEASE_MS;) {
      nowMs += HEARTBEAT_INTERVAL_MS;
      const step = run(state, [{ kind: "tick" }, { kind: "pong" }], nowMs);
      expect(kinds(step)).toEqual(["ping"]);
      ({ state } = step);
    }
    expect(state.phase.name).toBe("linked");
  });

  it("ends when nothing is heard", () => {
    const beaten = run(linked(), [{ kind: "tick" }], NOW + HEARTBEAT_INTERVAL_MS).state;
    const step = run(beaten, [{ kind: "tick" }], NOW + LEASE_MS);
    expect(step.state.phase.name).toBe("waiting");
    expect(logNames(step.effects)).toEqual(["control.lost"]);
  });
});

describe("pushes", () => {
  it("are applied one after the other and acknowledged with their outcome", () => {
    const step = run(linked(), [terminate(1), terminate(2)]);
    expect(kinds(step)).toEqual(["apply"]);
    const done = run(step.state, [
      { kind: "applied", epoch: "epoch-a", seq: 1, refusal: "control.grant-invalid" },
    ]);
    expect(kinds(done)).toEqual(["send", "apply"]);
    expect(sent(done)).toEqual([{ type: "ack", seq: 1, refusal: "control.grant-invalid" }]);
    expect(done.state.appliedSeq).toBe(1);
  });

  it("that were applied are acknowledged again, with the same outcome, and not applied", () => {
    const { state } = run(linked(), [
      terminate(1),
      { kind: "applied", epoch: "epoch-a", seq: 1, refusal: "control.grant-invalid" },
      terminate(2),
      { kind: "applied", epoch: "epoch-a", seq: 2, refusal: null },
    ]);
    const step = run(state, [terminate(1), terminate(2)]);
    expect(kinds(step)).toEqual(["send", "send"]);
    expect(sent(step)).toEqual([
      { type: "ack", seq: 1, refusal: "control.grant-invalid" },
      { type: "ack", seq: 2, refusal: null },
    ]);
  });

  it("that come again while they wait or are being applied are not begun twice", () => {
    const { state } = run(linked(), [terminate(1), terminate(2)]);
    expect(run(state, [terminate(1), terminate(2)])).toEqual({ state, effects: [] });
  });

  it("may leave numbers out", () => {
    const { state } = run(linked(), [
      terminate(7),
      { kind: "applied", epoch: "epoch-a", seq: 7, refusal: null },
    ]);
    expect(state.appliedSeq).toBe(7);
  });

  it("that go backwards are malformed, because a lost one would count as applied", () => {
    const step = run(linked(), [terminate(1), terminate(5), terminate(3)]);
    expect(logNames(step.effects)).toContain("control.malformed");
  });

  it("beyond what a hub may have open are malformed", () => {
    let { state } = { state: linked() };
    for (let seq = 1; seq <= OUTBOX_ROWS_MAX + 1; seq += 1) {
      ({ state } = run(state, [terminate(seq)]));
    }
    expect(state.queue).toHaveLength(OUTBOX_ROWS_MAX);
    expect(run(state, [terminate(OUTBOX_ROWS_MAX + 2)]).state.phase.name).toBe("waiting");
  });

  it("finish across a loss, and are acknowledged when they come again", () => {
    const lost = run(linked(), [terminate(1), terminate(2), { kind: "closed", detail: "" }]);
    expect(lost.state.queue).toEqual([]);
    const done = run(lost.state, [{ kind: "applied", epoch: "epoch-a", seq: 1, refusal: null }]);
    expect(done.effects).toEqual([]);
    const again = run(
      done.state,
      [
        { kind: "tick" },
        { kind: "opened" },
        message(WELCOME),
        { kind: "adopted", failure: null },
        terminate(1),
        terminate(2),
      ],
      NOW + 60_000,
    );
    expect(sent(again)).toEqual([{ type: "ack", seq: 1, refusal: null }]);
    expect(kinds(again).filter((kind) => kind === "apply")).toHaveLength(1);
  });

  it("that end between the next welcome and its keys are acknowledged all the same", () => {
    const welcomed = run(
      run(linked(), [terminate(1), { kind: "closed", detail: "" }]).state,
      [{ kind: "tick" }, { kind: "opened" }, message(WELCOME), terminate(1)],
      NOW + 60_000,
    );
    expect(sent(welcomed)).toEqual([]);
    const done = run(
      welcomed.state,
      [
        { kind: "applied", epoch: "epoch-a", seq: 1, refusal: null },
        { kind: "adopted", failure: null },
      ],
      NOW + 60_000,
    );
    expect(sent(done)).toEqual([{ type: "ack", seq: 1, refusal: null }]);
    expect(kinds(done)).not.toContain("apply");
  });

  it("of a new epoch begin at one again, after the old one's last has ended", () => {
    const lost = run(linked(), [terminate(9), { kind: "closed", detail: "" }]).state;
    const renewed = run(
      lost,
      [
        { kind: "tick" },
        { kind: "opened" },
        message({ ...WELCOME, epoch: "epoch-b" }),
        { kind: "adopted", failure: null },
        terminate(1),
      ],
      NOW + 60_000,
    );
    expect(renewed.state.appliedSeq).toBe(0);
    expect(kinds(renewed)).not.toContain("apply");
    const done = run(renewed.state, [{ kind: "applied", epoch: "epoch-a", seq: 9, refusal: null }]);
    expect(sent(done)).toEqual([]);
    expect(done.state.appliedSeq).toBe(0);
    expect(done.effects).toContainEqual(
      expect.objectContaining({ kind: "apply", epoch: "epoch-b", seq: 1 }),
    );
  });
});

describe("events", () => {
  const batch = (...seqs: number[]): LinkInput => ({
    kind: "batch",
    stream: "str_1",
    events: seqs.map((seq) => ({
      seq,
      atMs: 1,
      event: { type: "relay.snapshot", sessionIds: [] },
    })),
  });

  it("go in one message at a time, the next one after the ack", () => {
    const first = run(linked(), [batch(1, 2)]);
    expect(sent(first)).toHaveLength(1);
    expect(run(first.state, [batch(3), { kind: "spooled" }]).effects).toEqual([]);
    const acked = run(first.state, [message({ type: "events-ack", stream: "str_1", seq: 2 })]);
    expect(acked.effects).toEqual([
      { kind: "acknowledged", stream: "str_1", seq: 2 },
      { kind: "deliver", afterSeq: 0 },
    ]);
  });

  it("stay open when the ack is of another stream", () => {
    const first = run(linked(), [batch(1)]).state;
    const other = run(first, [message({ type: "events-ack", stream: "str_2", seq: 9 })]);
    expect(other.state.openBatches).toHaveLength(1);
  });

  it("that are not acknowledged in time end the link and go again on the next", () => {
    const { state } = run(linked(), [batch(1)]);
    const kept = run(state, [{ kind: "pong" }], NOW + EVENTS_ACK_DEADLINE_MS - 1).state;
    const late = run(kept, [{ kind: "tick" }], NOW + EVENTS_ACK_DEADLINE_MS);
    expect(late.state.phase.name).toBe("waiting");
    expect(late.state.openBatches).toEqual([]);
  });

  it("are not sent while there is no link", () => {
    const lost = run(linked(), [{ kind: "closed", detail: "" }]).state;
    expect(run(lost, [{ kind: "spooled" }, batch(1)]).effects).toEqual([]);
  });
});
