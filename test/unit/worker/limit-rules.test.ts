import { describe, expect, it } from "vitest";
import {
  EMPTY_ENTRY,
  expiryOf,
  judgeAttempt,
  KNOWN_FOR_MS,
  type LimitEntry,
  type LimitRequest,
  settleAttempt,
  TELL_WINDOW_MS,
} from "../../../worker/limits/limit-rules.ts";

const RULE = { burst: 2, refillMs: 60_000 };
const NOW = 1_000_000_000;

/** A limiter in memory, with the time of the test's own. */
function startLimiter() {
  const entries = new Map<string, LimitEntry>();
  const entryOf = (key: string): LimitEntry => entries.get(key) ?? EMPTY_ENTRY;
  return {
    entries,
    take: (request: LimitRequest, atMs = NOW) => {
      const { answer, key, entry } = judgeAttempt(request, entryOf, atMs);
      entries.set(key, entry);
      return answer;
    },
    settle: (request: LimitRequest, from: "common" | "known", atMs = NOW) => {
      for (const { key, entry } of settleAttempt(request, from, entryOf, atMs)) {
        entries.set(key, entry);
      }
    },
  };
}

const from = (address: string): LimitRequest => ({
  key: "alice",
  rule: RULE,
  known: { key: `alice from ${address}`, rule: RULE },
});

describe("attempts at one account", () => {
  it("are counted together, whatever address they come from", () => {
    const { take } = startLimiter();
    expect(take(from("a"))).toEqual({ allowed: true, from: "common" });
    expect(take(from("b"))).toEqual({ allowed: true, from: "common" });
    expect(take(from("c"))).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
    expect(take({ key: "bob", rule: RULE })).toMatchObject({ allowed: true });
  });

  it("do not count when they were right", () => {
    const { take, settle } = startLimiter();
    for (let count = 0; count < 5; count += 1) {
      const answer = take(from("a"));
      expect(answer.allowed).toBe(true);
      settle(from("a"), answer.allowed ? answer.from : "common");
    }
    expect(take({ key: "alice", rule: RULE })).toMatchObject({ allowed: true });
    expect(take({ key: "alice", rule: RULE })).toMatchObject({ allowed: true });
    expect(take({ key: "alice", rule: RULE })).toMatchObject({ allowed: false });
  });

  it("from the owner's address go on while strangers empty the account's bucket", () => {
    const { take, settle } = startLimiter();
    const first = take(from("home"));
    settle(from("home"), first.allowed ? first.from : "common");
    take(from("evil"));
    take(from("evil"));
    expect(take(from("evil"))).toMatchObject({ allowed: false });
    expect(take(from("home"))).toEqual({ allowed: true, from: "known" });
    expect(take(from("home"))).toEqual({ allowed: true, from: "known" });
    expect(take(from("home"))).toMatchObject({ allowed: false });
  });

  it("from the owner's address leave the account's bucket as it is", () => {
    const { take, settle } = startLimiter();
    settle(from("home"), "common");
    take(from("home"));
    take(from("home"));
    expect(take(from("other"))).toEqual({ allowed: true, from: "common" });
  });

  it("know an address for a month after its last login", () => {
    const { take, settle } = startLimiter();
    settle(from("home"), "common");
    expect(take(from("home"), NOW + KNOWN_FOR_MS - 1)).toMatchObject({ from: "known" });
    expect(take(from("home"), NOW + KNOWN_FOR_MS)).toMatchObject({ from: "common" });
    settle(from("home"), "known", NOW + KNOWN_FOR_MS - 1);
    expect(take(from("home"), NOW + KNOWN_FOR_MS)).toMatchObject({ from: "known" });
  });
});

describe("a refusal", () => {
  it("is told once in its window, and again after it", () => {
    const { take } = startLimiter();
    const request = { key: "k", rule: { burst: 1, refillMs: TELL_WINDOW_MS * 10 } };
    take(request);
    const firsts = [0, 1, TELL_WINDOW_MS - 1, TELL_WINDOW_MS, TELL_WINDOW_MS + 1].map((later) => {
      const answer = take(request, NOW + later);
      return answer.allowed ? null : answer.isFirst;
    });
    expect(firsts).toEqual([true, false, false, true, false]);
  });

  it("of another key is told by itself", () => {
    const { take } = startLimiter();
    for (const key of ["k", "l"]) {
      const request = { key, rule: { burst: 1, refillMs: 60_000 } };
      take(request);
      expect(take(request)).toMatchObject({ allowed: false, isFirst: true });
    }
  });
});

describe("an entry", () => {
  it("is forgotten when it has nothing to say any more", () => {
    const { take, settle, entries } = startLimiter();
    take({ key: "k", rule: RULE });
    expect(expiryOf(entries.get("k") ?? EMPTY_ENTRY)).toBe(NOW + 60_000);
    settle({ key: "k", rule: RULE }, "common");
    expect(expiryOf(entries.get("k") ?? EMPTY_ENTRY)).toBeLessThanOrEqual(NOW);
    settle(from("home"), "common");
    expect(expiryOf(entries.get("alice from home") ?? EMPTY_ENTRY)).toBe(NOW + KNOWN_FOR_MS);
  });
});
