import { describe, expect, it } from "vitest";
import { changeAccess, grantAccess } from "../../../worker/services/access-rules.ts";
import { fetchConsoleFile } from "../../../worker/services/console-files.ts";
import { expireSessions } from "../../../worker/services/unopened-sessions.ts";
import {
  endSessionsOfLostRelay,
  markRelayOffline,
} from "../../../worker/services/relay-presence.ts";
import { readSession } from "../../../worker/services/sessions.ts";
import {
  terminateSession,
  terminateSessionsOfConsole,
  terminateSessionsOfUser,
} from "../../../worker/services/terminate-sessions.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { recordedEvents } from "../../harness/audit-trail.ts";
import { type SessionsScene, startSessionsScene } from "../../harness/sessions-scene.ts";

const terminated = (scene: SessionsScene) =>
  scene.services.pushes.flatMap(({ command }) =>
    command.kind === "terminate" ? [command.sessionId] : [],
  );

const end = (sessionId: string) =>
  ({
    type: "session.ended",
    sessionId,
    reason: "client-closed",
    detail: "",
    clientBytes: 0,
    serverBytes: 0,
  }) as const;

describe("ending the sessions of a console", () => {
  it("ends the living ones, whoever has them, and nobody else's", async () => {
    await using scene = await startSessionsScene();
    const bob = await scene.services.makeCaller("bob", "admin");
    const [first, second] = [await scene.makeConsole("a"), await scene.makeConsole("b")];
    const over = await scene.open(scene.admin, first);
    await scene.report(end(over));
    const living = [await scene.open(scene.admin, first), await scene.open(bob, first)];
    await scene.open(bob, second);
    const outcome = await terminateSessionsOfConsole(scene.context, scene.admin, first);
    expect(outcome).toMatchObject({ ok: true, value: { unreached: [], more: false } });
    expect(outcome.ok && [...outcome.value.ending].sort()).toEqual([...living].sort());
    expect(terminated(scene).sort()).toEqual([...living].sort());
  });

  it("is for its owner and for who may end everybody's", async () => {
    await using scene = await startSessionsScene();
    const consoleId = await scene.makeConsole("a");
    await scene.open(scene.admin, consoleId);
    const bob = await scene.services.makeCaller("bob", "user");
    const attempt = async () => {
      const outcome = await terminateSessionsOfConsole(scene.context, bob, consoleId);
      return outcome.ok ? outcome.value.ending.length : outcome.error.code;
    };
    expect(await attempt()).toBe("resource.not-found");
    const subject = { kind: "user", id: bob.actorId } as const;
    const rule = { subject, match: { consoleId }, level: "open" } as const;
    const granted = await grantAccess(scene.context, scene.admin, rule);
    expect(await attempt()).toBe("console.access-too-low");
    expect(terminated(scene)).toEqual([]);
    const id = granted.ok ? granted.value.id : "";
    await changeAccess(scene.context, scene.admin, { id, level: "own" });
    expect(await attempt()).toBe(1);
    expect(scene.services.pushes.at(-1)).toMatchObject({
      command: { kind: "terminate", reason: "ended by the console's owner" },
    });
  });

  it("says which relays could not be told; their tickets open nothing all the same", async () => {
    await using scene = await startSessionsScene();
    const consoleId = await scene.makeConsole("a");
    const issued = await issueTicket(scene.context, scene.admin, consoleId);
    const { sessionId = "", vvUrl = "" } = issued.ok ? issued.value : {};
    scene.services.answerPushes(scene.relayId, { code: "control.offline", detail: "away" });
    const outcome = await terminateSessionsOfConsole(scene.context, scene.admin, consoleId);
    expect(outcome).toEqual({
      ok: true,
      value: { ending: [], unreached: [{ sessionId, code: "control.offline" }], more: false },
    });
    const token = vvUrl.split("/").at(-1) ?? "";
    const file = await fetchConsoleFile(scene.context, scene.admin, token);
    expect(file).toMatchObject({ ok: false, error: { code: "vv.gone" } });
  });
});

