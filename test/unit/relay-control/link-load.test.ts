/** When the control link tells the hub of the relay's load. */
import { describe, expect, it } from "vitest";
import type { Welcome } from "#shared/control/contract.ts";
import {
  type Load,
  LOAD_REFRESH_INTERVAL_MS,
  LOAD_REPORT_INTERVAL_MS,
} from "#shared/control/load.ts";
import { initialLinkState, stepLink } from "../../../relay/control/link-state.ts";
import type { LinkInput, LinkState, LinkStep } from "../../../relay/control/link-types.ts";

const NOW = 1_000_000;

const WELCOME: Welcome = {
  type: "welcome",
  version: 1,
  epoch: "epoch-a",
  ticketKeys: [{ keyId: "a", key: "b", sealKey: "c" }],
  grantKeys: [{ kty: "OKP", crv: "Ed25519", x: "x", kid: "k" }],
  grantIssuer: "https://kerbside.test",
  stream: null,
  storedSeq: 0,
  webOrigins: [],
  nowMs: 0,
};

function run(state: LinkState, inputs: readonly LinkInput[], nowMs = NOW): LinkStep {
  let step: LinkStep = { state, effects: [] };
  for (const input of inputs) {
    const next = stepLink(step.state, input, { nowMs, chance: 0 });
    step = { state: next.state, effects: [...step.effects, ...next.effects] };
  }
  return step;
}

const sent = (step: LinkStep): unknown[] =>
  step.effects.flatMap((effect) => (effect.kind === "send" ? [effect.message] : []));
const START: readonly LinkInput[] = [{ kind: "start" }, { kind: "opened" }];
const link = (version: number): LinkInput[] => [
  ...START,
  { kind: "message", message: { ...WELCOME, version } },
  { kind: "adopted", failure: null },
];

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
  const linkedWithLoad = (): LinkState => run(initialLinkState(), [measure(10), ...link(2)]).state;

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
    const old = run(initialLinkState(), [measure(10), ...link(1)]).state;
    expect(sent(run(old, [measure(90)], NOW + LOAD_REFRESH_INTERVAL_MS))).toEqual([]);
  });
});
