/** Limiters in memory: one store for all keys, with the rules of the real ones. */
import {
  EMPTY_ENTRY,
  judgeAttempt,
  type LimitEntry,
  settleAttempt,
} from "../../worker/limits/limit-rules.ts";
import type { Limits } from "../../worker/services/context.ts";

export function memoryLimits(nowMs: () => number): Limits {
  const entries = new Map<string, LimitEntry>();
  const entryOf = (key: string): LimitEntry => entries.get(key) ?? EMPTY_ENTRY;
  return {
    take: async (request) => {
      const { answer, key, entry } = judgeAttempt(request, entryOf, nowMs());
      entries.set(key, entry);
      return await Promise.resolve(answer);
    },
    settle: async (request, from) => {
      for (const { key, entry } of settleAttempt(request, from, entryOf, nowMs())) {
        entries.set(key, entry);
      }
      return await Promise.resolve();
    },
  };
}
