import { describe, expect, it } from "vitest";
import {
  awaitsReturn,
  judgeLater,
  judgeMain,
  judgeViewer,
  type MainFacts,
  sessionEndReason,
} from "../../../relay/sessions/admission-rules.ts";

const facts: MainFacts = {
  connectionId: 0,
  expired: false,
  used: false,
  held: true,
  awaited: false,
};

describe("a main channel", () => {
  it.each<[Partial<MainFacts>, string]>([
    [{}, "use"],
    [{ held: false }, "look-up"],
    [{ used: true }, "used"],
    [{ used: true, held: false }, "used"],
    [{ expired: true, held: false }, "expired"],
    [{ expired: true, used: true }, "expired"],
    [{ connectionId: 1 }, "no-session"],
    [{ connectionId: 1, expired: true }, "no-session"],
    [{ awaited: true, used: true, held: false }, "reopen"],
    [{ awaited: true, used: true, held: false, expired: true }, "reopen"],
    [{ awaited: true, connectionId: 7 }, "no-session"],
  ])("%j is judged %s", (changed, verdict) => {
    expect(judgeMain({ ...facts, ...changed })).toBe(verdict);
  });
});

describe("a later channel", () => {
  it.each([
    [7, true, 7, "join"],
    [7, true, 8, "no-session"],
    [7, true, null, "no-session"],
    [7, false, 7, "no-session"],
    [0, true, 0, "no-session"],
    [0, true, null, "no-session"],
  ])(
    "id %j, session lives %j, learned %j: %s",
    (connectionId, sessionLives, learnedId, verdict) => {
      expect(judgeLater({ connectionId, sessionLives, learnedId })).toBe(verdict);
    },
  );
});

describe("a second viewer", () => {
  it.each([
    [false, "refuse", "open"],
    [false, "take-over", "open"],
    [true, "refuse", "refuse"],
    [true, "take-over", "take-over"],
  ] as const)("console taken %j, rule %s: %s", (isTaken, rule, verdict) => {
    expect(judgeViewer(isTaken, rule)).toBe(verdict);
  });
});

describe("a lost main channel", () => {
  const open = { opened: true, reconnectWindowS: 30 };

  it.each([
    ["client", "closed", open, true],
    ["client", "closed", { opened: true, reconnectWindowS: 0 }, false],
    ["client", "closed", { opened: false, reconnectWindowS: 30 }, false],
    ["server", "closed", open, false],
    ["relay", "closed", open, false],
    ["client", "message.size-unlawful", open, false],
    ["relay", "terminated", open, false],
    ["relay", "relay.worker-lost", open, false],
  ] as const)("ended by the %s with %s, %j: its session waits %j", (by, code, state, waits) => {
    expect(awaitsReturn({ by, code }, state)).toBe(waits);
  });
});

describe("a session's end", () => {
  it.each([
    ["terminated", "relay", true, "terminated"],
    ["taken-over", "relay", true, "taken-over"],
    ["idle", "relay", true, "idle"],
    ["duration-exceeded", "relay", true, "duration-exceeded"],
    ["drained", "relay", true, "relay-drained"],
    ["relay.worker-lost", "relay", true, "relay-fault"],
    ["message.sub-list-unlawful", "client", true, "protocol-violation"],
    ["message.rate-exceeded", "client", true, "protocol-violation"],
    ["relay.stopping", "relay", true, "relay-stopped"],
    ["message.type-unknown", "client", true, "protocol-violation"],
    ["message.size-unlawful", "server", true, "protocol-violation"],
    ["closed", "client", true, "client-closed"],
    ["closed", "server", true, "server-closed"],
    ["link.closed", "client", false, "client-closed"],
    ["closed", "server", false, "failed"],
    ["server.deadline", "server", false, "failed"],
    ["internal.error", "relay", true, "failed"],
  ] as const)("code %s by %s, opened %j: %s", (code, by, opened, reason) => {
    const end = { by, code, detail: "", clientBytes: 0, serverBytes: 0 };
    expect(sessionEndReason(end, opened)).toBe(reason);
  });
});
