import { describe, expect, it } from "vitest";
import { PLACE_LIFE_MS, WorkGate } from "../../../worker/work-gate.ts";

const LIMITS = { placesMax: 1, waitingMax: 2, lookEveryMs: 100 };

/** A gate with one place; time passes as somebody waits. */
function startGate() {
  let nowMs = 0;
  const onWait: (() => void)[] = [];
  const gate = new WorkGate(LIMITS, {
    nowMs: () => nowMs,
    wait: async (ms) => {
      nowMs += ms;
      onWait.shift()?.();
      await Promise.resolve();
    },
    chance: () => 0.5,
  });
  return { gate, onWait, now: () => nowMs };
}

const wanted = (): boolean => true;

describe("a gate", () => {
  it("lets the next one in when a place is given back", async () => {
    const { gate, onWait } = startGate();
    const leave = await gate.enter(wanted);
    let left = false;
    onWait.push(() => {
      left = true;
      leave?.();
    });
    expect(await gate.enter(wanted)).not.toBeNull();
    expect(left).toBe(true);
  });

  it("lets nobody in who does not want it any more", async () => {
    const { gate, onWait } = startGate();
    await gate.enter(wanted);
    let isWanted = true;
    onWait.push(() => {
      isWanted = false;
    });
    expect(await gate.enter(() => isWanted)).toBeNull();
  });

  it("turns away at once whom too many wait before, and lets the next wait again", async () => {
    const { gate, onWait, now } = startGate();
    await gate.enter(wanted);
    let isWanted = true;
    const waiting = [gate.enter(() => isWanted), gate.enter(() => isWanted)];
    const startedMs = now();
    expect(await gate.enter(wanted)).toBeNull();
    isWanted = false;
    expect(await Promise.all(waiting)).toEqual([null, null]);
    expect(now() - startedMs).toBeLessThan(1_000);
    let looks = 0;
    onWait.push(() => {
      looks += 1;
    });
    expect(await gate.enter(() => looks === 0)).toBeNull();
    expect(looks).toBe(1);
  });

  it("does not count who vanished while they waited", async () => {
    let nowMs = 0;
    const gate = new WorkGate(LIMITS, {
      nowMs: () => nowMs,
      wait: async () => await new Promise(() => undefined),
      chance: () => 0.5,
    });
    await gate.enter(wanted);
    for (let count = 0; count < LIMITS.waitingMax; count += 1) {
      void gate.enter(wanted);
    }
    expect(await gate.enter(wanted)).toBeNull();
    nowMs += 50 * LIMITS.lookEveryMs;
    const waiting = Symbol("still waiting");
    const next = gate.enter(wanted);
    expect(await Promise.race([next, Promise.resolve(waiting)])).toBe(waiting);
  });

  it("takes a place back whose holder is gone", async () => {
    const { gate, now } = startGate();
    await gate.enter(wanted);
    expect(await gate.enter(wanted)).not.toBeNull();
    expect(now()).toBeGreaterThanOrEqual(PLACE_LIFE_MS);
  });
});
