import "@hono/zod-openapi";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LimitStore } from "../../../worker/limits/limit-store.ts";
import { env, services } from "../api/api-client.ts";

const RULE = { burst: 2, refillMs: 60_000 };

function limiter() {
  return env.LIMITS.get(env.LIMITS.idFromName(crypto.randomUUID()));
}

type Stub = ReturnType<typeof limiter>;

async function rowsOf(stub: Stub): Promise<number> {
  return await runInDurableObject(
    stub,
    (_limiter, { storage }) =>
      storage.sql.exec<{ rows: number }>("SELECT count(*) AS rows FROM limits").one().rows,
  );
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a rate limiter", () => {
  it("counts together what comes at the same time", async () => {
    const stub = limiter();
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => await stub.take({ key: "k", rule: RULE })),
    );
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(2);
  });

  it("forgets an attempt that was right", async () => {
    const stub = limiter();
    for (let count = 0; count < 5; count += 1) {
      expect(await stub.take({ key: "k", rule: RULE })).toEqual({ allowed: true, from: "common" });
      await stub.settle({ key: "k", rule: RULE }, "common");
    }
    expect(await rowsOf(stub)).toBe(0);
  });

  it("remembers in its storage, and not in its memory", async () => {
    const stub = limiter();
    const known = { key: "k from home", rule: RULE };
    await stub.take({ key: "k", rule: RULE, known });
    await stub.settle({ key: "k", rule: RULE, known }, "common");
    await runInDurableObject(stub, (_limiter, { storage }) => {
      const entry = new LimitStore(storage.sql).read("k from home");
      expect(entry.knownUntilMs).toBeGreaterThan(Date.now());
    });
    expect(await stub.take({ key: "k", rule: RULE, known })).toEqual({
      allowed: true,
      from: "known",
    });
  });

  it("sweeps what says nothing any more, and rests when nothing is left", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const stub = limiter();
    await stub.take({ key: "k", rule: RULE });
    await stub.take({ key: "l", rule: { burst: 2, refillMs: 10 * 60_000 } });
    vi.setSystemTime(Date.now() + 5 * 60_000);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await rowsOf(stub)).toBe(1);
    vi.setSystemTime(Date.now() + 10 * 60_000);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await rowsOf(stub)).toBe(0);
    expect(await runDurableObjectAlarm(stub)).toBe(false);
  });

  it("keeps a bounded number of entries: those that last longest", async () => {
    await runInDurableObject(limiter(), (_limiter, { storage }) => {
      const store = new LimitStore(storage.sql);
      const now = Date.now();
      for (let index = 1; index <= 10; index += 1) {
        const entry = { fullAtMs: now + index * 1_000, toldUntilMs: 0, knownUntilMs: 0 };
        store.write(`k${index}`, entry, now);
      }
      expect(store.sweep(now + 1_000, 4)).toBe(4);
      expect(store.read("k6").fullAtMs).toBe(0);
      expect(store.read("k7").fullAtMs).toBe(now + 7_000);
    });
  });
});

describe("the services' way to the limiters", () => {
  it("ends at one limiter for each key", async () => {
    const { limits } = services();
    const request = { key: crypto.randomUUID(), rule: RULE };
    const first = await limits.take(request);
    const second = await limits.take(request);
    expect([first, second]).toEqual([
      { allowed: true, from: "common" },
      { allowed: true, from: "common" },
    ]);
    expect(await limits.take(request)).toMatchObject({ allowed: false, isFirst: true });
    expect(await limits.take(request)).toMatchObject({ allowed: false, isFirst: false });
    await limits.settle(request, "common");
    expect(await limits.take(request)).toMatchObject({ allowed: true });
  });
});
