import type { ActingUser } from "../../../worker/services/context.ts";
import { describe, expect, it } from "vitest";
import { sweepFeed } from "../../../worker/repositories/session-feed.ts";
import {
  ALLOWANCE_MS,
  type FeedItem,
  FOLLOW_LIFE_MS,
  followSessions,
  IDLE_MS,
  READ_EVERY_MS,
} from "../../../worker/services/session-feed.ts";
import { terminateSession } from "../../../worker/services/terminate-sessions.ts";
import { type SessionsScene, startSessionsScene } from "../../harness/sessions-scene.ts";

/** A follower whose sleeps move the clock, and do what the test wants to happen meanwhile. */
async function follow(
  scene: SessionsScene,
  caller: ActingUser,
  script: {
    readonly afterSeq?: number;
    /** What happens while it sleeps, one after the other; after the last it goes. */
    readonly meanwhile: readonly (() => unknown)[];
    readonly isStillAllowed?: () => boolean;
    readonly sleepsMs?: number;
  },
): Promise<FeedItem[]> {
  const items: FeedItem[] = [];
  let sleeps = 0;
  const feed = followSessions(scene.context, caller, {
    afterSeq: script.afterSeq ?? null,
    sleep: async (ms) => {
      scene.services.moveClock(script.sleepsMs ?? ms);
      await script.meanwhile[sleeps]?.();
      sleeps += 1;
      return sleeps <= script.meanwhile.length;
    },
    isStillAllowed: async () => script.isStillAllowed?.() ?? true,
  });
  for await (const item of feed) {
    items.push(item);
  }
  return items;
}

const states = (items: readonly FeedItem[]) =>
  items.flatMap((item) =>
    item.kind === "session" ? [`${item.session.id} ${item.session.state}`] : [],
  );

const seqOf = (items: readonly FeedItem[]): number =>
  Math.max(...items.flatMap((item) => ("seq" in item ? [item.seq] : [])));

describe("the feed of sessions", () => {
  it("tells each change of what the caller may see, and of nothing else", async () => {
    await using scene = await startSessionsScene();
    const alice = await scene.services.makeCaller("alice", "admin");
    const own: ActingUser = { ...alice, permissions: new Set(["sessions.read"]) };
    const [first, second] = [await scene.makeConsole("a"), await scene.makeConsole("b")];
    let mine = "";
    let other = "";
    const happen = [
      async () => {
        mine = await scene.open(alice, first);
        other = await scene.open(scene.admin, second);
      },
      async () =>
        await scene.report(
          { type: "session.opened", sessionId: mine, clientAddress: "192.0.2.1" },
          { type: "session.opened", sessionId: other, clientAddress: "192.0.2.2" },
        ),
    ];
    const seen = await follow(scene, own, { meanwhile: happen });
    expect(seen[0]).toEqual({ kind: "ready", seq: 0, missed: false });
    expect(states(seen)).toEqual([`${mine} pending`, `${mine} active`]);
    // From the number that was seen, an admin learns the rest.
    const all = await follow(scene, scene.admin, { afterSeq: 0, meanwhile: [] });
    expect(states(all)).toEqual([`${mine} active`, `${other} active`]);
  });

  it("goes on where the follower was, also over what is not his", async () => {
    await using scene = await startSessionsScene();
    const consoleId = await scene.makeConsole("a");
    const stranger: ActingUser = {
      ...(await scene.services.makeCaller("bob", "user")),
      permissions: new Set(["sessions.read"]),
    };
    await scene.open(scene.admin, consoleId);
    const before = await follow(scene, stranger, { meanwhile: [] });
    const mine = await scene.open({ ...stranger, permissions: scene.admin.permissions }, consoleId);
    const after = await follow(scene, stranger, { afterSeq: seqOf(before), meanwhile: [] });
    expect(states(after)).toEqual([`${mine} pending`]);
    const again = await follow(scene, stranger, { afterSeq: seqOf(after), meanwhile: [] });
    expect(states(again)).toEqual([]);
  });

  it("tells of a request to end a session, and who made it", async () => {
    await using scene = await startSessionsScene();
    const id = await scene.open(scene.admin, await scene.makeConsole("a"));
    const seen = await follow(scene, scene.admin, {
      meanwhile: [async () => await terminateSession(scene.context, scene.admin, id)],
    });
    expect(seen.at(-1)).toMatchObject({
      kind: "session",
      session: { id, endRequestedBy: scene.admin.actorId, endRequesterName: "admin" },
    });
  });

  it("says that something was missed when the number is too old, or of another database", async () => {
    await using scene = await startSessionsScene();
    const consoleId = await scene.makeConsole("a");
    for (let count = 0; count < 5; count += 1) {
      await scene.open(scene.admin, consoleId);
    }
    expect(await sweepFeed(scene.context.database, { kept: 2, atOnceMax: 10 })).toBe(3);
    const missed = async (afterSeq: number) => {
      const [ready] = await follow(scene, scene.admin, { afterSeq, meanwhile: [] });
      return ready?.kind === "ready" && ready.missed;
    };
    expect(await missed(2)).toBe(true);
    expect(await missed(3)).toBe(false);
    expect(await missed(5)).toBe(false);
    expect(await missed(6)).toBe(true);
  });

  it("ends when the login does, and by itself after its time", async () => {
    await using scene = await startSessionsScene();
    const logins = [true, false];
    const ended = await follow(scene, scene.admin, {
      meanwhile: Array.from({ length: 10 }, () => () => null),
      isStillAllowed: () => logins.shift() ?? false,
      sleepsMs: ALLOWANCE_MS,
    });
    expect(ended.at(-1)).toEqual({ kind: "ended" });
    expect(logins).toEqual([]);
    const whole = await follow(scene, scene.admin, {
      meanwhile: Array.from({ length: 10 }, () => () => null),
      sleepsMs: FOLLOW_LIFE_MS / 4,
    });
    expect(whole.filter(({ kind }) => kind === "idle")).toHaveLength(3);
    expect(whole.at(-1)).toEqual({ kind: "idle" });
  });

  it("says now and then that it is there", async () => {
    await using scene = await startSessionsScene();
    const sleeps = IDLE_MS / READ_EVERY_MS;
    const items = await follow(scene, scene.admin, {
      meanwhile: Array.from({ length: sleeps }, () => () => null),
    });
    expect(items.map(({ kind }) => kind)).toEqual(["ready", "idle"]);
  });
});
