import { describe, expect, it } from "vitest";
import { countOf } from "../../../relay/cli/count-of.ts";

describe("a count in words", () => {
  it("is of one or of several", () => {
    expect([0, 1, 2].map((count) => countOf(count, "event"))).toEqual([
      "0 events",
      "1 event",
      "2 events",
    ]);
  });
});
