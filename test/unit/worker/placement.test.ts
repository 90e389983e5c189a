import { describe, expect, it } from "vitest";
import { rankRelays, relaysFor } from "../../../worker/services/placement.ts";

const relays = Array.from({ length: 8 }, (_, index) => ({ id: `rly_${index}` }));
const consoles = Array.from({ length: 4_000 }, (_, index) => `con_${index}`);
const firstOf = (candidates: typeof relays, consoleId: string) =>
  rankRelays(candidates, consoleId)[0]?.id;

describe("rankRelays", () => {
  it("ranks every candidate, and alike in whatever order they come", () => {
    const ranked = rankRelays(relays, "con_1");
    expect(new Set(ranked)).toEqual(new Set(relays));
    expect(rankRelays([...relays].reverse(), "con_1")).toEqual(ranked);
    expect(rankRelays([], "con_1")).toEqual([]);
  });

  it("moves only the consoles of a relay that goes, and to their second choice", () => {
    const left = relays.slice(1);
    for (const consoleId of consoles.slice(0, 500)) {
      const [first, second] = rankRelays(relays, consoleId);
      const expected = first?.id === "rly_0" ? second?.id : first?.id;
      expect(firstOf(left, consoleId)).toBe(expected);
    }
  });

  it("spreads consoles evenly", () => {
    const counts = new Map<string | undefined, number>();
    for (const consoleId of consoles) {
      const first = firstOf(relays, consoleId);
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    // 500 each are expected; six standard deviations are about 125.
    for (const relay of relays) {
      expect(Math.abs((counts.get(relay.id) ?? 0) - 500)).toBeLessThan(125);
    }
  });
});

describe("relaysFor", () => {
  const relay = (name: string, connectPort: number | null = null, draining = false) => ({
    name,
    connectPort,
    draining,
  });

  it("leaves out those that drain, and those without the way in that is asked for", () => {
    const [plain, both] = [relay("plain"), relay("both", 3128)];
    const online = [plain, both, relay("leaving", 3128, true)];
    expect(relaysFor(online, "tls")).toEqual({ ok: true, value: [plain, both] });
    expect(relaysFor(online, "connect")).toEqual({ ok: true, value: [both] });
  });

  it.each([
    ["nobody is there", [], "tls", "No relay is online."],
    [
      "none has the port",
      [relay("a")],
      "connect",
      "No relay can take this over CONNECT: a has no CONNECT port (--connect-port).",
    ],
    [
      "one has no port, the other drains",
      [relay("syd1"), relay("local", 3128, true)],
      "connect",
      "No relay can take this over CONNECT: " +
        "syd1 has no CONNECT port (--connect-port); local is draining.",
    ],
    [
      "there are too many to name",
      Array.from({ length: 10 }, (_, index) => relay(`r${index}`, null, true)),
      "tls",
      "No relay takes new sessions: r0 is draining; r1 is draining; r2 is draining; " +
        "r3 is draining; r4 is draining; r5 is draining; r6 is draining; r7 is draining; " +
        "and so on for 2 more.",
    ],
    [
      "all of them drain",
      [relay("a", null, true), relay("b", null, true)],
      "tls",
      "No relay takes new sessions: a is draining; b is draining.",
    ],
  ] as const)("says why there is none: %s", (_name, online, way, sentence) => {
    expect(relaysFor(online, way)).toEqual({ ok: false, error: sentence });
  });
});
