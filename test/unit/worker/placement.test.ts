import { describe, expect, it } from "vitest";
import { PLACEMENT_TRIED_MAX, PLACEMENT_VERDICTS } from "#shared/audit/events.ts";
import {
  BUSY_LEVEL,
  judgeRelay,
  placeConsole,
  type PlacementRelay,
  rankRelays,
  readPlaceable,
  recordPlacement,
} from "../../../worker/services/placement.ts";

const relays = Array.from({ length: 8 }, (_, index) => ({ id: `rly_${index}` }));
const consoles = Array.from({ length: 4_000 }, (_, index) => `con_${index}`);
const firstOf = (candidates: typeof relays, consoleId: string) =>
  rankRelays(candidates, consoleId, 1)[0]?.id;

describe("rankRelays", () => {
  it("ranks every candidate, and alike in whatever order they come", () => {
    const ranked = rankRelays(relays, "con_1", 8);
    expect(new Set(ranked)).toEqual(new Set(relays));
    expect(rankRelays([...relays].reverse(), "con_1", 8)).toEqual(ranked);
    expect(rankRelays(relays, "con_1", 3)).toEqual(ranked.slice(0, 3));
    expect(rankRelays([], "con_1", 3)).toEqual([]);
  });

  it("moves only the consoles of a relay that goes, and to their second choice", () => {
    const left = relays.slice(1);
    for (const consoleId of consoles.slice(0, 500)) {
      const [first, second] = rankRelays(relays, consoleId, 2);
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

const GOOD: Omit<PlacementRelay, "id" | "name"> = {
  step: 0,
  online: true,
  disabled: false,
  draining: false,
  controlVersion: 2,
  connectPort: 3128,
  enforces: ["clipboard"],
  loadLevel: 0,
  full: false,
};

const relay = (name: string, facts: Partial<PlacementRelay> = {}): PlacementRelay => ({
  ...GOOD,
  id: `rly_${name}`,
  name,
  ...facts,
});

const WISH = { consoleId: "con_1", way: "tls", needs: [] } as const;
const SITES = [
  { step: 0, name: "home" },
  { step: 1, name: "next" },
  { step: 2, name: "last" },
];

const namesOf = (placed: ReturnType<typeof placeConsole>) =>
  placed.ok ? placed.value.ranked.map(({ name }) => name) : placed.error;

describe("judgeRelay", () => {
  it.each([
    ["good", {}, {}],
    ["good", { loadLevel: BUSY_LEVEL - 1 }, {}],
    ["good", { loadLevel: null, controlVersion: null }, {}],
    ["good", { connectPort: null }, {}],
    ["good", { enforces: ["clipboard", "usb"] }, { needs: ["usb", "clipboard"] }],
    ["busy", { loadLevel: BUSY_LEVEL }, {}],
    ["full", { full: true }, {}],
    ["needs", { enforces: ["clipboard"] }, { needs: ["clipboard", "usb"] }],
    ["connect-port", { connectPort: null }, { way: "connect" as const }],
    ["version", { controlVersion: 99 }, {}],
    ["draining", { draining: true }, {}],
    ["offline", { online: false }, {}],
    ["disabled", { disabled: true }, {}],
  ] as const)("finds %s in %o that is asked for %o", (verdict, facts, wish) => {
    expect(judgeRelay(relay("a", facts), { ...WISH, ...wish })).toBe(verdict);
  });

  it("names the first reason in the order of the verdicts", () => {
    const faults: Partial<PlacementRelay>[] = [
      { disabled: true },
      { online: false },
      { draining: true },
      { controlVersion: 99 },
      { connectPort: null },
      { enforces: [] },
      { full: true },
      { loadLevel: BUSY_LEVEL },
    ];
    const wish = { consoleId: "con", way: "connect", needs: ["usb"] } as const;
    for (let first = 0; first < faults.length; first += 1) {
      const all = faults.slice(first).reduce((sum, fault) => ({ ...sum, ...fault }), {});
      const facts = { enforces: ["usb"], ...all };
      expect(judgeRelay(relay("a", facts), wish)).toBe(PLACEMENT_VERDICTS[first]);
    }
  });
});

describe("placeConsole", () => {
  it("asks the console's own site, then its fallbacks in order", () => {
    const placed = placeConsole(WISH, SITES, [
      relay("last", { step: 2 }),
      relay("next", { step: 1 }),
      relay("home"),
    ]);
    expect(namesOf(placed)).toEqual(["home", "next", "last"]);
  });

  it("passes a busy relay over for a fallback's, and comes back to it when all are busy", () => {
    const busy = { loadLevel: BUSY_LEVEL };
    const placed = placeConsole(WISH, SITES, [
      relay("home", busy),
      relay("next", { step: 1, ...busy }),
      relay("last", { step: 2 }),
    ]);
    expect(namesOf(placed)).toEqual(["last", "home", "next"]);
    const all = placeConsole(WISH, SITES, [
      relay("next", { step: 1, ...busy }),
      relay("home", { ...busy, loadLevel: 10 }),
    ]);
    expect(namesOf(all)).toEqual(["home", "next"]);
  });

  it("ranks by the ids alone: load below the cut-off moves nothing", () => {
    const many = Array.from({ length: 20 }, (_, index) => relay(`r${index}`));
    const idle = placeConsole(WISH, SITES, many);
    const loaded = placeConsole(
      WISH,
      SITES,
      many.map((one, index) => ({ ...one, loadLevel: index % BUSY_LEVEL })),
    );
    expect(namesOf(loaded)).toEqual(namesOf(idle));
    expect(namesOf(idle)).toHaveLength(PLACEMENT_TRIED_MAX);
  });

  it("never asks a full relay, however few there are", () => {
    const placed = placeConsole(WISH, SITES.slice(0, 1), [relay("only", { full: true })]);
    expect(namesOf(placed)).toBe("No relay of the site home can take it: 1 full (only).");
  });

  it("says why none can: counts by reason, and some names", () => {
    const drained = ["e", "d", "c", "b", "a", "f"].map((name) => relay(name, { draining: true }));
    const placed = placeConsole({ ...WISH, way: "connect" }, SITES, [
      ...drained,
      relay("g", { online: false }),
      relay("h", { connectPort: null, step: 1 }),
    ]);
    expect(namesOf(placed)).toBe(
      "No relay of the sites home, next and last can take it: " +
        "6 draining (a, b, c, d and 2 more); 1 offline (g); 1 without a --connect-port (h).",
    );
    const none = placeConsole(WISH, SITES.slice(0, 1), []);
    expect(namesOf(none)).toBe("No relay belongs to the site home.");
  });

  it("is recorded with what decided, and whom was asked before", () => {
    const placed = placeConsole(WISH, SITES, [
      relay("home", { draining: true }),
      relay("busy", { loadLevel: 9 }),
      relay("next", { step: 1, loadLevel: 3 }),
    ]);
    const chosen = placed.ok ? placed.value.ranked[0] : undefined;
    if (!placed.ok || chosen === undefined) {
      throw new Error("nobody was chosen");
    }
    const tried = [{ relay: "other", code: "control.offline" }];
    expect(recordPlacement(placed.value, chosen, tried)).toEqual({
      site: "home",
      relaySite: "next",
      step: 1,
      relay: "next",
      load: 3,
      candidates: { draining: 1, busy: 1, good: 1 },
      tried,
    });
  });
});

describe("readPlaceable", () => {
  const row = (facts: object) => ({
    step: 0,
    siteName: "home",
    relay: {
      id: "rly_a",
      name: "a",
      ticketEpoch: 1,
      state: "online" as const,
      draining: false,
      drainOrdered: false,
      disabledAtMs: null,
      controlVersion: 2,
      connectPort: null,
      loadLevel: 0,
      isFull: false,
      enforces: [],
      ...facts,
    },
  });

  it.each([
    ["good", {}],
    ["draining", { draining: true }],
    ["draining", { drainOrdered: true }],
    ["disabled", { disabledAtMs: 1 }],
    ["offline", { state: "offline" }],
    ["full", { isFull: true }],
    ["busy", { loadLevel: BUSY_LEVEL }],
  ] as const)("makes a row a candidate that is %s: %o", (verdict, facts) => {
    const { relays: candidates } = readPlaceable([row(facts)]);
    expect(candidates.map((candidate) => judgeRelay(candidate, WISH))).toEqual([verdict]);
  });

  it("has the sites in their order, also those without relays", () => {
    const rows = [{ step: 1, siteName: "next", relay: null }, row({})];
    const { sites, relays: candidates } = readPlaceable(rows);
    expect(sites).toEqual(SITES.slice(0, 2));
    expect(candidates.map(({ name }) => name)).toEqual(["a"]);
  });
});
