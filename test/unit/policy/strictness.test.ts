import { describe, expect, it } from "vitest";
import { DEFAULT_RULES, type PartialPolicy, RULE_NAMES } from "#shared/policy/policy.ts";
import { mergePolicies } from "#shared/policy/strictness.ts";

const hours = (from: string) => ({
  timeZone: "UTC",
  windows: [{ days: ["mon" as const], from, to: "19:00" }],
});

/** What the rule is under all of these, each from a policy that is named by its place. */
function merged(rule: keyof PartialPolicy, values: readonly unknown[]) {
  const layers = values.map((value, index) => ({
    from: index,
    rules: { [rule]: value } as PartialPolicy,
  }));
  const { rules, decisions } = mergePolicies(layers);
  const decision = decisions.find((candidate) => candidate.rule === rule);
  const winners = decision?.contributions.filter(({ wins }) => wins).map(({ from }) => from);
  return { value: rules[rule], winners };
}

describe("the strictest of all that apply", () => {
  it.each([
    ["channels", [null, ["main", "display"]], ["main", "display"], [1]],
    ["channels", [["main", "display"], ["main", "inputs"], null], ["main"], [0, 1]],
    [
      "channels",
      [
        ["display", "main"],
        ["main", "display"],
      ],
      ["main", "display"],
      [0, 1],
    ],
    ["firewall", ["observe", "enforce"], "enforce", [1]],
    ["firewall", ["observe", "observe"], "observe", [0, 1]],
    ["secondViewer", ["take-over", "refuse"], "refuse", [1]],
    ["reconnectWindowS", [60, 0, 30], 0, [1]],
    ["idleS", [null, 900, 600], 600, [2]],
    ["durationS", [null, null], null, [0, 1]],
    ["sessionsMax", [3, 2, null], 2, [1]],
    ["allowedHours", [null, hours("07:00")], [hours("07:00")], [1]],
    ["allowedHours", [hours("08:00"), hours("07:00")], [hours("07:00"), hours("08:00")], [0, 1]],
    ["allowedHours", [hours("07:00"), hours("07:00")], [hours("07:00")], [0, 1]],
    ["controlLoss", ["fail-static", { strict: 60 }, { strict: 30 }], { strict: 30 }, [2]],
    ["clipboard", ["allow", "to-guest"], "to-guest", [1]],
    ["clipboard", ["to-client", "to-guest"], "deny", [0, 1]],
    ["clipboard", ["to-client", "deny", "to-guest"], "deny", [1]],
    ["fileTransfer", ["allow", "deny"], "deny", [1]],
    ["usb", ["deny", "allow"], "deny", [0]],
    ["input", ["allow", "deny"], "deny", [1]],
  ] as const)("of %s %j is %j", (rule, values, value, winners) => {
    expect(merged(rule, values)).toEqual({ value, winners });
  });

  it("is what the only one says, also where the default is stricter", () => {
    expect(merged("firewall", ["observe"])).toEqual({ value: "observe", winners: [0] });
    expect(merged("reconnectWindowS", [60])).toEqual({ value: 60, winners: [0] });
  });

  it("is the default where none says anything", () => {
    const { rules, decisions } = mergePolicies([{ from: "somebody", rules: {} }]);
    expect(rules).toEqual(DEFAULT_RULES);
    expect(decisions.map(({ rule }) => rule)).toEqual(RULE_NAMES);
    expect(decisions.flatMap(({ contributions }) => contributions)).toEqual([]);
  });
});
