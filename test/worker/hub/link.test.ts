/** The hub on the real platform: its socket, its outbox, its alarms, and what outlives its memory. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { CONTROL_VERSIONS } from "#shared/control/contract.ts";
import { HELLO_DEADLINE_MS, LEASE_MS, PUSH_ACK_DEADLINE_MS } from "#shared/control/limits.ts";
import { RELAY_LOST_GRACE_MS } from "../../../worker/hub/hub-state.ts";
import { endSessionsOfLostRelay } from "../../../worker/services/relay-presence.ts";
import { services } from "../api/api-client.ts";
import { HELLO, enrolTestRelay, RelaySocket } from "../relays/test-relay.ts";
import {
  auditTypes,
  hubOf,
  passTime,
  push,
  relayState,
  ringAfter,
  seedSession,
  sessionRow,
} from "./hub-fixture.ts";

/** Of a relay of this build. */
const NEWEST = { versions: CONTROL_VERSIONS };

const closing = ({ closeCode, reason }: { closeCode: number; reason: string }) => ({
  code: closeCode,
  reason,
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("a relay's link", () => {
  it("welcomes the relay with its own keys and shows it online", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.open(relay);
    socket.send(HELLO);
    const welcome = await socket.next();
    expect(welcome).toMatchObject({
      type: "welcome",
      version: 1,
      grantIssuer: "https://kerbside.test",
      stream: null,
      storedSeq: 0,
    });
    expect(JSON.stringify(welcome)).not.toContain('"d"');
    expect(await relayState(relay.relayId)).toBe("online");
    expect(await auditTypes(relay.relayId)).toEqual(
      expect.arrayContaining(["relay.enrolled", "relay.online"]),
    );
  });

  it("tells a relay of another version why it is refused", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.open(relay);
    socket.send({ ...HELLO, versions: { min: 9, max: 9 } });
    expect(await socket.next()).toMatchObject({
      type: "refuse",
      code: "relay.version-unsupported",
    });
    expect(await socket.closed).toEqual(closing(CONTROL_CLOSE.version));
    await expect
      .poll(() => auditTypes(relay.relayId))
      .toEqual(expect.arrayContaining(["relay.refused"]));
    expect(await relayState(relay.relayId)).toBe("offline");
  });

  it.each(["nonsense", '{"type":"push","seq":1}', "x".repeat(300 * 1024)])(
    "ends at the malformed message %.24s and shows the relay offline at once",
    async (text) => {
      const relay = await enrolTestRelay();
      const socket = await RelaySocket.link(relay);
      socket.sendText(text);
      expect(await socket.next()).toMatchObject({ type: "refuse", code: "control.malformed" });
      expect(await socket.closed).toEqual(closing(CONTROL_CLOSE.malformed));
      await expect.poll(() => relayState(relay.relayId)).toBe("offline");
    },
  );

  it("goes to the newest connection; the older one is told", async () => {
    const relay = await enrolTestRelay();
    const older = await RelaySocket.link(relay);
    const newer = await RelaySocket.link(relay);
    expect(await older.closed).toEqual(closing(CONTROL_CLOSE.replaced));
    const pushed = push(relay.relayId, { kind: "withdraw", sessionId: "ses_1" });
    expect(await newer.next()).toMatchObject({ type: "push", seq: 1 });
    newer.send({ type: "ack", seq: 1, refusal: null });
    expect(await pushed).toEqual({ ok: true, value: null });
    expect(await relayState(relay.relayId)).toBe("online");
  });

  it("ends when no hello comes in time", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.open(relay);
    await ringAfter(relay.relayId, HELLO_DEADLINE_MS);
    expect(await socket.closed).toEqual(closing(CONTROL_CLOSE.silent));
  });

  it("lives by heartbeats that never wake the hub, and ends without them", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    passTime(LEASE_MS - 1);
    socket.sendText("ping");
    expect(await socket.nextText()).toBe("pong");
    await ringAfter(relay.relayId, LEASE_MS * 2);
    expect(await socket.closed).toEqual(closing(CONTROL_CLOSE.silent));
    await expect.poll(() => relayState(relay.relayId)).toBe("offline");
  });

  it("is refused without the database, and the relay is told to come again", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.open(relay);
    vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("no route"));
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    socket.send(HELLO);
    expect(await socket.closed).toEqual(closing(CONTROL_CLOSE.retry));
  });
});

