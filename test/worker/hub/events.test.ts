/** What relays report and ask: stored once in the real database, through the real hub. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import type { NumberedEvent, RelayEvent } from "#shared/control/contract.ts";
import { SNAPSHOT_SESSIONS_MAX } from "#shared/control/limits.ts";
import { EXPIRY_FIRST_LOOK_MS } from "../../../worker/hub/hub-state.ts";
import { expireSessions, OPENING_GRACE_MS } from "../../../worker/services/unopened-sessions.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import { services } from "../api/api-client.ts";
import { enrolTestRelay, HELLO, RelaySocket } from "../relays/test-relay.ts";
import {
  auditTypes,
  passTime,
  push,
  ringAfter,
  seedSession,
  sessionRow,
  ticketRow,
} from "./hub-fixture.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const numbered = (events: readonly RelayEvent[], firstSeq = 1): NumberedEvent[] =>
  events.map((event, index) => ({ seq: firstSeq + index, atMs: Date.now(), event }));

const opened = (sessionId: string): RelayEvent => ({
  type: "session.opened",
  sessionId,
  clientAddress: "192.0.2.5",
});
const ended = (sessionId: string): RelayEvent => ({
  type: "session.ended",
  sessionId,
  reason: "client-closed",
  detail: "the client left",
  clientBytes: 2 ** 40,
  serverBytes: 7,
});

async function count(relayId: string, type: string): Promise<number> {
  return (await auditTypes(relayId)).filter((one) => one === type).length;
}

describe("events on the link", () => {
  it("make the session's story, and are acknowledged when it is stored", async () => {
    const relay = await enrolTestRelay();
    const { sessionId } = await seedSession(relay.relayId);
    const socket = await RelaySocket.link(relay);
    socket.send({ type: "events", stream: "str_1", events: numbered([opened(sessionId)]) });
    expect(await socket.next()).toEqual({ type: "events-ack", stream: "str_1", seq: 1 });
    expect(await sessionRow(sessionId)).toMatchObject({
      state: "active",
      clientAddress: "192.0.2.5",
    });
    expect((await ticketRow(sessionId))?.consumedAtMs).not.toBe(null);
    socket.send({ type: "events", stream: "str_1", events: numbered([ended(sessionId)], 2) });
    expect(await socket.next()).toEqual({ type: "events-ack", stream: "str_1", seq: 2 });
    expect(await sessionRow(sessionId)).toMatchObject({
      state: "ended",
      endReason: "client-closed",
      endDetail: "the client left",
      clientBytes: 2 ** 40,
      serverBytes: 7,
    });
    socket.close();
  });

  it("that come again are acknowledged again and stored once; the next welcome knows them", async () => {
    const relay = await enrolTestRelay();
    const { sessionId } = await seedSession(relay.relayId);
    const events = numbered([opened(sessionId), ended(sessionId)]);
    const socket = await RelaySocket.link(relay);
    for (const _ of [1, 2]) {
      socket.send({ type: "events", stream: "str_1", events });
      expect(await socket.next()).toEqual({ type: "events-ack", stream: "str_1", seq: 2 });
    }
    expect(await count(relay.relayId, "session.opened")).toBe(1);
    expect(await count(relay.relayId, "session.ended")).toBe(1);
    const again = await RelaySocket.open(relay);
    again.send(HELLO);
    expect(await again.next()).toMatchObject({ stream: "str_1", storedSeq: 2 });
    again.close();
  });

  it("are not acknowledged while the database is away, and stored afterwards", async () => {
    const relay = await enrolTestRelay();
    const { sessionId } = await seedSession(relay.relayId);
    const events = numbered([opened(sessionId)]);
    const socket = await RelaySocket.link(relay);
    const away = vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("no route"));
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    socket.send({ type: "events", stream: "str_1", events });
    expect(await socket.closed).toEqual({
      code: CONTROL_CLOSE.retry.closeCode,
      reason: CONTROL_CLOSE.retry.reason,
    });
    away.mockRestore();
    const again = await RelaySocket.link(relay);
    again.send({ type: "events", stream: "str_1", events });
    expect(await again.next()).toEqual({ type: "events-ack", stream: "str_1", seq: 1 });
    expect(await count(relay.relayId, "session.opened")).toBe(1);
    again.close();
  });
});

describe("storeRelayEvents", () => {
  it("stores each event once, also when two hubs store the same at the same time", async () => {
    const relay = await enrolTestRelay();
    const { sessionId } = await seedSession(relay.relayId);
    const events = numbered([opened(sessionId), ended(sessionId)]);
    const stored = await Promise.all(
      [1, 2, 3].map(() => storeRelayEvents(services(), relay.relayId, "str_1", events)),
    );
    expect(stored).toEqual([2, 2, 2]);
    expect(await count(relay.relayId, "session.ended")).toBe(1);
  });

  it("stores nothing of a message of which a part cannot be stored", async () => {
    const relay = await enrolTestRelay();
    const { sessionId } = await seedSession(relay.relayId);
    const context = { ...services(), randomBytes: (size: number) => new Uint8Array(size) };
    // The same audit id twice: the second row violates the key after the session was changed.
    const events = numbered([opened(sessionId), ended(sessionId)]);
    await expect(storeRelayEvents(context, relay.relayId, "str_1", events)).rejects.toThrow();
    expect((await sessionRow(sessionId))?.state).toBe("pending");
    expect(await storeRelayEvents(services(), relay.relayId, "str_1", events)).toBe(2);
  });

  it("takes the largest snapshot, resumes what lives and ends what does not", async () => {
    const relay = await enrolTestRelay();
    const lost = { state: "ended", endReason: "relay-lost", endedAtMs: 1 } as const;
    const living = await seedSession(relay.relayId, lost);
    const gone = await seedSession(relay.relayId, { state: "active" });
    const sessionIds = Array.from({ length: SNAPSHOT_SESSIONS_MAX - 1 }, (_, index) => `x${index}`);
    sessionIds.push(living.sessionId);
    const events = numbered([{ type: "relay.snapshot", sessionIds }]);
    expect(await storeRelayEvents(services(), relay.relayId, "str_1", events)).toBe(1);
    expect(await sessionRow(living.sessionId)).toMatchObject({
      state: "active",
      endReason: null,
      endedAtMs: null,
    });
    expect(await sessionRow(gone.sessionId)).toMatchObject({ endReason: "relay-restarted" });
    expect(await count(relay.relayId, "session.resumed")).toBe(1);
    expect(await count(relay.relayId, "relay.refused")).toBe(1);
    expect(await count(relay.relayId, "session.ended")).toBe(1);
  });

  it("lets no relay speak of another's session", async () => {
    const [relay, other] = [await enrolTestRelay(), await enrolTestRelay()];
    const { sessionId } = await seedSession(other.relayId, { state: "active" });
    const events = numbered([ended(sessionId), { type: "relay.snapshot", sessionIds: [] }]);
    expect(await storeRelayEvents(services(), relay.relayId, "str_1", events)).toBe(2);
    expect((await sessionRow(sessionId))?.state).toBe("active");
    expect(await count(relay.relayId, "relay.refused")).toBe(1);
    expect(await count(other.relayId, "session.ended")).toBe(0);
  });

  it("remembers only the newest streams, and the newest is what a welcome names", async () => {
    const relay = await enrolTestRelay();
    const snapshot: RelayEvent = { type: "relay.snapshot", sessionIds: [] };
    for (let index = 0; index < 12; index += 1) {
      const events = numbered([snapshot], index + 1);
      await storeRelayEvents(services(), relay.relayId, `str_${index}`, events);
    }
    const socket = await RelaySocket.open(relay);
    socket.send(HELLO);
    expect(await socket.next()).toMatchObject({ stream: "str_11", storedSeq: 12 });
    socket.close();
    const kept = await storeRelayEvents(services(), relay.relayId, "str_11", numbered([snapshot]));
    expect(kept).toBe(12);
    const forgotten = numbered([snapshot]);
    expect(await storeRelayEvents(services(), relay.relayId, "str_0", forgotten)).toBe(1);
  });
});

describe("look-ups", () => {
  async function ask(
    relayId: string,
    socket: RelaySocket,
    facts: Parameters<typeof seedSession>[1] = {},
    ticket: Parameters<typeof seedSession>[2] = {},
  ) {
    const { ticketHash } = await seedSession(relayId, facts, ticket);
    socket.send({ type: "lookup", requestId: "r1", ticketHash });
    return await socket.next();
  }

  it("give a grant that can still be used, and else say why there is none", async () => {
    const relay = await enrolTestRelay();
    const other = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const nowMs = Date.now();
    expect(await ask(relay.relayId, socket)).toMatchObject({
      type: "lookup-answer",
      requestId: "r1",
      grant: expect.stringMatching(/^jws-/),
      reason: null,
    });
    const refused: [
      Parameters<typeof seedSession>[1],
      Parameters<typeof seedSession>[2],
      string,
    ][] = [
      [{}, { expiresAtMs: nowMs }, "expired"],
      [{}, { withdrawnAtMs: nowMs }, "unknown"],
      [{ state: "active", openedAtMs: nowMs }, { consumedAtMs: nowMs }, "used"],
      [{ state: "ended", openedAtMs: nowMs }, {}, "used"],
      [{ state: "ended", endReason: "failed" }, {}, "unknown"],
    ];
    for (const [facts, ticket, reason] of refused) {
      expect(await ask(relay.relayId, socket, facts, ticket)).toMatchObject({
        grant: null,
        reason,
      });
    }
    expect(await ask(other.relayId, socket)).toMatchObject({ grant: null, reason: "unknown" });
    socket.close();
  });

  it("are unverifiable while the database is away, and the link goes on", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const away = vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("no route"));
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    socket.send({ type: "lookup", requestId: "r1", ticketHash: "h".repeat(43) });
    expect(await socket.next()).toMatchObject({ grant: null, reason: "unverifiable" });
    away.mockRestore();
    expect(await ask(relay.relayId, socket)).toMatchObject({ reason: null });
    socket.close();
  });
});

describe("sessions that nobody opens", () => {
  it("are ended by the hub after their ticket's time, once", async () => {
    const relay = await enrolTestRelay();
    const { sessionId } = await seedSession(relay.relayId, {}, { expiresAtMs: Date.now() + 1_000 });
    const socket = await RelaySocket.link(relay);
    const pushed = push(relay.relayId, { kind: "grant", grant: "jws" });
    await socket.next();
    socket.send({ type: "ack", seq: 1, refusal: null });
    await pushed;
    await ringAfter(relay.relayId, Math.max(EXPIRY_FIRST_LOOK_MS, OPENING_GRACE_MS + 1_000));
    await expect
      .poll(() => sessionRow(sessionId))
      .toMatchObject({ state: "ended", endReason: "never-opened" });
    await expireSessions(services(), relay.relayId);
    expect(await count(relay.relayId, "session.ended")).toBe(1);
  });

  it("are left alone within the grace, and the answer says when to look again", async () => {
    const relay = await enrolTestRelay();
    const expiresAtMs = Date.now() + 5_000;
    const { sessionId } = await seedSession(relay.relayId, {}, { expiresAtMs });
    passTime(5_000 + OPENING_GRACE_MS - 1);
    expect(await expireSessions(services(), relay.relayId)).toBe(expiresAtMs + OPENING_GRACE_MS);
    expect((await sessionRow(sessionId))?.state).toBe("pending");
    passTime(1);
    expect(await expireSessions(services(), relay.relayId)).toBe(null);
    expect((await sessionRow(sessionId))?.state).toBe("ended");
  });
});
