/** What tells a relay to end, once or twice. */
import { describe, expect, it } from "vitest";
import { EndRequests } from "../../../relay/end-requests.ts";

/** What the second request was after these, in [reason, time] pairs; null when there was none. */
async function secondOf(told: readonly (readonly [string, number])[]): Promise<string | null> {
  let nowMs = 0;
  const ends = new EndRequests(() => nowMs);
  for (const [reason, atMs] of told) {
    nowMs = atMs;
    ends.tell(reason);
  }
  expect(await ends.first).toBe(told[0]?.[0]);
  return Promise.race([ends.second, Promise.resolve(null)]);
}

describe("what tells a relay to end", () => {
  it.each([
    ["one signal", [["SIGINT", 0]]],
    [
      "the terminal's signal and the launcher's",
      [
        ["SIGINT", 0],
        ["SIGINT", 5],
        ["SIGINT", 999],
      ],
    ],
  ] as const)("is one request: %s", async (_what, told) => {
    expect(await secondOf(told)).toBeNull();
  });

  it.each([
    [
      "a signal of the same kind, a second later",
      "SIGINT",
      [
        ["SIGINT", 0],
        ["SIGINT", 700],
        ["SIGINT", 1_000],
      ],
    ],
    [
      "a signal of another kind",
      "SIGTERM",
      [
        ["SIGINT", 0],
        ["SIGTERM", 1],
      ],
    ],
    [
      "the loss of the parent",
      "disconnect",
      [
        ["SIGTERM", 0],
        ["disconnect", 1],
      ],
    ],
  ] as const)("is told a second time by %s", async (_what, second, told) => {
    expect(await secondOf(told)).toBe(second);
  });
});