describe("a push", () => {
  it("is acknowledged by the relay, or refused by it", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const first = push(relay.relayId, { kind: "grant", grant: "one" });
    expect(await socket.next()).toEqual({
      type: "push",
      seq: 1,
      command: { kind: "grant", grant: "one" },
    });
    socket.send({ type: "ack", seq: 1, refusal: null });
    expect(await first).toEqual({ ok: true, value: null });
    const second = push(relay.relayId, { kind: "grant", grant: "two" });
    expect(await socket.next()).toMatchObject({ seq: 2 });
    socket.send({ type: "ack", seq: 2, refusal: "control.grant-invalid" });
    expect(await second).toMatchObject({ ok: false, error: { code: "control.grant-invalid" } });
  });

  it("fails at once for a relay that is away", async () => {
    const relay = await enrolTestRelay();
    expect(await push(relay.relayId, { kind: "grant", grant: "one" })).toMatchObject({
      ok: false,
      error: { code: "control.offline" },
    });
  });

  it("that is larger than a message is refused", async () => {
    const relay = await enrolTestRelay();
    const pushed = await push(relay.relayId, { kind: "grant", grant: "g".repeat(256 * 1024) });
    expect(pushed).toMatchObject({ ok: false, error: { code: "control.grant-invalid" } });
  });

  it("is withdrawn when it is late: the relay never gets that grant again", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const pushed = push(relay.relayId, { kind: "grant", grant: "late" });
    expect(await socket.next()).toMatchObject({ type: "push", seq: 1 });
    await ringAfter(relay.relayId, PUSH_ACK_DEADLINE_MS);
    expect(await pushed).toMatchObject({ ok: false, error: { code: "control.ack-timeout" } });
    const again = await RelaySocket.link(relay);
    const next = push(relay.relayId, { kind: "withdraw", sessionId: "ses_1" });
    expect(await again.next()).toMatchObject({ seq: 2, command: { kind: "withdraw" } });
    again.send({ type: "ack", seq: 2, refusal: null });
    expect(await next).toEqual({ ok: true, value: null });
  });

  it("to end a session waits for a relay that is away, through the hub's own end", async () => {
    const relay = await enrolTestRelay();
    const command = {
      kind: "terminate",
      sessionId: "ses_1",
      reason: "enough",
      cause: "terminated",
    } as const;
    expect(await push(relay.relayId, command)).toMatchObject({
      ok: false,
      error: { code: "control.offline" },
    });
    await evictDurableObject(hubOf(relay.relayId), { webSockets: "close" });
    const socket = await RelaySocket.link(relay);
    expect(await socket.next()).toEqual({ type: "push", seq: 1, command });
    socket.close();
    const again = await RelaySocket.link(relay);
    expect(await again.next()).toEqual({ type: "push", seq: 2, command });
    again.send({ type: "ack", seq: 2, refusal: null });
    const last = await RelaySocket.link(relay);
    const next = push(relay.relayId, { kind: "withdraw", sessionId: "ses_2" });
    expect(await last.next()).toMatchObject({ seq: 3 });
    last.send({ type: "ack", seq: 3, refusal: null });
    expect(await next).toEqual({ ok: true, value: null });
  });
});

