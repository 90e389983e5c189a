import { describe, expect, it } from "vitest";
import { FeedPlaces, PLACE_LIFE_MS } from "../../../worker/routes/feed-places.ts";

const START_MS = 1_000_000;

describe("the places of feeds", () => {
  it("are not all one user's", () => {
    const places = new FeedPlaces({ all: 5, ofUser: 3 });
    const given = Array.from({ length: 5 }, () => places.take("greedy", START_MS) !== null);
    expect(given).toEqual([true, true, true, false, false]);
    expect(places.take("other", START_MS)).not.toBeNull();
  });

  it("are bounded in all", () => {
    const places = new FeedPlaces({ all: 3, ofUser: 2 });
    const users = ["one", "one", "two", "three"];
    const given = users.map((userId) => places.take(userId, START_MS) !== null);
    expect(given).toEqual([true, true, true, false]);
  });

  it("are free again once left", () => {
    const places = new FeedPlaces({ all: 2, ofUser: 1 });
    const place = places.take("one", START_MS);
    expect(places.take("one", START_MS)).toBeNull();
    place?.leave();
    place?.leave();
    expect(places.take("one", START_MS)).not.toBeNull();
    expect(places.take("one", START_MS)).toBeNull();
  });

  it("are free again when whoever had them has gone without a word", () => {
    const places = new FeedPlaces({ all: 1, ofUser: 1 });
    const place = places.take("one", START_MS);
    const latestMs = START_MS + PLACE_LIFE_MS - 1;
    place?.stay(latestMs);
    expect(places.take("two", latestMs + PLACE_LIFE_MS - 1)).toBeNull();
    expect(places.take("two", latestMs + PLACE_LIFE_MS)).not.toBeNull();
  });
});
