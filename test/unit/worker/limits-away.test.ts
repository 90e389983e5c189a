import { afterEach, describe, expect, it, vi } from "vitest";
import type { LimitAnswer } from "../../../worker/limits/limit-rules.ts";
import { createLimits } from "../../../worker/limits/limits.ts";

const REQUEST = { key: "login account alice", rule: { burst: 1, refillMs: 1_000 } };

/** Limiters whose every call does that; and what they were asked. */
function limitersThat(act: () => LimitAnswer | Promise<LimitAnswer>) {
  const names: string[] = [];
  const asked: unknown[][] = [];
  const call = async (...args: unknown[]): Promise<LimitAnswer> => {
    asked.push(args);
    return await act();
  };
  const settle = async (...args: unknown[]): Promise<void> => void (await call(...args));
  const limits = createLimits((name) => {
    names.push(name);
    return { take: call, settle };
  });
  return { limits, names, asked };
}

function fails(error: Error): () => never {
  return () => {
    throw error;
  };
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("limiters that do not answer", () => {
  it("let attempts pass when they are away, and the log says so", async () => {
    const log = vi.spyOn(console, "error").mockReturnValue();
    const { limits } = limitersThat(fails(new Error("the object was reset")));
    expect(await limits.take(REQUEST)).toEqual({ allowed: true, from: "common" });
    await limits.settle(REQUEST, "common");
    expect(log.mock.calls.map(([line]) => JSON.parse(String(line)))).toMatchObject([
      { event: "limits.unavailable" },
      { event: "limits.unavailable" },
    ]);
  });

  it("refuse attempts when they have too much to do", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const busy = Object.assign(new Error("overloaded"), { overloaded: true });
    const { limits } = limitersThat(fails(busy));
    expect(await limits.take(REQUEST)).toEqual({
      allowed: false,
      retryAfterMs: 5_000,
      isFirst: false,
    });
  });

  it("refuse attempts when no answer comes in time", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    vi.useFakeTimers();
    const { limits } = limitersThat(() => new Promise(() => undefined));
    const answer = limits.take(REQUEST);
    // The keys are hashed before the limiter is asked.
    await expect.poll(() => vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await answer).toMatchObject({ allowed: false });
  });
});

describe("what limiters learn", () => {
  it("is no name and no address, and the same key goes to the same one", async () => {
    const { limits, names, asked } = limitersThat(() => ({ allowed: true, from: "common" }));
    const known = { key: "login account alice from 192.0.2.1", rule: REQUEST.rule };
    await limits.take({ ...REQUEST, known });
    await limits.settle({ ...REQUEST, known }, "known");
    expect(JSON.stringify([names, asked])).not.toMatch(/alice|192\.0\.2/);
    expect(names[0]).toMatch(/^limits-[\w-]$/);
    expect(names[1]).toBe(names[0]);
    expect(asked[0]?.[0]).toEqual(asked[1]?.[0]);
    expect(asked[1]?.[1]).toBe("known");
  });
});
