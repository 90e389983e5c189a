import { expect, it } from "vitest";
import { holdsZero } from "../../../worker/routes/zero-character.ts";

it.each([
  ["\0", true],
  ["a\0", true],
  ["\\\0", true],
  ["\\\\\0\\", true],
  ["", false],
  ["\\u0000", false],
  ["\\\\u0000", false],
  ["\u0001\u000a", false],
  ["u0000", false],
])("a zero character is found in %j: %s", (text, isThere) => {
  expect(holdsZero(JSON.stringify({ text }))).toBe(isThere);
  expect(holdsZero(JSON.stringify({ [text]: 1 }))).toBe(isThere);
});

it("is looked for in one pass", () => {
  expect(holdsZero("\\".repeat(1_000_000))).toBe(false);
});
