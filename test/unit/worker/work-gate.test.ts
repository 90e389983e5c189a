import { describe, expect, it } from "vitest";
import { PLACE_LIFE_MS, WorkGate } from "../../../worker/hub/work-gate.ts";

/** A gate with one place; time passes as somebody waits. */
function startGate() {
  let nowMs = 0;
  const onWait: (() => void)[] = [];
  const gate = new WorkGate(1, {
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

describe("the gate of hubs that lost their relay", () => {
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

  it("lets nobody in whose relay is back", async () => {
    const { gate, onWait } = startGate();
    await gate.enter(wanted);
    let isWanted = true;
    onWait.push(() => {
      isWanted = false;
    });
    expect(await gate.enter(() => isWanted)).toBeNull();
  });

  it("takes a place back whose holder is gone", async () => {
    const { gate, now } = startGate();
    await gate.enter(wanted);
    expect(await gate.enter(wanted)).not.toBeNull();
    expect(now()).toBeGreaterThanOrEqual(PLACE_LIFE_MS);
  });
});
