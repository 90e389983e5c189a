/**
 * A fleet over a simulated year: 1,000 relays of ten sites, 100,000 consoles, and what happens to
 * fleets: failures, drains, loads, relays that join and leave. One seed, no clock.
 */
import { describe, expect, it } from "vitest";
import { placeConsole, type PlacementRelay } from "../../../worker/services/placement.ts";

const SITES = 10;
const RELAYS_PER_SITE = 100;
const CONSOLES_PER_SITE = 10_000;
/** The console's own site, and the two that it falls back on. */
const SITE_STEPS = [0, 1, 2].map((step) => ({ step, name: `step-${step}` }));

interface SimulatedRelay extends PlacementRelay {
  readonly site: number;
}

/** Park and Miller's generator: small, seeded, and good enough to choose what fails. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Each site falls back on the two after it. */
class Fleet {
  readonly #relays = new Map<string, SimulatedRelay>();
  #made = 0;

  constructor() {
    for (let site = 0; site < SITES; site += 1) {
      for (let index = 0; index < RELAYS_PER_SITE; index += 1) {
        this.join(site);
      }
    }
  }

  join(site: number): SimulatedRelay {
    this.#made += 1;
    const id = `rly_${String(this.#made).padStart(22, "0")}`;
    const relay: SimulatedRelay = {
      id,
      name: `relay-${this.#made}`,
      site,
      step: 0,
      online: true,
      disabled: false,
      draining: false,
      controlVersion: 2,
      connectPort: null,
      enforces: [],
      loadLevel: 0,
      full: false,
    };
    this.#relays.set(id, relay);
    return relay;
  }

  leave(relay: SimulatedRelay): void {
    this.#relays.delete(relay.id);
  }

  change(relay: SimulatedRelay, facts: Partial<PlacementRelay>): void {
    const now = this.#relays.get(relay.id);
    if (now !== undefined) {
      this.#relays.set(relay.id, { ...now, ...facts });
    }
  }

  find(id: string): SimulatedRelay | undefined {
    return this.#relays.get(id);
  }

