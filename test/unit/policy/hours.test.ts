import { describe, expect, it } from "vitest";
import { DAYS, type Hours, hoursSchema, opennessAt } from "#shared/policy/hours.ts";

const at = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) {
    throw new Error(text);
  }
  return ms;
};
const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const WORKDAYS = ["mon", "tue", "wed", "thu", "fri"] as const;

function hours(timeZone: string, ...windows: readonly [readonly string[], string, string][]) {
  return hoursSchema.parse({
    timeZone,
    windows: windows.map(([days, from, to]) => ({ days, from, to })),
  });
}

/** What a test says: open until, or closed until. */
function said(all: readonly Hours[], time: string): string {
  const openness = opennessAt(all, at(time));
  return openness.open
    ? `open until ${iso(openness.closesAtMs)}`
    : `closed until ${iso(openness.opensAtMs)}`;
}

const office = hours("Europe/Zurich", [WORKDAYS, "07:00", "19:00"]);

describe("hours by the wall clock of a zone", () => {
  it("are open from the first moment of a window, and closed from its last", () => {
    // A Thursday in winter: Zurich is an hour ahead.
    expect(said([office], "2026-01-15T05:59:59.999Z")).toBe(
      "closed until 2026-01-15T06:00:00.000Z",
    );
    expect(said([office], "2026-01-15T06:00:00Z")).toBe("open until 2026-01-15T18:00:00.000Z");
    expect(said([office], "2026-01-15T17:59:59.999Z")).toBe("open until 2026-01-15T18:00:00.000Z");
    expect(said([office], "2026-01-15T18:00:00Z")).toBe("closed until 2026-01-16T06:00:00.000Z");
  });

  it("skip the days that are not theirs", () => {
    expect(said([office], "2026-01-16T18:00:00Z")).toBe("closed until 2026-01-19T06:00:00.000Z");
  });

  it("go on over midnight and over the week's end, by the day on which they began", () => {
    const night = hours("Asia/Kathmandu", [["sun"], "22:15", "06:00"]);
    expect(said([night], "2026-01-18T16:29:59Z")).toBe("closed until 2026-01-18T16:30:00.000Z");
    expect(said([night], "2026-01-18T16:30:00Z")).toBe("open until 2026-01-19T00:15:00.000Z");
    expect(said([night], "2026-01-19T00:15:00Z")).toBe("closed until 2026-01-25T16:30:00.000Z");
  });

  it("that follow each other are one", () => {
    const both = hours("UTC", [["mon"], "08:00", "24:00"], [["tue"], "00:00", "09:00"]);
    expect(said([both], "2026-01-19T10:00:00Z")).toBe("open until 2026-01-20T09:00:00.000Z");
  });

  it("that never close have no end, and neither have none at all", () => {
    const always = hours("America/New_York", [DAYS, "00:00", "24:00"]);
    expect(said([always], "2026-03-05T10:00:00Z")).toBe("open until null");
    expect(said([], "2026-03-05T10:00:00Z")).toBe("open until null");
  });

  it("of two policies both have to be open", () => {
    const boston = hours("America/New_York", [WORKDAYS, "08:00", "17:00"]);
    expect(said([office, boston], "2026-01-15T10:00:00Z")).toBe(
      "closed until 2026-01-15T13:00:00.000Z",
    );
    expect(said([boston, office], "2026-01-15T13:00:00Z")).toBe(
      "open until 2026-01-15T18:00:00.000Z",
    );
  });

  it("that never meet do not open", () => {
    const weekend = hours("Europe/Zurich", [["sat", "sun"], "00:00", "24:00"]);
    expect(said([office, weekend], "2026-01-15T10:00:00Z")).toBe("closed until null");
  });
});

