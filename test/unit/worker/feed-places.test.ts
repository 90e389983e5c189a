import { describe, expect, it } from "vitest";
import { FeedPlaces } from "../../../worker/routes/feed-places.ts";

const take = (places: FeedPlaces, userId: string, count: number) =>
  Array.from({ length: count }, () => places.take(userId));

describe("the places of feeds", () => {
  it("are not all one user's", () => {
    const places = new FeedPlaces({ all: 5, ofUser: 3 });
    expect(take(places, "greedy", 5).map((leave) => leave !== null)).toEqual([
      ...[true, true, true],
      ...[false, false],
    ]);
    expect(places.take("other")).not.toBeNull();
  });

  it("are bounded in all", () => {
    const places = new FeedPlaces({ all: 3, ofUser: 2 });
    take(places, "one", 2);
    expect(places.take("two")).not.toBeNull();
    expect(places.take("three")).toBeNull();
  });

  it("are free again once left, of which more than once is the same as once", () => {
    const places = new FeedPlaces({ all: 2, ofUser: 1 });
    const leave = places.take("one");
    expect(places.take("one")).toBeNull();
    leave?.();
    leave?.();
    expect(take(places, "one", 2).map((given) => given !== null)).toEqual([true, false]);
    expect(take(places, "two", 1)).not.toContain(null);
    expect(places.take("three")).toBeNull();
  });
});
