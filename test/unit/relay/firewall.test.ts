import { describe, expect, it } from "vitest";
import { FIREWALL_FINDINGS_MAX } from "#shared/audit/events.ts";
import type { FirewallMode } from "#shared/policy/policy.ts";
import { ERRORS } from "#shared/errors/catalogue.ts";
import { SpiceError } from "#shared/spice/errors.ts";
import {
  ChannelFirewall,
  type FirewallJudgement,
  type Violation,
} from "../../../relay/pump/firewall.ts";
import { thrownBy } from "../spice/hex.ts";

function makeFirewall(mode: FirewallMode) {
  const judgements: FirewallJudgement[] = [];
  const onFinding = (judgement: FirewallJudgement) => judgements.push(judgement);
  return { firewall: new ChannelFirewall({ channel: "inputs", mode, onFinding }), judgements };
}

const violation = (rule: Violation["rule"], messageType: number | null = 7): Violation => ({
  direction: "client",
  rule,
  messageType,
  numbers: { value: 7 },
});

describe("ChannelFirewall", () => {
  it.each([
    ["type", "message.type-unknown"],
    ["size", "message.size-unlawful"],
    ["sub-list", "message.sub-list-unlawful"],
    ["rate", "message.rate-exceeded"],
  ] as const)("ends the channel of a broken %s rule with %s, having told of it", (rule, code) => {
    const { firewall, judgements } = makeFirewall("enforce");
    const error = thrownBy(() => firewall.violated(violation(rule)));
    expect(error).toBeInstanceOf(SpiceError);
    expect(error).toMatchObject({ code, numbers: { value: 7 } });
    expect(Object.keys(ERRORS)).toContain(code);
    expect(judgements).toEqual([{ direction: "client", rule, action: "ended" }]);
    expect(firewall.findings()).toEqual([{ direction: "client", rule, messageType: 7, count: 1 }]);
  });

  it("lets pass and counts alike ones together when it observes", () => {
    const { firewall, judgements } = makeFirewall("observe");
    firewall.violated(violation("size"));
    firewall.violated(violation("type"));
    firewall.violated({ ...violation("size"), direction: "server" });
    firewall.violated(violation("size", 8));
    firewall.violated(violation("rate", null));
    firewall.violated(violation("size"));
    expect(firewall.findings()).toEqual([
      { direction: "client", rule: "size", messageType: 7, count: 2 },
      { direction: "client", rule: "type", messageType: 7, count: 1 },
      { direction: "server", rule: "size", messageType: 7, count: 1 },
      { direction: "client", rule: "size", messageType: 8, count: 1 },
      { direction: "client", rule: "rate", messageType: null, count: 1 },
    ]);
    expect(judgements).toHaveLength(6);
    expect(new Set(judgements.map(({ action }) => action))).toEqual(new Set(["observed"]));
  });

  it("keeps a bounded number of different findings, counts those on, and meters all", () => {
    const { firewall, judgements } = makeFirewall("observe");
    for (let round = 0; round < 2; round += 1) {
      for (let type = 0; type < 1000; type += 1) {
        firewall.violated(violation("type", type));
      }
    }
    expect(firewall.findings()).toHaveLength(FIREWALL_FINDINGS_MAX);
    expect(firewall.findings().map(({ count }) => count)).toEqual(
      Array.from({ length: FIREWALL_FINDINGS_MAX }, () => 2),
    );
    expect(judgements).toHaveLength(2000);
  });

  it("has no findings when nothing was found", () => {
    expect(makeFirewall("enforce").firewall.findings()).toEqual([]);
  });
});