describe("hours where the clock is set", () => {
  const daily = hours("Europe/Zurich", [DAYS, "01:00", "02:30"]);

  it("follow the wall clock into summer and out of it", () => {
    // Zurich's clocks go forward on 2026-03-29 at 01:00 UTC, and back on 2026-10-25 at 01:00 UTC.
    expect(said([office], "2026-03-27T18:00:00Z")).toBe("closed until 2026-03-30T05:00:00.000Z");
    expect(said([office], "2026-10-23T18:00:00Z")).toBe("closed until 2026-10-26T06:00:00.000Z");
  });

  it("end where the clock jumps over their end", () => {
    expect(said([daily], "2026-03-29T00:00:00Z")).toBe("open until 2026-03-29T01:00:00.000Z");
    expect(said([daily], "2026-03-29T01:00:00Z")).toBe("closed until 2026-03-29T23:00:00.000Z");
  });

  it("that the clock jumps over do not come that day", () => {
    const skipped = hours("Europe/Zurich", [["sun"], "02:00", "03:00"]);
    expect(said([skipped], "2026-03-28T12:00:00Z")).toBe("closed until 2026-04-05T00:00:00.000Z");
  });

  it("that the clock shows twice come twice", () => {
    expect(said([daily], "2026-10-24T23:00:00Z")).toBe("open until 2026-10-25T00:30:00.000Z");
    expect(said([daily], "2026-10-25T00:30:00Z")).toBe("closed until 2026-10-25T01:00:00.000Z");
    expect(said([daily], "2026-10-25T01:00:00Z")).toBe("open until 2026-10-25T01:30:00.000Z");
  });

  it("that are closed in one hour of the week only are closed in it also a week later", () => {
    const almost = hours(
      "Europe/Zurich",
      [WORKDAYS, "00:00", "24:00"],
      [["sat"], "00:00", "24:00"],
      [["sun"], "00:00", "02:00"],
      [["sun"], "03:00", "24:00"],
    );
    expect(said([almost], "2026-03-23T12:00:00Z")).toBe("open until 2026-04-05T00:00:00.000Z");
  });

  it.each([
    ["half an hour: Lord Howe", "Australia/Lord_Howe", "2026-04-05T12:00:00Z"],
    ["the southern half of the world: Santiago", "America/Santiago", "2026-09-05T12:00:00Z"],
  ])("agree with the clock at every moment, by %s", (_name, zone, from) => {
    const set = hours(zone, [["sat", "sun"], "22:10", "03:20"], [["sun"], "23:30", "01:45"]);
    const clock = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
    });
    const isOpen = (ms: number): boolean => {
      const [day = "", time = ""] = clock.format(ms).replace(",", "").split(" ");
      const late = ["Sat", "Sun"].includes(day) && time >= "22:10";
      const early = ["Sun", "Mon"].includes(day) && time < "03:20";
      return (
        late || early || (day === "Mon" && time < "01:45") || (day === "Sun" && time >= "23:30")
      );
    };
    const startMs = at(from) - 36 * 3_600_000;
    for (let minute = 0; minute < 72 * 60; minute += 5) {
      const ms = startMs + minute * 60_000;
      expect(`${iso(ms)} ${opennessAt([set], ms).open}`).toBe(`${iso(ms)} ${isOpen(ms)}`);
    }
  });
});

describe("hours as they are written", () => {
  const window = { days: ["mon"], from: "07:00", to: "19:00" };

  it.each([
    ["a zone that is none", { timeZone: "Europe/Atlantis", windows: [window] }],
    ["an offset in the place of a zone", { timeZone: "+01:00", windows: [window] }],
    ["no window", { timeZone: "UTC", windows: [] }],
    ["no day", { timeZone: "UTC", windows: [{ ...window, days: [] }] }],
    ["a day that is none", { timeZone: "UTC", windows: [{ ...window, days: ["monday"] }] }],
    ["a time that is none", { timeZone: "UTC", windows: [{ ...window, to: "19:60" }] }],
    ["a beginning at the day's end", { timeZone: "UTC", windows: [{ ...window, from: "24:00" }] }],
    ["no length", { timeZone: "UTC", windows: [{ ...window, to: "07:00" }] }],
    ["another field", { timeZone: "UTC", windows: [window], holidays: [] }],
  ])("are refused with %s", (_name, value) => {
    expect(hoursSchema.safeParse(value).success).toBe(false);
  });
});