describe("hibernation", () => {
  it("loses neither the link nor the numbers of its pushes", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const first = push(relay.relayId, { kind: "grant", grant: "one" });
    await socket.next();
    socket.send({ type: "ack", seq: 1, refusal: null });
    await first;
    await evictDurableObject(hubOf(relay.relayId));
    socket.sendText("ping");
    expect(await socket.nextText()).toBe("pong");
    const second = push(relay.relayId, { kind: "grant", grant: "two" });
    expect(await socket.next()).toMatchObject({ type: "push", seq: 2 });
    socket.send({ type: "ack", seq: 2, refusal: null });
    expect(await second).toEqual({ ok: true, value: null });
  });

  it("keeps a socket that has not said hello yet", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.open(relay);
    await evictDurableObject(hubOf(relay.relayId));
    socket.send(HELLO);
    expect(await socket.next()).toMatchObject({ type: "welcome" });
  });

  it("drops grants of a life that ended, and no orders to end sessions", async () => {
    const relay = await enrolTestRelay();
    await RelaySocket.link(relay);
    await runInDurableObject(hubOf(relay.relayId), (_hub, state) => {
      const insert = "INSERT INTO pushes (id, command) VALUES (?, ?)";
      state.storage.sql.exec(insert, 1, '{"kind":"grant","grant":"old"}');
      state.storage.sql.exec(insert, 2, '{"kind":"withdraw","sessionId":"ses_1"}');
      state.storage.sql.exec(insert, 3, '{"kind":"drain","order":{"endsAtMs":null}}');
    });
    await evictDurableObject(hubOf(relay.relayId), { webSockets: "close" });
    const socket = await RelaySocket.link(relay, NEWEST);
    expect(await socket.next()).toMatchObject({ seq: 1, command: { kind: "withdraw" } });
    const kept = await runInDurableObject(hubOf(relay.relayId), (_hub, state) =>
      state.storage.sql.exec("SELECT id, seq FROM pushes").toArray(),
    );
    expect(kept).toEqual([{ id: 2, seq: 1 }]);
  });

  it("adopts what a hub of the first build had kept, under new numbers", async () => {
    const relay = await enrolTestRelay();
    await RelaySocket.link(relay);
    await runInDurableObject(hubOf(relay.relayId), (_hub, state) => {
      const { sql } = state.storage;
      sql.exec("DROP TABLE pushes");
      sql.exec("CREATE TABLE outbox (seq INTEGER PRIMARY KEY, command TEXT NOT NULL) STRICT");
      sql.exec("INSERT INTO outbox VALUES (7, ?)", '{"kind":"withdraw","sessionId":"ses_1"}');
      const select = "SELECT value FROM memory WHERE key = 'state'";
      const { value } = sql.exec<{ value: string }>(select).one();
      const memory = JSON.parse(value) as Record<string, unknown>;
      const first = { ...memory, nextSeq: 8, nextId: undefined };
      sql.exec("UPDATE memory SET value = ? WHERE key = 'state'", JSON.stringify(first));
    });
    await evictDurableObject(hubOf(relay.relayId), { webSockets: "close" });
    const socket = await RelaySocket.link(relay);
    expect(await socket.next()).toMatchObject({ seq: 8, command: { kind: "withdraw" } });
    socket.send({ type: "ack", seq: 8, refusal: null });
    const next = push(relay.relayId, { kind: "withdraw", sessionId: "ses_2" });
    expect(await socket.next()).toMatchObject({ seq: 9 });
    socket.send({ type: "ack", seq: 9, refusal: null });
    expect(await next).toEqual({ ok: true, value: null });
  });

  it("keeps the number under which an order is on its way", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay, NEWEST);
    const deny = {
      kind: "deny",
      revision: 1,
      denials: [{ subject: "user", id: "usr_1", atMs: 1, untilMs: 2 }],
    } as const;
    const pushed = push(relay.relayId, { ...deny, denials: [...deny.denials] });
    expect(await socket.next()).toMatchObject({ seq: 1, command: deny });
    await ringAfter(relay.relayId, PUSH_ACK_DEADLINE_MS);
    expect(await pushed).toMatchObject({ error: { code: "control.ack-timeout" } });
    await evictDurableObject(hubOf(relay.relayId));
    socket.send({ type: "ack", seq: 1, refusal: null });
    await expect
      .poll(() =>
        runInDurableObject(hubOf(relay.relayId), (_hub, state) =>
          state.storage.sql.exec("SELECT id FROM pushes").toArray(),
        ),
      )
      .toEqual([]);
  });

  it("forgets neither that the control plane drains the relay nor what it said of its load", async () => {
    const relay = await enrolTestRelay();
    const load = { sessions: 1, channels: 90, bytesPerS: 0, cpuShare: 0, loopDelayMs: 0 };
    const socket = await RelaySocket.link(relay, { ...NEWEST, load });
    const drained = push(relay.relayId, { kind: "drain", order: { endsAtMs: null } });
    expect(await socket.next()).toMatchObject({ seq: 1, command: { kind: "drain" } });
    socket.send({ type: "ack", seq: 1, refusal: null });
    expect(await drained).toEqual({ ok: true, value: null });
    await evictDurableObject(hubOf(relay.relayId));
    expect(await push(relay.relayId, { kind: "grant", grant: "one" })).toMatchObject({
      error: { code: "relay.draining" },
    });
    expect(await services().hubs.report(relay.relayId)).toMatchObject({ linked: true, load });
  });
});

describe("a relay that vanishes", () => {
  it("is offline at once; its sessions end after the grace, each with a record", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const { sessionId } = await seedSession(relay.relayId, { state: "active" });
    socket.close();
    await socket.closed;
    await expect.poll(() => relayState(relay.relayId)).toBe("offline");
    expect((await sessionRow(sessionId))?.state).toBe("active");
    await ringAfter(relay.relayId, RELAY_LOST_GRACE_MS);
    await expect
      .poll(() => sessionRow(sessionId))
      .toMatchObject({ state: "ended", endReason: "relay-lost" });
    const types = await auditTypes(relay.relayId);
    expect(types.filter((type) => type === "session.ended")).toHaveLength(1);
    expect(types.filter((type) => type === "relay.offline")).toHaveLength(1);
  });

  it("and is back in time loses no session", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const { sessionId } = await seedSession(relay.relayId, { state: "active" });
    socket.close();
    await socket.closed;
    const again = await RelaySocket.link(relay);
    await ringAfter(relay.relayId, RELAY_LOST_GRACE_MS);
    expect((await sessionRow(sessionId))?.state).toBe("active");
    expect(await relayState(relay.relayId)).toBe("online");
    again.close();
  });

  it("and is online by then keeps its sessions, whatever was still owed", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const { sessionId } = await seedSession(relay.relayId, { state: "active" });
    await endSessionsOfLostRelay(services(), relay.relayId);
    expect((await sessionRow(sessionId))?.state).toBe("active");
    socket.close();
  });

  it("with the control plane is found out by the hub that wakes up without its socket", async () => {
    const relay = await enrolTestRelay();
    await RelaySocket.link(relay);
    await evictDurableObject(hubOf(relay.relayId), { webSockets: "close" });
    await ringAfter(relay.relayId, 0);
    await expect.poll(() => relayState(relay.relayId)).toBe("offline");
  });
});
