import { describe, expect, it } from "vitest";
import type { RelayEvent } from "#shared/control/contract.ts";
import type { SessionFacts } from "../../../worker/repositories/relay-streams.ts";
import { decideRelayEvents, sessionsNamedBy } from "../../../worker/services/relay-event-rules.ts";

const NOW_MS = 5_000;

const session = (facts: Partial<SessionFacts> = {}): SessionFacts => ({
  id: "ses_1",
  consoleId: "con_1",
  relayId: "rly_1",
  state: "pending",
  openedAtMs: null,
  endReason: null,
  clientAddress: null,
  secondViewer: "refuse",
  yieldsTo: null,
  refusedCode: null,
  ...facts,
});

function decide(
  events: readonly RelayEvent[],
  sessions: readonly SessionFacts[],
  storedSeq = 0,
  atMs = 1_000,
) {
  let audits = 0;
  return decideRelayEvents({
    relayId: "rly_1",
    events: events.map((event, index) => ({ seq: index + 1, atMs, event })),
    facts: { storedSeq, sessions },
    nowMs: NOW_MS,
    newAuditId: () => `aud_${(audits += 1)}`,
  });
}

const opened: RelayEvent = {
  type: "session.opened",
  sessionId: "ses_1",
  clientAddress: "192.0.2.1",
};
const ended: RelayEvent = {
  type: "session.ended",
  sessionId: "ses_1",
  reason: "client-closed",
  detail: "bye",
  clientBytes: 1,
  serverBytes: 2,
};
const snapshot = (...sessionIds: string[]): RelayEvent => ({ type: "relay.snapshot", sessionIds });
const types = (changes: ReturnType<typeof decide>) => changes.audits.map(({ event }) => event.type);

