/** Following a feed over lost connections: from where, how soon, and when it is given up. */
import { describe, expect, it } from "vitest";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { type FeedItem, followFeed } from "../../../relay/cli/watch/follow-feed.ts";
import type { ApiFailure } from "../../../relay/control/http-json.ts";

type Chunk = Result<Uint8Array, ApiFailure>;

const event = (type: string, id: number): Chunk =>
  ok(new TextEncoder().encode(`event: ${type}\ndata: {}\nid: ${id}\n\n`));

const refusal = (status: number | null, kind: ApiFailure["kind"] = "refused"): Chunk =>
  fail({ kind, status, code: null, sentence: `Failed: ${status ?? kind}.` });

const away = refusal(null, "unreachable");

/** What comes of connections that go so, one after the other; the watcher then leaves. */
async function follow(connections: readonly (readonly Chunk[])[], random = 1) {
  const controller = new AbortController();
  const askedFrom: (string | null)[] = [];
  const waitsMs: number[] = [];
  const told: string[] = [];
  const feed = followFeed({
    connect: async function* connect(lastEventId) {
      askedFrom.push(lastEventId);
      yield* connections[askedFrom.length - 1] ?? [];
    },
    wait: async (ms) => {
      waitsMs.push(ms);
      if (askedFrom.length === connections.length) {
        controller.abort();
      }
    },
    random: () => random,
    signal: controller.signal,
  });
  for await (const item of feed) {
    told.push(item.ok ? sayItem(item.value) : `failed: ${item.error.sentence}`);
  }
  return { told, askedFrom, waitsMs };
}

function sayItem(item: FeedItem): string {
  return item.kind === "event" ? `${item.event.type} ${item.event.id}` : `lost: ${item.sentence}`;
}

describe("a feed that ends by itself", () => {
  it("is gone on with from the last id, soon and without a word", async () => {
    const { told, askedFrom, waitsMs } = await follow([
      [event("ready", 1), event("session", 5)],
      [event("ready", 5)],
    ]);
    expect(told).toEqual(["ready 1", "session 5", "ready 5"]);
    expect(askedFrom).toEqual([null, "5"]);
    expect(waitsMs).toEqual([1_000, 1_000]);
  });

  it("is come back to when it asks for it", async () => {
    const patient = new TextEncoder().encode("data: {}\nretry: 9000\n\n");
    expect((await follow([[ok(patient)]])).waitsMs).toEqual([9_000]);
  });
});

describe("a feed that is lost", () => {
  it("is tried again after longer and longer, and from the last id", async () => {
    const outage = Array.from({ length: 8 }, () => [away]);
    const { told, askedFrom, waitsMs } = await follow([
      [event("session", 5), away],
      ...outage,
      [event("ready", 5), away],
    ]);
    expect(told.slice(0, 3)).toEqual([
      "session 5",
      "lost: The connection to the control plane was lost.",
      "lost: Failed: unreachable.",
    ]);
    expect(askedFrom.slice(1)).toEqual(Array.from({ length: 9 }, () => "5"));
    expect(waitsMs.map((ms) => ms / 1_000)).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30, 1]);
  });

  it("is not come back to by all who lost it at once", async () => {
    const { waitsMs } = await follow([[event("ready", 1), away], [away]], 0);
    expect(waitsMs).toEqual([500, 1_000]);
  });

  it("is given up after some minutes", async () => {
    const { told, waitsMs } = await follow([
      [event("ready", 1), away],
      ...Array.from({ length: 20 }, () => [refusal(503)]),
    ]);
    expect(told.at(-1)).toBe("failed: Failed: 503.");
    const totalMs = waitsMs.reduce((sum, ms) => sum + ms, 0);
    expect(totalMs).toBeGreaterThan(4 * 60_000);
    expect(totalMs).toBeLessThan(6 * 60_000);
  });

  it("also when connections are made and say nothing", async () => {
    const { told } = await follow([[event("ready", 1)], [], []]);
    expect(told.slice(1)).toEqual(
      Array.from({ length: 2 }, () => "lost: The control plane's feed ended before it had begun."),
    );
  });
});

describe("a feed that cannot be had", () => {
  it.each([
    ["at first", [[away]], "failed: Failed: unreachable."],
    ["at first, and says nothing", [[]], "failed: The control plane's feed ended before"],
    ["any more", [[event("ready", 1)], [refusal(401)]], "failed: Failed: 401."],
    [
      "from this address",
      [[event("ready", 1)], [refusal(404, "malformed")]],
      "failed: Failed: 404",
    ],
  ])("%s is a failure at once", async (_when, connections, sentence) => {
    const { told, askedFrom } = await follow([...connections, []]);
    expect(told.at(-1)).toContain(sentence);
    expect(askedFrom).toHaveLength(connections.length);
  });
});

it("says nothing of the connection that the watcher himself has ended", async () => {
  const controller = new AbortController();
  const told: unknown[] = [];
  const feed = followFeed({
    connect: async function* connect() {
      yield event("ready", 1);
      controller.abort();
      yield refusal(null, "unreachable");
    },
    wait: async () => undefined,
    random: () => 0,
    signal: controller.signal,
  });
  for await (const item of feed) {
    told.push(item);
  }
  expect(told).toHaveLength(1);
});
