import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Stallable, StallWatch } from "../../../relay/pump/stall-watch.ts";

class Channel implements Stallable {
  since: number | null = null;
  endings = 0;

  heldSinceMs(): number | null {
    return this.since;
  }

  stalled(): void {
    this.endings += 1;
    watch.forget(this);
  }
}

let watch: StallWatch;

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  watch = new StallWatch({ stallMsMax: 1_000, nowMs: () => Date.now() });
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the watch for stalled channels", () => {
  it("ends one that is held for its whole time, soon after, and once", () => {
    const channel = new Channel();
    watch.watch(channel);
    vi.advanceTimersByTime(10_000);
    channel.since = 10_000;
    vi.advanceTimersByTime(999);
    expect(channel.endings).toBe(0);
    vi.advanceTimersByTime(251);
    expect(channel.endings).toBe(1);
    vi.advanceTimersByTime(10_000);
    expect(channel.endings).toBe(1);
  });

  it("leaves alone those that are held again and again, but never for long", () => {
    const channel = new Channel();
    watch.watch(channel);
    for (let round = 0; round < 20; round += 1) {
      channel.since = Date.now();
      vi.advanceTimersByTime(700);
    }
    expect(channel.endings).toBe(0);
  });

  it("has one timer for all channels, and none without any", () => {
    expect(vi.getTimerCount()).toBe(0);
    const channels = [new Channel(), new Channel()];
    channels.forEach((channel) => watch.watch(channel));
    expect(vi.getTimerCount()).toBe(1);
    channels.forEach((channel) => watch.forget(channel));
    expect(vi.getTimerCount()).toBe(0);
    watch.watch(new Channel());
    expect(vi.getTimerCount()).toBe(1);
  });
});
