/** The two drains of a relay: its own and the control plane's. */
import { describe, expect, it } from "vitest";
import { Drains } from "../../../relay/drains.ts";

const NOW = 1_000_000;

/** What is drained, and what the hub is told. */
class Bench {
  nowMs = NOW;
  readonly done: (string | number | null)[] = [];
  readonly told: boolean[] = [];
  readonly drains = new Drains({
    drain: async (deadlineMs) => void this.done.push(deadlineMs),
    resume: () => void this.done.push("resumed"),
    tellServing: ({ draining }) => void this.told.push(draining),
    nowMs: () => this.nowMs,
  });
}

describe("a relay's drains", () => {
  it("end each by itself: the relay serves when neither holds", async () => {
    const bench = new Bench();
    bench.drains.order({ endsAtMs: NOW + 50 });
    await bench.drains.begin(20, { isEnding: false });
    bench.drains.order(null);
    expect(bench.drains.end()).toBe(true);
    expect(bench.done).toEqual([50, 20, 20, "resumed"]);
    // Of the control plane's own drain the control plane is not told.
    expect(bench.told).toEqual([true, false]);
  });

  it("leave the other's in force: an operator cannot resume what the control plane drains", async () => {
    const bench = new Bench();
    bench.drains.order({ endsAtMs: null });
    await bench.drains.begin(20, { isEnding: false });
    bench.drains.end();
    expect(bench.done).toEqual([null, 20, null]);
    expect(bench.drains).toMatchObject({ own: null, ordered: { endsAtMs: null } });
  });

  it("end living sessions at the earlier deadline, by this relay's clock", async () => {
    const bench = new Bench();
    await bench.drains.begin(500, { isEnding: false });
    bench.drains.welcome({ endsAtMs: NOW + 1_100 }, 1_000);
    expect(bench.done).toEqual([500, 100]);
    expect(bench.drains.ordered).toEqual({ endsAtMs: NOW + 100 });
    bench.nowMs += 200;
    bench.drains.order({ endsAtMs: NOW + 1_050 });
    expect(bench.done).toEqual([500, 100, 0]);
  });

  it("are not begun anew by a welcome that says what is known", () => {
    const bench = new Bench();
    bench.drains.welcome(null, 0);
    expect(bench.done).toEqual([]);
    bench.drains.welcome({ endsAtMs: NOW + 9 }, 0);
    bench.drains.welcome({ endsAtMs: NOW + 9 }, 3);
    expect(bench.done).toEqual([9]);
    bench.drains.welcome(null, 3);
    expect(bench.done).toEqual([9, "resumed"]);
  });

  it("cannot be ended when a signal began them, nor by the control plane's end", async () => {
    const bench = new Bench();
    bench.drains.order({ endsAtMs: null });
    await bench.drains.begin(20, { isEnding: true });
    expect(bench.drains.end()).toBe(false);
    bench.drains.order(null);
    expect(bench.done).toEqual([null, 20, 20]);
    expect(bench.drains.own).toEqual({ endsAtMs: NOW + 20, isEnding: true });
  });
});
