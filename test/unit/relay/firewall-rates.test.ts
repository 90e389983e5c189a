import { describe, expect, it } from "vitest";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";
import { rateCeiling, RateMeter } from "../../../relay/pump/firewall-rates.ts";

const CEILING = { perSecond: 1000, burst: 5000 };

describe("RateMeter", () => {
  it("takes a burst at once and not one message more", () => {
    expect(new RateMeter(CEILING).take(5000, 0)).toBe(true);
    expect(new RateMeter(CEILING).take(5001, 0)).toBe(false);
  });

  it("takes the ceiling for ever, however it is spread", () => {
    const meter = new RateMeter(CEILING);
    meter.take(5000, 0);
    for (let nowMs = 1; nowMs < 10_000; nowMs += 1) {
      expect(meter.take(1, nowMs)).toBe(true);
    }
    for (let nowMs = 10_999; nowMs < 100_000; nowMs += 1000) {
      expect(meter.take(1000, nowMs)).toBe(true);
    }
    expect(meter.take(1, 98_999)).toBe(false);
  });

  it("saves up no more than the burst", () => {
    const meter = new RateMeter(CEILING);
    meter.take(1, 0);
    expect(meter.take(5001, 1e12)).toBe(false);
  });

  it("forgives what was above, so that the next is judged alone", () => {
    const meter = new RateMeter(CEILING);
    expect(meter.take(1_000_000, 0)).toBe(false);
    expect(meter.take(1, 0)).toBe(false);
    expect(meter.take(1, 1)).toBe(true);
  });

  it("does not refill when the clock is set back, and goes on from there", () => {
    const meter = new RateMeter(CEILING);
    meter.take(5000, 3_600_000);
    expect(meter.take(1, 0)).toBe(false);
    for (let nowMs = 1; nowMs < 10_000; nowMs += 1) {
      expect(meter.take(1, nowMs)).toBe(true);
    }
  });
});

describe("the ceilings", () => {
  it("let each direction have a chunk of the smallest messages at once", () => {
    for (const channel of CHANNEL_NAMES) {
      for (const direction of ["client", "server"] as const) {
        const { perSecond, burst } = rateCeiling(channel, direction);
        expect(burst, channel).toBeGreaterThan((64 * 1024) / 6);
        expect(burst, channel).toBeGreaterThanOrEqual(2 * perSecond);
      }
    }
  });

  it("have room for the fastest mice, for x11perf and for USB in small packets", () => {
    expect(rateCeiling("inputs", "client").perSecond).toBeGreaterThan(8000);
    expect(rateCeiling("display", "server").perSecond).toBeGreaterThan(1_000_000);
    expect(rateCeiling("usbredir", "client").perSecond).toBeGreaterThan(900_000);
  });

  it("keep a flood of input from the hypervisor", () => {
    expect(rateCeiling("inputs", "client").perSecond).toBeLessThanOrEqual(10_000);
  });
});