describe("ending a session that nobody has opened", () => {
  it("is over as soon as its relay has heard, and takes no further orders", async () => {
    await using scene = await startSessionsScene();
    const consoleId = await scene.makeConsole("a");
    const sessionId = await scene.open(scene.admin, consoleId);
    expect(await terminateSession(scene.context, scene.admin, sessionId)).toMatchObject({
      ok: true,
    });
    expect(await lifeOf(scene, sessionId)).toMatchObject({
      state: "ended",
      end_reason: "terminated",
      opened_at_ms: null,
      ended_at_ms: scene.context.nowMs(),
    });
    scene.services.moveClock(10 * 60_000);
    await expireSessions(scene.context, scene.relayId);
    const told = await recordedEvents(scene.context, { type: "session.ended" });
    expect(told.map(({ event }) => event.data)).toEqual([
      { reason: "terminated", clientBytes: 0, serverBytes: 0 },
    ]);
    await terminateSessionsOfConsole(scene.context, scene.admin, consoleId);
    expect(terminated(scene)).toEqual([sessionId]);
  });

  it("leaves one alone that is open", async () => {
    await using scene = await startSessionsScene();
    const sessionId = await scene.open(scene.admin, await scene.makeConsole("a"));
    await scene.report({ type: "session.opened", sessionId, clientAddress: "" });
    await terminateSession(scene.context, scene.admin, sessionId);
    expect(await lifeOf(scene, sessionId)).toMatchObject({ state: "active", end_reason: null });
  });

  it("yields to its relay, which opened it in that moment: its end is told with its bytes", async () => {
    await using scene = await startSessionsScene();
    const sessionId = await scene.open(scene.admin, await scene.makeConsole("a"));
    await terminateSession(scene.context, scene.admin, sessionId);
    const openedAtMs = scene.context.nowMs();
    await scene.report({ type: "session.opened", sessionId, clientAddress: "192.0.2.7" });
    expect(await lifeOf(scene, sessionId)).toMatchObject({ state: "active", ended_at_ms: null });
    const bytes = { clientBytes: 3, serverBytes: 4 };
    await scene.report({ ...end(sessionId), reason: "terminated", ...bytes });
    const life = {
      state: "ended",
      end_reason: "terminated",
      opened_at_ms: openedAtMs,
      client_bytes: 3,
      server_bytes: 4,
    };
    expect(await lifeOf(scene, sessionId)).toMatchObject(life);
    // What is told after that is no news.
    await scene.report({ type: "relay.snapshot", sessionIds: [sessionId] }, end(sessionId));
    expect(await lifeOf(scene, sessionId)).toMatchObject(life);
  });

  it("ends with its ticket while its relay is away, and then was terminated", async () => {
    await using scene = await startSessionsScene();
    const sessionId = await scene.open(scene.admin, await scene.makeConsole("a"));
    await lose(scene);
    await terminateSession(scene.context, scene.admin, sessionId);
    expect(await lifeOf(scene, sessionId)).toMatchObject({ state: "pending" });
    scene.services.moveClock(10 * 60_000);
    await expireSessions(scene.context, scene.relayId);
    expect(await lifeOf(scene, sessionId)).toMatchObject({
      state: "ended",
      end_reason: "terminated",
    });
    // Its relay had opened it before it was lost.
    const again = await terminateSession(scene.context, scene.admin, sessionId);
    expect(again).toMatchObject({ ok: false, error: { code: "control.offline" } });
    await scene.report({ type: "relay.snapshot", sessionIds: [sessionId] });
    expect(await lifeOf(scene, sessionId)).toMatchObject({ state: "active", end_reason: null });
  });

  async function lifeOf({ services }: SessionsScene, sessionId: string) {
    const [row] = await services.query("SELECT * FROM sessions WHERE id = ?", [sessionId]);
    return row;
  }
});

