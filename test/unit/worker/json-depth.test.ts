import { describe, expect, it } from "vitest";
import { isNestedDeeper } from "../../../worker/routes/json-depth.ts";

describe("the depth of JSON", () => {
  it.each([
    ["1", 0],
    ["{}", 1],
    ['{"a":[{"b":1}]}', 3],
    ["[[],[],[[]]]", 3],
    // Brackets inside texts count for nothing, also behind quotes and backslashes in them.
    ['{"a":"[[[[["}', 1],
    ['{"a":"\\"[[[","b":"\\\\","c":[1]}', 2],
    ['["{\\u005b"]', 1],
  ])("of %s is %d", (text, depth) => {
    expect(isNestedDeeper(text, depth)).toBe(false);
    expect(isNestedDeeper(text, depth - 1)).toBe(depth > 0);
  });

  it("is found without going down into it", () => {
    expect(isNestedDeeper("[".repeat(1_000_000), 32)).toBe(true);
  });

  it("is left to the parser where the text is broken", () => {
    expect(isNestedDeeper('"[[[[[[[[', 2)).toBe(false);
    expect(isNestedDeeper("]]]]", 2)).toBe(false);
  });
});
