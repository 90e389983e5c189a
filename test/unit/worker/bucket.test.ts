import { describe, expect, it } from "vitest";
import { type BucketRule, returnToken, takeToken } from "../../../worker/limits/bucket.ts";

const RULE: BucketRule = { burst: 3, refillMs: 1_000 };
const NOW = 1_000_000;

/** Takes at each of the times; gives which tries were let through. */
function takeAt(times: readonly number[], rule = RULE): boolean[] {
  let fullAtMs = 0;
  return times.map((atMs) => {
    const taking = takeToken(fullAtMs, rule, atMs);
    fullAtMs = taking.fullAtMs;
    return taking.taken;
  });
}

describe("a token bucket", () => {
  it("holds as many tokens as its burst, and no more after a long rest", () => {
    expect(takeAt([NOW, NOW, NOW, NOW])).toEqual([true, true, true, false]);
    const later = NOW + 1_000_000;
    expect(takeAt([NOW, later, later, later, later])).toEqual([true, true, true, true, false]);
  });

  it("gets one token back each refill, at the very millisecond", () => {
    expect(takeAt([NOW, NOW, NOW, NOW + 999, NOW + 1_000, NOW + 1_000])).toEqual([
      true,
      true,
      true,
      false,
      true,
      false,
    ]);
  });

  it("says how long to wait, and is right about it", () => {
    const emptyFullAtMs = NOW + 3_000;
    const refused = takeToken(emptyFullAtMs, RULE, NOW + 400);
    expect(refused).toMatchObject({ taken: false, retryAfterMs: 600 });
    expect(takeToken(refused.fullAtMs, RULE, NOW + 999).taken).toBe(false);
    expect(takeToken(refused.fullAtMs, RULE, NOW + 1_000).taken).toBe(true);
  });

  it("does not make those wait longer who try on", () => {
    const tries = Array.from({ length: 50 }, (_, index) => NOW + index * 20);
    expect(takeAt([NOW, NOW, NOW, ...tries, NOW + 1_000]).at(-1)).toBe(true);
  });

  it("lets a steady stream through at the speed of its refill", () => {
    const times = Array.from({ length: 100 }, (_, index) => NOW + index * 100);
    // Three at once, then one a second for 9.9 seconds.
    expect(takeAt(times).filter(Boolean)).toHaveLength(12);
  });

  it("has a token again that was given back", () => {
    const { fullAtMs } = takeToken(NOW + 2_000, RULE, NOW);
    expect(takeToken(fullAtMs, RULE, NOW).taken).toBe(false);
    expect(takeToken(returnToken(fullAtMs, RULE), RULE, NOW).taken).toBe(true);
  });

  it("never holds more than its burst, however many are given back", () => {
    const times = [NOW, NOW, NOW, NOW];
    let fullAtMs = returnToken(returnToken(NOW, RULE), RULE);
    const taken = times.map((atMs) => {
      const taking = takeToken(fullAtMs, RULE, atMs);
      fullAtMs = taking.fullAtMs;
      return taking.taken;
    });
    expect(taken).toEqual([true, true, true, false]);
  });

  it("is not emptied further by a clock that was set back", () => {
    const { fullAtMs } = takeToken(0, RULE, NOW + 10_000_000);
    expect(takeToken(fullAtMs, RULE, NOW)).toMatchObject({ taken: false, retryAfterMs: 1_000 });
    expect(takeToken(fullAtMs, RULE, NOW).fullAtMs).toBe(NOW + 3_000);
  });
});
