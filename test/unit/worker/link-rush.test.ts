import { describe, expect, it } from "vitest";
import { LinkRush } from "../../../worker/hub/link-rush.ts";

function filled(atMs = 0): { readonly rush: LinkRush; readonly relays: string[] } {
  const rush = new LinkRush();
  rush.countHubs();
  const relays: string[] = [];
  for (let id = "rly_0"; rush.enter(id, atMs); id = `rly_${relays.length}`) {
    relays.push(id);
  }
  return { rush, relays };
}

describe("relays that come all at once", () => {
  it("are let in up to a bound, and one more for each that is linked or gone", () => {
    const { rush, relays } = filled();
    expect(relays.length).toBeGreaterThan(1);
    rush.leave("rly_0");
    rush.leave("rly_0");
    expect(rush.enter("rly_a", 1)).toBe(true);
    expect(rush.enter("rly_b", 1)).toBe(false);
  });

  it("take one place each, however often one comes", () => {
    const rush = new LinkRush();
    rush.countHubs();
    for (let time = 0; time < 100; time += 1) {
      expect(rush.enter("rly_restless", time)).toBe(true);
    }
    expect(rush.enter("rly_other", 100)).toBe(true);
    const { rush: full, relays } = filled();
    expect(relays.every((id) => full.enter(id, 1))).toBe(true);
  });

  it("do not keep a place for longer than a greeting may take", () => {
    const { rush, relays } = filled();
    expect(rush.enter("rly_late", 5_999)).toBe(false);
    for (const [index] of relays.entries()) {
      expect(rush.enter(`rly_next${index}`, 6_000)).toBe(true);
    }
    expect(rush.enter("rly_late", 6_000)).toBe(false);
  });

  it("keep no place for the sake of a clock that was turned back", () => {
    const { rush } = filled(3_600_000);
    expect(rush.enter("rly_late", 0)).toBe(true);
  });

  it("are not counted where the hubs are elsewhere", () => {
    const rush = new LinkRush();
    for (let count = 0; count < 1_000; count += 1) {
      expect(rush.enter(`rly_${count}`, 0)).toBe(true);
    }
  });
});