describe("decideRelayEvents", () => {
  it("opens a pending session and uses its ticket up", () => {
    const changes = decide([opened], [session()]);
    expect(changes.patches.get("ses_1")).toEqual({
      state: "active",
      openedAtMs: 1_000,
      clientAddress: "192.0.2.1",
      endedAtMs: null,
      endReason: null,
      endDetail: null,
      refusedCode: null,
    });
    expect(changes.consumed).toEqual(new Map([["ses_1", 1_000]]));
    expect(changes.audits).toEqual([
      {
        id: "aud_1",
        atMs: 1_000,
        actorKind: "relay",
        actorId: "rly_1",
        address: "192.0.2.1",
        requestId: null,
        consoleId: "con_1",
        sessionId: "ses_1",
        relayId: "rly_1",
        event: { type: "session.opened", data: {} },
      },
    ]);
  });

  it("takes events together: opened and ended in one batch is ended, with its bytes", () => {
    const changes = decide([opened, ended], [session()]);
    expect(changes.patches.get("ses_1")).toMatchObject({
      state: "ended",
      openedAtMs: 1_000,
      endReason: "client-closed",
      endDetail: "bye",
      clientBytes: 1,
      serverBytes: 2,
    });
    expect(types(changes)).toEqual(["session.opened", "session.ended"]);
    expect(changes.audits[1]?.address).toBe("192.0.2.1");
  });

  it("skips what is stored already, and moves the position even past gaps", () => {
    expect(decide([opened, ended], [session()], 1).audits).toHaveLength(1);
    const all = decide([opened, ended], [session()], 2);
    expect(all.audits).toEqual([]);
    expect(all.storedSeq).toBe(2);
    expect(decide([opened, ended], [session()]).storedSeq).toBe(2);
  });

  // What was terminated before it was opened the relay may have opened in the last moment.
  it.each(["relay-lost", "relay-restarted", "never-opened", "terminated"])(
    "lets the relay's word correct the presumed end %s",
    (endReason) => {
      const presumed = session({ state: "ended", endReason });
      expect(decide([ended], [presumed]).patches.get("ses_1")).toMatchObject({
        endReason: "client-closed",
      });
      expect(decide([opened], [presumed]).patches.get("ses_1")).toMatchObject({
        state: "active",
        endReason: null,
      });
      const resumed = decide([snapshot("ses_1")], [presumed]);
      expect(resumed.patches.get("ses_1")).toMatchObject({ state: "active", endedAtMs: null });
      expect(types(resumed)).toEqual(["session.resumed"]);
    },
  );

  it("never changes an end that was reported", () => {
    const reported = session({ state: "ended", endReason: "terminated", openedAtMs: 900 });
    expect(decide([ended, snapshot("ses_1"), opened], [reported]).patches).toEqual(new Map());
    expect(types(decide([ended], [reported]))).toEqual([]);
  });

  it("ends active sessions that a snapshot does not name, and leaves pending ones alone", () => {
    const active = session({ state: "active" });
    const pending = session({ id: "ses_2" });
    const changes = decide([snapshot()], [active, pending]);
    expect(changes.patches).toEqual(
      new Map([["ses_1", expect.objectContaining({ endReason: "relay-restarted" })]]),
    );
    expect(types(changes)).toEqual(["session.ended"]);
    expect(decide([snapshot("ses_1")], [active]).audits).toEqual([]);
  });

  it("sees a session that was opened before the snapshot in the same message", () => {
    const changes = decide([opened, snapshot()], [session()]);
    expect(changes.patches.get("ses_1")).toMatchObject({
      state: "ended",
      endReason: "relay-restarted",
      openedAtMs: 1_000,
    });
  });

  it.each([
    ["another relay's session", [session({ relayId: "rly_2", state: "active" })]],
    ["a session that never was", []],
  ])("refuses words about %s, and goes on with what follows", (_name, sessions) => {
    const refused: RelayEvent = {
      type: "ticket.refused",
      reason: "forged",
      channel: "main",
      clientAddress: "192.0.2.9",
      sessionId: null,
      count: 1,
    };
    const changes = decide([opened, ended, snapshot("ses_1"), refused], sessions);
    expect(changes.patches).toEqual(new Map());
    expect(changes.consumed).toEqual(new Map());
    expect(types(changes)).toEqual([
      "relay.refused",
      "relay.refused",
      "relay.refused",
      "ticket.refused",
    ]);
    expect(changes.audits.map(({ sessionId }) => sessionId)).toEqual([null, null, null, null]);
    expect(changes.storedSeq).toBe(4);
  });

  it("records channels and refusals without touching the session", () => {
    const channel = { sessionId: "ses_1", channel: "display" as const, channelId: 0 };
    const clientAddress = "192.0.2.1";
    const changes = decide(
      [
        { type: "channel.opened", ...channel, clientAddress },
        { type: "channel.closed", ...channel, reason: "closed", clientBytes: 3, serverBytes: 4 },
        { type: "channel.refused", ...channel, clientAddress, code: "server.deadline", detail: "" },
        {
          type: "ticket.refused",
          reason: "used",
          channel: "main",
          clientAddress,
          sessionId: "ses_1",
          count: 3,
        },
      ],
      [session({ state: "active" })],
    );
    expect(changes.patches).toEqual(new Map());
    expect(types(changes)).toEqual([
      "channel.opened",
      "channel.closed",
      "channel.refused",
      "ticket.refused",
    ]);
  });

  it("dates nothing later than now, whatever the relay's clock says", () => {
    const changes = decide([opened], [session()], 0, 9_000);
    expect(changes.audits[0]?.atMs).toBe(NOW_MS);
  });

  it("names each session once", () => {
    const events = [opened, ended, snapshot("ses_1", "ses_2")].map((event, index) => ({
      seq: index + 1,
      atMs: 0,
      event,
    }));
    expect(sessionsNamedBy(events)).toEqual(["ses_1", "ses_2"]);
  });

  it("keeps what the firewall found whole, and how many refusals one event stands for", () => {
    const findings = [
      { direction: "client" as const, rule: "type" as const, messageType: 99, count: 4 },
      { direction: "server" as const, rule: "rate" as const, messageType: null, count: 1 },
    ];
    const channel = { channel: "inputs" as const, channelId: 0 };
    const changes = decide(
      [
        {
          type: "channel.firewall",
          sessionId: "ses_1",
          ...channel,
          mode: "observe",
          findings,
        },
        {
          type: "ticket.refused",
          reason: "used",
          channel: "main",
          clientAddress: "192.0.2.9",
          sessionId: "ses_1",
          count: 3,
        },
      ],
      [session({ state: "active" })],
    );
    expect(changes.audits.map(({ event, sessionId }) => ({ ...event, sessionId }))).toEqual([
      {
        type: "channel.firewall",
        sessionId: "ses_1",
        data: { ...channel, mode: "observe", findings },
      },
      {
        type: "ticket.refused",
        sessionId: "ses_1",
        data: { reason: "used", channel: "main", count: 3 },
      },
    ]);
  });

  it.each(["taken-over", "idle", "duration-exceeded", "relay-drained", "relay-fault"] as const)(
    "takes the relay's word that a session ended: %s",
    (reason) => {
      const changes = decide([{ ...ended, reason }], [session({ state: "active" })]);
      expect(changes.patches.get("ses_1")).toMatchObject({ state: "ended", endReason: reason });
      expect(changes.audits[0]?.event).toMatchObject({ type: "session.ended", data: { reason } });
    },
  );

  it("remembers why the main channel of a session that waits was refused", () => {
    const refused: RelayEvent = {
      type: "channel.refused",
      sessionId: "ses_1",
      channel: "main",
      channelId: 0,
      clientAddress: "192.0.2.1",
      code: "console.in-use",
      detail: "",
    };
    const patch = (state: SessionFacts["state"]) =>
      decide([refused], [session({ state })]).patches.get("ses_1");
    expect(patch("pending")).toEqual({ refusedCode: "console.in-use" });
    expect(patch("active")).toBeUndefined();
  });
});

