/** The forms in which commands take a time. */
import { describe, expect, it } from "vitest";
import { timeOption } from "../../../relay/cli/time-option.ts";

const NOW_MS = Date.UTC(2026, 2, 2, 12);
const read = (from?: string) => timeOption(from === undefined ? {} : { from }, "from", NOW_MS);

describe("a time on the command line", () => {
  it.each([
    ["2026-03-01", "2026-03-01T00:00:00.000Z"],
    ["2026-03-01T12:30:00Z", "2026-03-01T12:30:00.000Z"],
    ["2026-03-01T12:30:00+02:00", "2026-03-01T10:30:00.000Z"],
    ["90m", "2026-03-02T10:30:00.000Z"],
    ["36h", "2026-03-01T00:00:00.000Z"],
    ["2d", "2026-02-28T12:00:00.000Z"],
    [undefined, null],
  ])("may be %s", (text, time) => {
    expect(read(text)).toEqual({ ok: true, value: time });
  });

  it.each(["", "someday", "36", "h", "-1h", "1.5h", "9999999h", "1w"])("is not %j", (text) => {
    const taken = read(text);
    expect(taken.ok ? taken.value : taken.error.sentence).toContain(
      `--from cannot be "${text}": give a time such as 2026-03-01`,
    );
  });
});
