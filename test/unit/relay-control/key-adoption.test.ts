/** Keys of a welcome and those that replace them: the last told hold, and end when they end. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { LinkKeys } from "#shared/control/contract.ts";
import { KeyAdoption } from "../../../relay/control/key-adoption.ts";
import { KeyRing } from "../../../relay/sessions/key-ring.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function ticketKey(untilMs?: number) {
  const text = (bytes: number): string => randomBytes(bytes).toString("base64url");
  const key = { keyId: text(4), key: text(32), sealKey: text(32) };
  return untilMs === undefined ? key : { ...key, untilMs };
}

function grantKey(kid: string, untilMs?: number) {
  const { x = "" } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
  const key = { kty: "OKP" as const, crv: "Ed25519" as const, x, kid };
  return untilMs === undefined ? key : { ...key, untilMs };
}

const newKeys = (kid: string): LinkKeys => ({
  ticketKeys: [ticketKey()],
  grantKeys: [grantKey(kid)],
});

function start() {
  const keyRing = new KeyRing();
  const adoption = new KeyAdoption({ relayId: "rly_1", keyRing, nowMs: () => Date.now() });
  const kids = () => keyRing.current()?.grantKeys.map(({ kid }) => kid);
  return { keyRing, adoption, kids };
}

const grantIssuer = "https://kerbside.test";

describe("keys that are adopted", () => {
  it("are those of the welcome, then those that replace them, with the welcome's issuer", async () => {
    const { adoption, keyRing, kids } = start();
    await adoption.adopt({ ...newKeys("a"), grantIssuer });
    expect(await adoption.adopt(newKeys("b"))).toEqual({ ok: true, value: null });
    expect([kids(), keyRing.current()?.grantIssuer]).toEqual([["b"], grantIssuer]);
  });

  it("are those that were told last, however fast each set is read", async () => {
    const { adoption, kids } = start();
    const many = { ...newKeys("first"), grantIssuer };
    const slow = { ...many, grantKeys: Array.from({ length: 8 }, (_, i) => grantKey(`slow${i}`)) };
    await Promise.all([adoption.adopt(slow), adoption.adopt(newKeys("fast"))]);
    expect(kids()).toEqual(["fast"]);
  });

  it("stay as they were when a set is malformed, or comes before a welcome", async () => {
    const { adoption, kids } = start();
    expect(await adoption.adopt(newKeys("a"))).toMatchObject({ ok: false });
    await adoption.adopt({ ...newKeys("a"), grantIssuer });
    const bad = { ...newKeys("b"), ticketKeys: [{ keyId: "", key: "", sealKey: "" }] };
    expect(await adoption.adopt(bad)).toEqual({ ok: false, error: "a ticket key is malformed" });
    expect(kids()).toEqual(["a"]);
  });

  it("are dropped when their time is over, one after the other", async () => {
    const { adoption, keyRing, kids } = start();
    await adoption.adopt({
      ticketKeys: [ticketKey(), ticketKey(6_000)],
      grantKeys: [grantKey("a"), grantKey("b", 3_000), grantKey("over", 1_000)],
      grantIssuer,
    });
    const counts = () => [kids(), keyRing.current()?.ticketKeys.length];
    expect(counts()).toEqual([["a", "b"], 2]);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(counts()).toEqual([["a", "b"], 2]);
    await vi.advanceTimersByTimeAsync(1);
    await expect.poll(counts).toEqual([["a"], 2]);
    await vi.advanceTimersByTimeAsync(3_000);
    await expect.poll(counts).toEqual([["a"], 1]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
