import { expect, it } from "vitest";
import { summarizeCalls } from "../../bench/control/summary.ts";

it("the figures of calls are the medians of their rounds, with the rounds' spread", () => {
  const round = (factor: number) => ({
    callMs: Array.from({ length: 100 }, (_, index) => (index + 1) * factor),
    wallMs: 1_000 * factor,
  });
  expect(summarizeCalls(4, [round(1), round(4), round(2)])).toEqual({
    ...{ callers: 4, calls: 300 },
    ...{ perSecond: 50, perSecondMin: 25, perSecondMax: 100 },
    ...{ p50Ms: 102, p50MsMin: 51, p50MsMax: 204 },
    ...{ p99Ms: 200, p99MsMin: 100, p99MsMax: 400 },
    maxMs: 400,
  });
});
