/** When the control link tells the hub of the relay's load. */
import { describe, expect, it } from "vitest";
import { LOAD_VERSION } from "#shared/control/contract.ts";
import {
  type Load,
  LOAD_REFRESH_INTERVAL_MS,
  LOAD_REPORT_INTERVAL_MS,
} from "#shared/control/load.ts";
import { initialLinkState } from "../../../relay/control/link-state.ts";
import type { LinkInput, LinkState } from "../../../relay/control/link-types.ts";
import { LINK, message, NOW, run, sent, START, WELCOME } from "./link-steps.ts";

describe("the relay's load", () => {
  const load = (channels: number, sessions = 0): Load => ({
    sessions,
    channels,
    bytesPerS: channels * 7,
    cpuShare: 0,
    loopDelayMs: 0,
  });
  const measure = (channels: number, sessions = 0): LinkInput => ({
    kind: "load",
    load: load(channels, sessions),
    channelsMax: 100,
  });
  const linkedWithLoad = (): LinkState =>
    run(initialLinkState(), [
      measure(10),
      ...START,
      message({ ...WELCOME, version: LOAD_VERSION }),
      { kind: "adopted", failure: null },
    ]).state;

  it("is said by the hello, when it is known", () => {
    const step = run(initialLinkState(), [measure(10), ...START]);
    const hello = step.effects.find((effect) => effect.kind === "hello");
    expect(hello).toMatchObject({ hello: { load: load(10) } });
  });

  it("is said when its level changes, but not more often than the contract lets it", () => {
    const soon = NOW + LOAD_REPORT_INTERVAL_MS;
    expect(sent(run(linkedWithLoad(), [measure(19)], soon))).toEqual([]);
    expect(sent(run(linkedWithLoad(), [measure(20)], soon - 1))).toEqual([]);
    const told = run(linkedWithLoad(), [measure(20)], soon);
    expect(sent(told)).toEqual([{ type: "load", load: load(20) }]);
    // Just below the border again: that is no other level.
    const next = soon + LOAD_REPORT_INTERVAL_MS;
    expect(sent(run(told.state, [measure(19)], next))).toEqual([]);
    expect(sent(run(told.state, [measure(14)], next))).toEqual([{ type: "load", load: load(14) }]);
  });

  it("is said now and then when only its counts have changed, and never when nothing has", () => {
    const later = NOW + LOAD_REFRESH_INTERVAL_MS;
    expect(sent(run(linkedWithLoad(), [measure(11)], later - 1))).toEqual([]);
    expect(sent(run(linkedWithLoad(), [measure(11)], later))).toEqual([
      { type: "load", load: load(11) },
    ]);
    expect(sent(run(linkedWithLoad(), [measure(10)], later * 2))).toEqual([]);
  });

  it("is kept from a control plane that does not know of it", () => {
    const old = run(initialLinkState(), [measure(10), ...LINK]).state;
    expect(sent(run(old, [measure(90)], NOW + LOAD_REFRESH_INTERVAL_MS))).toEqual([]);
  });
});