describe("ending the sessions of a user", () => {
  it("is for the user, and for who may end everybody's", async () => {
    await using scene = await startSessionsScene();
    const consoleId = await scene.makeConsole("a");
    const bob = await scene.services.makeCaller("bob", "user");
    const eve = await scene.services.makeCaller("eve", "user");
    const asBob = { ...bob, permissions: scene.admin.permissions };
    const mine = await scene.open(asBob, consoleId);
    const other = await terminateSessionsOfUser(scene.context, eve, bob.actorId);
    expect(other).toMatchObject({ ok: false, error: { code: "auth.forbidden" } });
    const own = await terminateSessionsOfUser(scene.context, bob, bob.actorId);
    expect(own).toMatchObject({ ok: true, value: { ending: [mine] } });
  });

  it("ends a bounded number at once and says that there are more", async () => {
    await using scene = await startSessionsScene();
    const consoleId = await scene.makeConsole("a");
    await scene.open(scene.admin, consoleId);
    for (let count = 0; count < 100; count += 1) {
      await scene.open(scene.admin, consoleId);
    }
    const first = await terminateSessionsOfUser(scene.context, scene.admin, scene.admin.actorId);
    expect(first).toMatchObject({ ok: true, value: { more: true } });
    expect(first.ok && first.value.ending).toHaveLength(100);
  }, 60_000);
});

describe("ending the sessions of something that is not there", () => {
  it("is refused, unless something of it still lives", async () => {
    await using scene = await startSessionsScene();
    const { context, admin } = scene;
    const missing = { ok: false, error: { code: "resource.not-found" } };
    expect(await terminateSessionsOfConsole(context, admin, "con_none")).toMatchObject(missing);
    expect(await terminateSessionsOfUser(context, admin, "usr_none")).toMatchObject(missing);
    const consoleId = await scene.makeConsole("a");
    const idle = { ok: true, value: { ending: [], unreached: [], more: false } };
    expect(await terminateSessionsOfConsole(context, admin, consoleId)).toEqual(idle);
    expect(await terminateSessionsOfUser(context, admin, admin.actorId)).toEqual(idle);
    const sessionId = await scene.open(admin, consoleId);
    await scene.services.query("UPDATE consoles SET deleted_at_ms = 1 WHERE id = ?", [consoleId]);
    const ended = await terminateSessionsOfConsole(context, admin, consoleId);
    expect(ended).toMatchObject({ ok: true, value: { ending: [sessionId] } });
  });
});

describe("a session that somebody ended", () => {
  it("says who asked for it, in the session and in the trail", async () => {
    await using scene = await startSessionsScene();
    const bob = await scene.services.makeCaller("bob", "user");
    const asBob = { ...bob, permissions: scene.admin.permissions };
    const id = await scene.open(asBob, await scene.makeConsole("a"));
    expect(await terminateSession(scene.context, scene.admin, id)).toMatchObject({ ok: true });
    const seen = await readSession(scene.context, bob, id);
    expect(seen).toMatchObject({
      ok: true,
      value: { session: { endRequestedBy: scene.admin.actorId, endRequesterName: "admin" } },
    });
  });
});

describe("the channels of a session", () => {
  it("are told with their times, bytes and addresses, each opening by itself", async () => {
    await using scene = await startSessionsScene();
    const id = await scene.open(scene.admin, await scene.makeConsole("a"));
    const channel = { sessionId: id, channel: "main", channelId: 0 } as const;
    const opened = { ...channel, type: "channel.opened", clientAddress: "192.0.2.1" } as const;
    const closed = {
      ...channel,
      type: "channel.closed",
      reason: "client-closed",
      clientBytes: 3,
      serverBytes: 4,
    } as const;
    const startMs = scene.context.nowMs();
    await scene.report(opened);
    scene.services.moveClock(1_000);
    await scene.report(closed);
    scene.services.moveClock(1_000);
    await scene.report(opened);
    const seen = await readSession(scene.context, scene.admin, id);
    expect(seen.ok && seen.value.channels).toEqual([
      {
        ...channel,
        clientAddress: "192.0.2.1",
        openedAtMs: startMs,
        closedAtMs: startMs + 1_000,
        closeReason: "client-closed",
        clientBytes: 3,
        serverBytes: 4,
      },
      {
        ...channel,
        clientAddress: "192.0.2.1",
        openedAtMs: startMs + 2_000,
        closedAtMs: null,
        closeReason: null,
        clientBytes: 0,
        serverBytes: 0,
      },
    ]);
  });

  it("are over with their session, though their relay said nothing", async () => {
    await using scene = await startSessionsScene();
    const id = await scene.open(scene.admin, await scene.makeConsole("a"));
    await scene.report({
      type: "channel.opened",
      sessionId: id,
      channel: "main",
      channelId: 0,
      clientAddress: "192.0.2.1",
    });
    scene.services.moveClock(500);
    await scene.report(end(id));
    const seen = await readSession(scene.context, scene.admin, id);
    expect(seen.ok && seen.value.channels).toMatchObject([
      { closedAtMs: scene.context.nowMs(), closeReason: null },
    ]);
  });
});

