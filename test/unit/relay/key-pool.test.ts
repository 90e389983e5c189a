import { afterEach, describe, expect, it, vi } from "vitest";
import { generateLinkKey, KeyPool, type LinkKey } from "../../../relay/handshake/key-pool.ts";

const LIMITS = {
  keyPoolSize: 2,
  keyUsesMax: 3,
  keyLifeMs: 1_000,
  keyWaitersMax: 2,
  keyWaitMsMax: 500,
};

interface Bench {
  readonly pool: KeyPool;
  nowMs: number;
  made: number;
  /** Lets one key that is being made be finished. */
  finish(): Promise<void>;
}

function makeBench(limits: Partial<typeof LIMITS> = {}): Bench {
  const pending: (() => void)[] = [];
  const bench = { nowMs: 0, made: 0 } as Bench & { pool: KeyPool };
  bench.finish = async () => {
    pending.shift()?.();
    await new Promise(setImmediate);
  };
  const generate = async (): Promise<LinkKey> => {
    await new Promise<void>((resolve) => {
      pending.push(resolve);
    });
    bench.made += 1;
    return { publicKey: Buffer.of(bench.made), decrypt: () => null };
  };
  const options = { limits: { ...LIMITS, ...limits }, nowMs: () => bench.nowMs, generate };
  return Object.assign(bench, { pool: new KeyPool(options) });
}

async function takeName(pool: KeyPool): Promise<number | null> {
  return (await pool.take())?.publicKey[0] ?? null;
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a key pool", () => {
  it("fills up ahead, one key at a time, and not beyond its size", async () => {
    const bench = makeBench();
    for (let turn = 0; turn < 5; turn += 1) {
      await bench.finish();
    }
    expect(bench.made).toBe(2);
    bench.pool.stop();
  });

  it("lets nobody wait for ever for a key that is not made, and gives a late one to others", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const bench = makeBench();
    const first = takeName(bench.pool);
    vi.advanceTimersByTime(499);
    const second = takeName(bench.pool);
    vi.advanceTimersByTime(1);
    expect(await first).toBeNull();
    await bench.finish();
    expect(await second).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
    bench.pool.stop();
  });

  it("uses each key in turn, each a bounded number of times", async () => {
    const bench = makeBench();
    await bench.finish();
    await bench.finish();
    const names: (number | null)[] = [];
    for (let take = 0; take < 6; take += 1) {
      names.push(await takeName(bench.pool));
    }
    expect(names).toEqual([1, 2, 1, 2, 1, 2]);
    const next = takeName(bench.pool);
    await bench.finish();
    expect(await next).toBe(3);
    bench.pool.stop();
  });

  it("uses no key beyond its life", async () => {
    const bench = makeBench();
    await bench.finish();
    await bench.finish();
    bench.nowMs = 1_000;
    const next = takeName(bench.pool);
    await bench.finish();
    expect(await next).toBe(3);
    bench.pool.stop();
  });

  it("lets a bounded number wait when it is empty, and serves them all with one key", async () => {
    const bench = makeBench();
    const waiting = [takeName(bench.pool), takeName(bench.pool)];
    expect(await takeName(bench.pool)).toBeNull();
    await bench.finish();
    expect(await Promise.all(waiting)).toEqual([1, 1]);
    bench.pool.stop();
  });

  it("dismisses who waits when it stops", async () => {
    const bench = makeBench();
    const waiting = takeName(bench.pool);
    bench.pool.stop();
    expect(await waiting).toBeNull();
    expect(await takeName(bench.pool)).toBeNull();
  });

  it("dismisses who waits when no key can be made, and tries again for the next", async () => {
    let isBroken = true;
    const key: LinkKey = { publicKey: Buffer.of(1), decrypt: () => null };
    const generate = async (): Promise<LinkKey> =>
      isBroken ? Promise.reject(new Error("no entropy")) : key;
    const pool = new KeyPool({ limits: LIMITS, nowMs: () => 0, generate });
    expect(await pool.take()).toBeNull();
    isBroken = false;
    expect(await pool.take()).toBe(key);
    pool.stop();
  });

  it("makes keys of 162 bytes of DER that decrypt only what was encrypted for them", async () => {
    const [key, other] = [await generateLinkKey(), await generateLinkKey()];
    const { constants, createPublicKey, publicEncrypt } = await import("node:crypto");
    const publicKey = createPublicKey({ key: key.publicKey, format: "der", type: "spki" });
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const encrypted = publicEncrypt(
      { key: publicKey, padding, oaepHash: "sha1" },
      Buffer.from("ticket\0"),
    );
    expect(key.publicKey).toHaveLength(162);
    expect(key.decrypt(encrypted)?.toString()).toBe("ticket\0");
    expect(other.decrypt(encrypted)).toBeNull();
    expect(key.decrypt(Buffer.alloc(128))).toBeNull();
  });
});
