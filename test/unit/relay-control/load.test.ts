/** A relay's load and what level it makes (shared/control/load.ts). */
import { describe, expect, it } from "vitest";
import { levelOf, type Load, LOOP_DELAY_FULL_MS } from "#shared/control/load.ts";

const load = (facts: Partial<Load> = {}): Load => ({
  sessions: 0,
  channels: 0,
  bytesPerS: 0,
  cpuShare: 0,
  loopDelayMs: 0,
  ...facts,
});

describe("levelOf", () => {
  it.each([
    [0, {}],
    [0, { channels: 9 }],
    [1, { channels: 10 }],
    [7, { cpuShare: 0.79 }],
    [5, { channels: 10, cpuShare: 0.2, loopDelayMs: LOOP_DELAY_FULL_MS / 2 }],
    [10, { loopDelayMs: LOOP_DELAY_FULL_MS * 9 }],
    [10, { channels: 100 }],
    [10, { channels: 250 }],
  ])("is the fullest measure in tenths: %i for %o", (level, facts) => {
    expect(levelOf(load(facts), 100, null).level).toBe(level);
  });

  it("does not read bytes and sessions, which say nothing of what a relay can carry", () => {
    expect(levelOf(load({ bytesPerS: 1e9, sessions: 1_000 }), 100, null).level).toBe(0);
  });

  it("rises at once, and falls only half a step below the border", () => {
    const before = { level: 5, full: false };
    const after = (cpuShare: number): number => levelOf(load({ cpuShare }), 100, before).level;
    expect([0.6, 0.59, 0.5, 0.46, 0.44, 0.36, 0.34].map(after)).toEqual([6, 5, 5, 5, 4, 4, 3]);
  });

  it("never goes back and forth while a load stays where it is", () => {
    for (let share = 0; share <= 1; share += 0.01) {
      const rising = levelOf(load({ cpuShare: share }), 100, { level: 0, full: false });
      const falling = levelOf(load({ cpuShare: share }), 100, { level: 10, full: false });
      for (const level of [rising, falling]) {
        expect(levelOf(load({ cpuShare: share }), 100, level)).toEqual(level);
      }
    }
  });

  it("is full by channels alone, until a twentieth is free again", () => {
    expect(levelOf(load({ cpuShare: 1 }), 100, null)).toEqual({ level: 10, full: false });
    const full = levelOf(load({ channels: 100 }), 100, null);
    expect(full).toEqual({ level: 10, full: true });
    expect(levelOf(load({ channels: 96 }), 100, full)).toEqual({ level: 10, full: true });
    expect(levelOf(load({ channels: 94 }), 100, full)).toEqual({ level: 9, full: false });
    expect(levelOf(load({ channels: 96 }), 100, { level: 9, full: false }).full).toBe(false);
  });
});