describe("a session whose relay was lost, and may carry it on", () => {
  it("is ended with its own order and its console's", async () => {
    await using scene = await startSessionsScene();
    const { context, admin } = scene;
    const consoleId = await scene.makeConsole("a");
    const bob = await scene.services.makeCaller("bob", "admin");
    const sessionId = await scene.open(bob, consoleId);
    await scene.report({ type: "session.opened", sessionId, clientAddress: "" });
    await lose(scene);
    expect(await reasonOf(scene, sessionId)).toBe("relay-lost");

    const unreached = [{ sessionId, code: "control.offline" }];
    const many = await terminateSessionsOfConsole(context, admin, consoleId);
    expect(many).toMatchObject({ ok: true, value: { ending: [], unreached, more: false } });
    // The order waits for the relay: whoever asks again, until there are no more, comes to an end.
    const again = await terminateSessionsOfConsole(context, admin, consoleId);
    expect(again).toMatchObject({ ok: true, value: { ending: [], unreached: [], more: false } });
    const single = await terminateSession(context, admin, sessionId);
    expect(single).toMatchObject({ ok: false, error: { code: "control.offline" } });
    expect(terminated(scene)).toEqual([sessionId, sessionId]);
    const read = await readSession(context, admin, sessionId);
    expect(read).toMatchObject({ ok: true, value: { session: { endRequestedBy: admin.actorId } } });
  });

  it("may have been opened with a ticket that expired meanwhile", async () => {
    await using scene = await startSessionsScene();
    const sessionId = await scene.open(scene.admin, await scene.makeConsole("a"));
    await lose(scene);
    scene.services.moveClock(10 * 60_000);
    await expireSessions(scene.context, scene.relayId);
    expect(await reasonOf(scene, sessionId)).toBe("never-opened");
    const outcome = await terminateSession(scene.context, scene.admin, sessionId);
    expect(outcome).toMatchObject({ ok: false, error: { code: "control.offline" } });
    expect(terminated(scene)).toEqual([sessionId]);
  });

  it("is none that came to nothing while its relay was there", async () => {
    await using scene = await startSessionsScene();
    const { context, admin, relayId, services } = scene;
    await services.query("UPDATE relays SET last_seen_at_ms = ?", [context.nowMs()]);
    services.moveClock(1);
    const consoleId = await scene.makeConsole("a");
    const sessionId = await scene.open(admin, consoleId);
    services.moveClock(4 * 60_000);
    await expireSessions(context, relayId);
    expect(await reasonOf(scene, sessionId)).toBe("never-opened");
    expect(await terminateSession(context, admin, sessionId)).toEqual({ ok: true, value: "ended" });
    const many = await terminateSessionsOfConsole(context, admin, consoleId);
    expect(many).toMatchObject({ ok: true, value: { ending: [], unreached: [] } });
  });

  it("has ended when its relay is back and has not shown it alive", async () => {
    await using scene = await startSessionsScene();
    const sessionId = await scene.open(scene.admin, await scene.makeConsole("a"));
    await scene.report({ type: "session.opened", sessionId, clientAddress: "" });
    await lose(scene);
    await scene.services.query(
      "UPDATE relays SET state = 'online', last_seen_at_ms = last_seen_at_ms + 1",
    );
    scene.services.moveClock(10 * 60_000);
    const outcome = await terminateSession(scene.context, scene.admin, sessionId);
    expect(outcome).toEqual({ ok: true, value: "ended" });
    expect(terminated(scene)).toEqual([]);
  });
});

/** The relay's link goes, and stays away longer than the grace. */
async function lose(scene: SessionsScene): Promise<void> {
  const { context, relayId, services } = scene;
  services.answerPushes(relayId, { code: "control.offline", detail: "away" });
  await markRelayOffline(context, relayId, "lost");
  await endSessionsOfLostRelay(context, relayId);
}

async function reasonOf(scene: SessionsScene, sessionId: string): Promise<string | null> {
  const read = await readSession(scene.context, scene.admin, sessionId);
  return read.ok ? read.value.session.endReason : null;
}
