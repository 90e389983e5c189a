/** What the hub makes of the load that a relay says: what it keeps, and what it has stored. */
import { describe, expect, it } from "vitest";
import { CONTROL_VERSIONS } from "#shared/control/contract.ts";
import {
  type Load,
  LOAD_REWRITE_INTERVAL_MS,
  LOAD_WRITE_INTERVAL_MS,
} from "#shared/control/load.ts";
import type { HubEffect } from "../../../worker/hub/hub-state.ts";
import { attachmentOf, linkOf, parseAttachment } from "../../../worker/hub/link-attachment.ts";
import { nextWakeMs } from "../../../worker/hub/reducer.ts";
import { HubDriver } from "./hub-driver.ts";

const load = (channels: number): Load => ({
  sessions: 1,
  channels,
  bytesPerS: 0,
  cpuShare: 0,
  loopDelayMs: 0,
});
const levels = (effects: readonly HubEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "store-load" ? [effect.level.level] : []));
const say = (hub: HubDriver, channels: number) =>
  levels(hub.say({ type: "load", load: load(channels) }));
/** Beats go on, so that nothing but the load is due. */
const wait = (hub: HubDriver, ms: number) => levels(hub.tickAfter(ms, hub.nowMs + ms));

describe("a relay's load", () => {
  it("of a hello is stored by the greeting, with its level", () => {
    const hub = new HubDriver();
    hub.feed({ kind: "connected", linkId: "link-1" });
    const effects = hub.say({ ...HELLO_WITH_LOAD });
    expect(effects).toMatchObject([{ kind: "greet", level: { level: 2, full: false } }]);
    hub.link("link-2", HELLO_WITH_LOAD);
    expect(say(hub, 29)).toEqual([]);
  });

  it("is stored as it is said first, then when its level changes, and not too often", () => {
    const hub = new HubDriver();
    hub.link();
    expect(say(hub, 20)).toEqual([2]);
    expect(say(hub, 29)).toEqual([]);
    expect(wait(hub, LOAD_WRITE_INTERVAL_MS - 1)).toEqual([]);
    expect(say(hub, 55)).toEqual([]);
    expect(nextWakeMs(hub.state, hub.nowMs)).toBe(hub.nowMs + 1);
    expect(wait(hub, 1)).toEqual([5]);
    expect(hub.state.link).toMatchObject({ load: { load: load(55) } });
  });

  it("that came and went within the interval is not stored", () => {
    const hub = new HubDriver();
    hub.link();
    say(hub, 20);
    say(hub, 90);
    say(hub, 22);
    expect(wait(hub, LOAD_WRITE_INTERVAL_MS)).toEqual([]);
  });

  it("is stored now and then when only its counts have changed", () => {
    const hub = new HubDriver();
    hub.link();
    say(hub, 20);
    say(hub, 21);
    expect(wait(hub, LOAD_REWRITE_INTERVAL_MS - 1)).toEqual([]);
    expect(wait(hub, 1)).toEqual([2]);
    expect(wait(hub, LOAD_REWRITE_INTERVAL_MS)).toEqual([]);
  });

  it("outlives the hub's memory with what was stored of it", () => {
    const hub = new HubDriver();
    hub.link();
    say(hub, 20);
    const attached = parseAttachment(structuredClone(attachmentOf(hub.state.link)));
    const woken = new HubDriver({
      ...hub.state,
      link: attached === null ? { phase: "none" } : linkOf(attached),
    });
    expect(say(woken, 25)).toEqual([]);
    expect(woken.state.link).toMatchObject({ load: { load: load(25) } });
  });
});

const HELLO_WITH_LOAD = {
  type: "hello" as const,
  versions: CONTROL_VERSIONS,
  build: "test",
  instanceId: "instance-1",
  epoch: null,
  appliedSeq: 0,
  channelsMax: 100,
  draining: false,
  enforces: [],
  load: load(20),
};
