import { describe, expect, it, vi } from "vitest";
import { Deadlines, OwnDeadlines } from "../../../relay/sessions/deadlines.ts";
import { ManualClock } from "../../harness/relay/manual-clock.ts";

function make(): { clock: ManualClock; deadlines: Deadlines; ran: string[] } {
  const clock = new ManualClock(1_000);
  return { clock, deadlines: new Deadlines(clock), ran: [] };
}

describe("deadlines", () => {
  it("run once each, never early, in the order of their times, behind one timer", () => {
    const { clock, deadlines, ran } = make();
    deadlines.at(5_000, () => ran.push("late"));
    deadlines.at(2_000, () => ran.push("early"));
    deadlines.at(2_050, () => ran.push("close"));
    expect(clock.timerCount).toBe(1);
    clock.advance(999);
    expect(ran).toEqual([]);
    clock.advance(1);
    expect(ran).toEqual(["early"]);
    clock.advance(10_000);
    expect(ran).toEqual(["early", "close", "late"]);
    expect([deadlines.count, clock.timerCount]).toEqual([0, 0]);
  });

  it("that are cancelled do not run, also when one of the same moment cancels another", () => {
    const { clock, deadlines, ran } = make();
    const first = deadlines.at(2_000, () => ran.push("first"));
    const third = deadlines.at(3_000, () => ran.push("third"));
    deadlines.at(2_999, () => third.cancel());
    first.cancel();
    first.cancel();
    clock.advance(10_000);
    expect(ran).toEqual([]);
    const only = deadlines.at(20_000, () => ran.push("only"));
    only.cancel();
    expect(clock.timerCount).toBe(0);
  });

  it("may be set from within one that runs, and in the past", () => {
    const { clock, deadlines, ran } = make();
    deadlines.at(0, () => {
      ran.push("past");
      deadlines.at(clock.nowMs() + 500, () => ran.push("next"));
    });
    clock.advance(499);
    expect(ran).toEqual(["past"]);
    clock.advance(1);
    expect(ran).toEqual(["past", "next"]);
  });

  it("are looked at ten times a second at most, however many there are", () => {
    const { clock, deadlines } = make();
    const startTimer = vi.fn<typeof clock.startTimer>(clock.startTimer);
    const many = new Deadlines({ nowMs: clock.nowMs, startTimer });
    let count = 0;
    for (let index = 0; index < 1_000; index += 1) {
      many.at(2_000 + index, () => {
        count += 1;
      });
    }
    clock.advance(2_000);
    expect(count).toBe(1_000);
    expect(startTimer.mock.calls.length).toBeLessThan(15);
    expect(deadlines.count).toBe(0);
  });

  it("hold beyond what a timer can sleep, and after the clock was set forward", () => {
    const { clock, ran } = make();
    const delays: number[] = [];
    const days = 30 * 86_400_000;
    const deadlines = new Deadlines({
      nowMs: clock.nowMs,
      startTimer: (run, delayMs) => {
        delays.push(delayMs);
        return clock.startTimer(run, delayMs);
      },
    });
    deadlines.at(1_000 + days, () => ran.push("month"));
    clock.advance(60_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(60_000);
    clock.set(1_000 + days);
    clock.advance(60_000);
    expect(ran).toEqual(["month"]);
  });

  it("of one owner: arming a kind anew replaces it", () => {
    const { clock, deadlines, ran } = make();
    const own = new OwnDeadlines<"a" | "b">(deadlines);
    own.arm("a", 2_000, () => ran.push("a1"));
    own.arm("a", 3_000, () => ran.push(`a2 ${String(own.isArmed("a"))}`));
    own.arm("b", 3_000, () => ran.push("b"));
    own.disarm("b");
    clock.advance(10_000);
    expect(ran).toEqual(["a2 false"]);
    own.arm("a", 90_000, () => ran.push("never"));
    own.arm("b", 90_000, () => ran.push("never"));
    own.disarmAll();
    expect(deadlines.count).toBe(0);
  });
});
