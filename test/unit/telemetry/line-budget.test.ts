/** How many lines of one kind a log may have. */
import { expect, it } from "vitest";
import { LineBudget } from "../../../relay/telemetry/line-budget.ts";

it("lets some lines through each minute, also after the clock was set back", () => {
  let nowMs = 1_000_000;
  const budget = new LineBudget(2, () => nowMs);
  const three = (): boolean[] => [budget.spend(), budget.spend(), budget.spend()];
  expect(three()).toEqual([true, true, false]);
  nowMs += 59_999;
  expect(budget.spend()).toBe(false);
  nowMs += 1;
  expect(three()).toEqual([true, true, false]);
  nowMs -= 500_000;
  expect(three()).toEqual([true, true, false]);
});
