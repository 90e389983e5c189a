import { describe, expect, it } from "vitest";
import { partialPolicySchema } from "#shared/policy/policy.ts";
import { readPolicy, writePolicy } from "../../../worker/services/stored-policy.ts";

const hours = { timeZone: "UTC", windows: [{ days: ["mon"], from: "07:00", to: "19:00" }] };

describe("a policy as it is stored", () => {
  it("keeps the rules that it has, also those that say what the default says", () => {
    const rules = { channels: null, idleS: null, controlLoss: "fail-static" } as const;
    expect(readPolicy(writePolicy(rules))).toEqual(rules);
  });

  it("is none when it has no rules", () => {
    expect(writePolicy({})).toBeNull();
    expect(writePolicy(null)).toBeNull();
    expect(readPolicy(null)).toBeNull();
  });

  it.each([
    [{ colour: "red" }],
    [{ idleS: 0 }],
    [{ channels: [] }],
    [{ channels: ["telepathy"] }],
    [{ channels: ["display", "inputs"] }],
    [{ reconnectWindowS: null }],
    [{ sessionsMax: 0 }],
    [{ controlLoss: { strict: 19 } }],
    [{ controlLoss: "strict" }],
    [{ clipboard: "both" }],
    [{ usb: "to-guest" }],
    [{ allowedHours: [hours] }],
    [{ allowedHours: { ...hours, timeZone: "Mars/Olympus" } }],
  ])("is refused: %j", (policy) => {
    expect(partialPolicySchema.safeParse(policy).success).toBe(false);
  });
});