  ofSite(site: number): SimulatedRelay[] {
    return [...this.#relays.values()].filter((relay) => relay.site === site);
  }

  /** What the database would give for a console of that site. */
  candidates(site: number): SimulatedRelay[] {
    return [0, 1, 2].flatMap((step) =>
      this.ofSite((site + step) % SITES).map((relay) => ({ ...relay, step })),
    );
  }

  /** The first choice for each console of the site. */
  placeSite(site: number, count = CONSOLES_PER_SITE): Map<string, SimulatedRelay> {
    const candidates = this.candidates(site);
    const placed = new Map<string, SimulatedRelay>();
    for (let index = 0; index < count; index += 1) {
      const consoleId = `con_${String(site * CONSOLES_PER_SITE + index).padStart(22, "0")}`;
      const placement = placeConsole({ consoleId, way: "tls", needs: [] }, SITE_STEPS, candidates);
      const [first] = placement.ok ? placement.value.ranked : [];
      if (first !== undefined) {
        placed.set(consoleId, first);
      }
    }
    return placed;
  }
}

function countByRelay(placed: ReadonlyMap<string, SimulatedRelay>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { id } of placed.values()) {
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

function movedOf(
  before: ReadonlyMap<string, SimulatedRelay>,
  after: ReadonlyMap<string, SimulatedRelay>,
): string[] {
  return [...before.keys()].filter((id) => before.get(id)?.id !== after.get(id)?.id);
}

function isServing(relay: PlacementRelay): boolean {
  const { online, disabled, draining, controlVersion, full } = relay;
  return online && !disabled && !draining && controlVersion === 2 && !full;
}

describe("1,000 relays and 100,000 consoles", { timeout: 120_000 }, () => {
  it("are spread evenly: no relay of a site has more than 1.45 times the mean", () => {
    const fleet = new Fleet();
    for (let site = 0; site < SITES; site += 1) {
      const placed = fleet.placeSite(site);
      expect(placed.size).toBe(CONSOLES_PER_SITE);
      const counts = countByRelay(placed);
      expect(counts.size).toBe(RELAYS_PER_SITE);
      const mean = CONSOLES_PER_SITE / RELAYS_PER_SITE;
      // Thrown at random, 10,000 consoles on 100 relays have a standard deviation of 9.95: the
      // fullest of 1,000 relays is expected 3.2 of them above the mean, the emptiest as far below.
      expect(Math.max(...counts.values()) / mean).toBeLessThan(1.45);
      expect(Math.min(...counts.values()) / mean).toBeGreaterThan(0.55);
    }
  });

  it("stay where they are: a relay that joins takes its share, one that leaves gives up its own", () => {
    const fleet = new Fleet();
    const before = fleet.placeSite(0);
    const newcomer = fleet.join(0);
    const joined = fleet.placeSite(0);
    const gained = movedOf(before, joined);
    for (const consoleId of gained) {
      expect(joined.get(consoleId)?.id).toBe(newcomer.id);
    }
    expect(gained.length).toBeGreaterThan(0);
    expect(gained.length / CONSOLES_PER_SITE).toBeLessThanOrEqual(2 / (RELAYS_PER_SITE + 1));
    const [leaver] = fleet.ofSite(0);
    if (leaver === undefined) {
      throw new Error("a site has relays");
    }
    fleet.leave(leaver);
    const left = fleet.placeSite(0);
    const own = [...joined].filter(([, relay]) => relay.id === leaver.id).map(([id]) => id);
    expect(movedOf(joined, left).sort()).toEqual(own.sort());
    // What it had is spread over the others, and does not all fall on one.
    const takers = new Set(own.map((id) => left.get(id)?.id));
    expect(takers.size).toBeGreaterThan(own.length / 2);
    // Another site's consoles do not notice.
    expect(movedOf(new Fleet().placeSite(5, 2_000), fleet.placeSite(5, 2_000))).toEqual([]);
  });

  it("never get a relay that does not serve, over 120 steps of failures, drains and joins", () => {
    const fleet = new Fleet();
    const chance = seeded(20_261_128);
    const pick = <One>(all: readonly One[]): One => {
      const one = all[Math.floor(chance() * all.length)];
      if (one === undefined) {
        throw new Error("there is nothing to pick from");
      }
      return one;
    };
    for (let step = 0; step < 120; step += 1) {
      const site = step % SITES;
      for (let event = 0; event < 12; event += 1) {
        const relay = pick(fleet.ofSite(site));
        pick([
          () => fleet.change(relay, { online: false }),
          () => fleet.change(relay, { draining: true }),
          () => fleet.change(relay, { disabled: true }),
          () => fleet.change(relay, { controlVersion: 3 }),
          () => fleet.change(relay, { full: true }),
          () => fleet.change(relay, { loadLevel: Math.floor(chance() * 11) }),
          () => fleet.change(relay, SERVING),
          () => void fleet.join(site),
          () => fleet.leave(relay),
        ])();
      }
      const candidates = fleet.candidates(site);
      const good = (one: PlacementRelay): boolean => isServing(one) && (one.loadLevel ?? 0) < 8;
      const nearest = Math.min(...candidates.filter(good).map((one) => one.step));
      for (const chosen of sampleOf(fleet, site, chance)) {
        expect(isServing(chosen)).toBe(true);
        expect(good(chosen)).toBe(true);
        expect(chosen.step).toBe(nearest);
      }
    }
  });

  it("go to the fallbacks in order as a site dies, and come back as it recovers", () => {
    const fleet = new Fleet();
    const home = fleet.placeSite(3, 2_000);
    const kill = (site: number): void =>
      fleet.ofSite(site).forEach((relay) => fleet.change(relay, { online: false }));
    kill(3);
    expect(stepsOf(fleet.placeSite(3, 2_000))).toEqual([1]);
    kill(4);
    expect(stepsOf(fleet.placeSite(3, 2_000))).toEqual([2]);
    kill(5);
    expect(fleet.placeSite(3, 2_000).size).toBe(0);
    fleet.ofSite(3).forEach((relay) => fleet.change(relay, { online: true }));
    expect(movedOf(home, fleet.placeSite(3, 2_000))).toEqual([]);
  });

  it("of a site with 2,000 relays each cost one pass over them", () => {
    const fleet = new Fleet();
    for (let index = 0; index < 1_900; index += 1) {
      fleet.join(0);
    }
    const candidates = fleet.candidates(0);
    let reads = 0;
    const counted = candidates.map(
      (relay) =>
        new Proxy(relay, {
          get: (target, key, receiver) => {
            reads += key === "online" ? 1 : 0;
            return Reflect.get(target, key, receiver) as unknown;
          },
        }),
    );
    const sites = [{ step: 0, name: "big" }];
    expect(placeConsole({ consoleId: "con", way: "tls", needs: [] }, sites, counted).ok).toBe(true);
    expect(reads).toBe(candidates.length);
  });
});

/** A hundred consoles of the site, each with its relay. */
function sampleOf(fleet: Fleet, site: number, chance: () => number): SimulatedRelay[] {
  const candidates = fleet.candidates(site);
  const chosen: SimulatedRelay[] = [];
  for (let index = 0; index < 100; index += 1) {
    const consoleId = `con_${Math.floor(chance() * CONSOLES_PER_SITE)}`;
    const placed = placeConsole({ consoleId, way: "tls", needs: [] }, SITE_STEPS, candidates);
    const [first] = placed.ok ? placed.value.ranked : [];
    if (first === undefined) {
      throw new Error("somebody serves at any time");
    }
    chosen.push(first);
  }
  return chosen;
}

function stepsOf(placed: ReadonlyMap<string, SimulatedRelay>): number[] {
  return [...new Set([...placed.values()].map(({ step }) => step))];
}

const SERVING = {
  online: true,
  draining: false,
  disabled: false,
  controlVersion: 2,
  full: false,
  loadLevel: 0,
};
