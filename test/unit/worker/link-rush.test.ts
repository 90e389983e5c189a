import { describe, expect, it } from "vitest";
import { LinkRush } from "../../../worker/hub/link-rush.ts";

function filled(): { readonly rush: LinkRush; readonly places: string[] } {
  const rush = new LinkRush();
  rush.countHubs();
  const places: string[] = [];
  for (let place = rush.enter(0); place !== null; place = rush.enter(0)) {
    places.push(place);
  }
  return { rush, places };
}

describe("relays that come all at once", () => {
  it("are let in up to a bound, and one more for each that is linked or gone", () => {
    const { rush, places } = filled();
    expect(places.length).toBeGreaterThan(1);
    rush.leave(places[0] ?? "");
    rush.leave(places[0] ?? "");
    expect(rush.enter(1)).not.toBeNull();
    expect(rush.enter(1)).toBeNull();
  });

  it("do not keep a place for longer than a greeting may take", () => {
    const { rush, places } = filled();
    expect(rush.enter(5_999)).toBeNull();
    for (const _place of places) {
      expect(rush.enter(6_000)).not.toBeNull();
    }
    expect(rush.enter(6_000)).toBeNull();
  });

  it("are not counted where the hubs are elsewhere", () => {
    const rush = new LinkRush();
    for (let count = 0; count < 1_000; count += 1) {
      expect(rush.enter(0)).not.toBeNull();
    }
  });
});
