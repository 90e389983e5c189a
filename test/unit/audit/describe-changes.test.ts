import { describe, expect, it } from "vitest";
import { describeChanges, fieldChangesSchema } from "#shared/audit/describe-changes.ts";
import { asksForType } from "#shared/audit/event-patterns.ts";

describe("changes, described", () => {
  it("are the fields that differ, before and after", () => {
    const before = { name: "a", port: 1, tags: ["x"], same: { deep: [1] }, gone: true };
    const after = { name: "b", port: 1, tags: ["x", "y"], same: { deep: [1] }, fresh: null };
    expect(describeChanges(before, after)).toEqual([
      { field: "name", before: '"a"', after: '"b"' },
      { field: "tags", before: '["x"]', after: '["x","y"]' },
      { field: "gone", before: "true", after: null },
    ]);
  });

  it("tell of a secret only that it was changed, and whether there is one", () => {
    const told = describeChanges({ key: "one", old: "x" }, { key: "two", fresh: "y" }, [
      "key",
      "old",
      "fresh",
    ]);
    expect(told).toEqual([
      { field: "key", before: "(secret)", after: "(secret)" },
      { field: "old", before: "(secret)", after: null },
      { field: "fresh", before: null, after: "(secret)" },
    ]);
  });

  it("are bounded, in their number and in their length", () => {
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`f${index}`, index]),
    );
    const told = describeChanges(many, { f0: "x".repeat(10_000) });
    expect(told).toHaveLength(32);
    expect(told[0]?.after).toHaveLength(257);
    expect(fieldChangesSchema.safeParse(told).success).toBe(true);
  });
});

describe("a pattern", () => {
  it.each([
    ["*", true],
    ["session.*", true],
    ["session.ended", true],
    ["session.opened", false],
    ["sess.*", false],
    ["session", false],
  ])("%s asks for session.ended: %s", (pattern, asks) => {
    expect(asksForType([pattern], "session.ended")).toBe(asks);
  });
});
