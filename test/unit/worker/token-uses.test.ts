import { describe, expect, it } from "vitest";
import {
  judgeUse,
  readUses,
  type TokenUse,
  writeUses,
} from "../../../worker/identity/token-uses.ts";

const HOUR_MS = 60 * 60 * 1000;
const NOW = 1_000_000_000;

/** What the trail tells and what is written, of uses one after the other. */
function follow(uses: readonly TokenUse[]) {
  let told: readonly TokenUse[] = [];
  let lastAtMs: number | null = null;
  return uses.map((use) => {
    const verdict = judgeUse(told, { atMs: lastAtMs }, use);
    if (verdict.isNoted) {
      told = readUses(writeUses(verdict.told));
      lastAtMs = use.atMs;
    }
    return verdict;
  });
}

describe("the uses of an API token", () => {
  it("are told once an hour of each address, also when addresses take turns", () => {
    const uses = Array.from({ length: 200 }, (_, index) => ({
      address: index % 2 === 0 ? "192.0.2.1" : "192.0.2.2",
      atMs: NOW + index * 1_000,
    }));
    expect(follow(uses).filter(({ isNews }) => isNews)).toHaveLength(2);
    const later = [...uses, { address: "192.0.2.1", atMs: NOW + HOUR_MS }];
    expect(follow(later).filter(({ isNews }) => isNews)).toHaveLength(3);
  });

  it("are written once a minute", () => {
    const uses = Array.from({ length: 121 }, (_, index) => ({
      address: null,
      atMs: NOW + index * 1_000,
    }));
    expect(follow(uses).filter(({ isNoted }) => isNoted)).toHaveLength(3);
  });

  it("are told of sixteen addresses an hour at most", () => {
    const uses = Array.from({ length: 100 }, (_, index) => ({
      address: `192.0.2.${index}`,
      atMs: NOW + index,
    }));
    const verdicts = follow(uses);
    expect(verdicts.filter(({ isNews }) => isNews)).toHaveLength(16);
    expect(Math.max(...verdicts.map(({ told }) => told.length))).toBe(16);
    expect(verdicts.filter(({ isNoted }) => isNoted)).toHaveLength(16);
  });

  it("are forgotten where they cannot be read", () => {
    expect(readUses("{")).toEqual([]);
    expect(readUses('[{"address":1}]')).toEqual([]);
  });
});
