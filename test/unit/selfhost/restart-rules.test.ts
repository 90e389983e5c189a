import { describe, expect, it } from "vitest";
import { judgeEnd, RESTART_LIMITS } from "../../../worker/selfhost/restart-rules.ts";

const { firstWaitMs, waitMsMax, windowMs, endsMax } = RESTART_LIMITS;

/** Ends one after the other, a millisecond apart. */
function endsAt(nowMs: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => nowMs - (count - 1 - index));
}

describe("the restart of a part that ended", () => {
  it("comes soon after a first end, and twice as late after each further one", () => {
    const waits = Array.from({ length: endsMax }, (_, index) =>
      judgeEnd(endsAt(windowMs, index + 1), windowMs),
    );
    expect(waits.slice(0, 4)).toEqual(
      [1, 2, 4, 8].map((times) => ({ kind: "restart", afterMs: times * firstWaitMs })),
    );
    for (const verdict of waits) {
      expect(verdict).toMatchObject({ kind: "restart" });
    }
  });

  it("never waits longer than the most", () => {
    for (let ends = 1; ends <= endsMax; ends += 1) {
      const verdict = judgeEnd(endsAt(windowMs, ends), windowMs);
      expect(verdict.kind === "restart" && verdict.afterMs <= waitMsMax).toBe(true);
    }
  });

  it("does not come once it ended too often within the window", () => {
    expect(judgeEnd(endsAt(windowMs, endsMax + 1), windowMs)).toEqual({
      kind: "give-up",
      ends: endsMax + 1,
    });
  });

  it("forgets ends that are older than the window", () => {
    const old = endsAt(0, endsMax);
    expect(judgeEnd([...old, windowMs], windowMs)).toEqual({
      kind: "restart",
      afterMs: firstWaitMs,
    });
  });
});