describe("two sessions of one console on different relays", () => {
  const other = (facts: Partial<SessionFacts> = {}) =>
    session({ id: "ses_2", relayId: "rly_2", state: "active", ...facts });
  const takingOver = session({ secondViewer: "take-over" });

  it("end the first one when the new one may take over: marked, audited and told once", () => {
    const changes = decide([opened, opened], [takingOver, other()]);
    expect(changes.patches.get("ses_2")).toEqual({ yieldsTo: "ses_1", refusedCode: null });
    expect(changes.yielding).toEqual([
      { sessionId: "ses_2", relayId: "rly_2", yieldsTo: "ses_1", cause: "taken-over" },
    ]);
    const superseded = changes.audits.filter(({ event }) => event.type === "session.superseded");
    expect(superseded).toEqual([
      expect.objectContaining({
        sessionId: "ses_2",
        relayId: "rly_2",
        event: { type: "session.superseded", data: { by: "ses_1", cause: "taken-over" } },
      }),
    ]);
  });

  it("end the new one when the first one keeps others away", () => {
    const changes = decide([opened], [session(), other()]);
    expect(changes.patches.get("ses_1")).toMatchObject({
      state: "active",
      yieldsTo: "ses_2",
      refusedCode: "console.in-use",
    });
    expect(changes.patches.has("ses_2")).toBe(false);
    expect(changes.yielding).toEqual([
      { sessionId: "ses_1", relayId: "rly_1", yieldsTo: "ses_2", cause: "terminated" },
    ]);
  });

  it.each([
    ["another console's", other({ consoleId: "con_2" })],
    ["one that has ended", other({ state: "ended" })],
    ["one that must give way already", other({ yieldsTo: "ses_9" })],
    ["one of the same relay, which sees to it itself", other({ relayId: "rly_1" })],
  ])("leave alone %s", (_name, bystander) => {
    for (const opening of [takingOver, session()]) {
      const changes = decide([opened], [opening, bystander]);
      expect(changes.yielding).toEqual([]);
      expect(types(changes)).toEqual(["session.opened"]);
    }
  });

  it("end the one that opened first, also when its relay tells of it only afterwards", () => {
    const newer = other({ openedAtMs: 1_001 });
    const changes = decide([opened, ended], [takingOver, newer]);
    expect(changes.patches.has("ses_2")).toBe(false);
    expect(changes.yielding).toEqual([
      { sessionId: "ses_1", relayId: "rly_1", yieldsTo: "ses_2", cause: "taken-over" },
    ]);
    const older = decide([opened], [takingOver, other({ openedAtMs: 1_000 })]);
    expect(older.yielding).toMatchObject([{ sessionId: "ses_2", yieldsTo: "ses_1" }]);
  });

  it.each([
    ["console.in-use", "terminated"],
    [null, "taken-over"],
  ])(
    "are told of again when a snapshot shows that the one still lives: %s",
    (refusedCode, cause) => {
      const yields = session({ state: "active", yieldsTo: "ses_2", refusedCode });
      const changes = decide([snapshot("ses_1")], [yields]);
      expect(changes.yielding).toEqual([
        { sessionId: "ses_1", relayId: "rly_1", yieldsTo: "ses_2", cause },
      ]);
      expect(changes.audits).toEqual([]);
    },
  );

  it.each([
    ["refuse", "terminated"],
    ["take-over", "taken-over"],
  ] as const)(
    "end the one that was thought lost and is back, when it is not alone any more: %s",
    (secondViewer, cause) => {
      const lost = { state: "ended", endReason: "relay-lost", openedAtMs: 1_000 } as const;
      const back = session({ ...lost, secondViewer });
      const changes = decide([snapshot("ses_1")], [back, other({ openedAtMs: 2_000 })]);
      expect(changes.patches.get("ses_1")).toMatchObject({ state: "active", yieldsTo: "ses_2" });
      expect(changes.patches.has("ses_2")).toBe(false);
      expect(changes.yielding).toEqual([
        { sessionId: "ses_1", relayId: "rly_1", yieldsTo: "ses_2", cause },
      ]);
      expect(types(changes)).toEqual(["session.resumed", "session.superseded"]);
    },
  );

  it("forget what a refusal said once the session opens after all", () => {
    const retried = session({ refusedCode: "console.in-use" });
    expect(decide([opened], [retried]).patches.get("ses_1")).toMatchObject({ refusedCode: null });
  });

  it("change nothing when a session is reported open that ended long ago", () => {
    const past = session({
      state: "ended",
      endReason: "terminated",
      openedAtMs: 900,
      secondViewer: "take-over",
    });
    expect(decide([opened], [past, other()]).yielding).toEqual([]);
  });
});
