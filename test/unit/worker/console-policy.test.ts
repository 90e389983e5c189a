import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY, mergePolicy, partialPolicySchema } from "#shared/policy/policy.ts";
import {
  effectivePolicy,
  readPolicy,
  writePolicy,
} from "../../../worker/services/console-policy.ts";

describe("a console's own policy", () => {
  it("changes the rules that it has, and leaves the others as by default", () => {
    const policy = writePolicy({ idleS: 900, secondViewer: "take-over" });
    expect(effectivePolicy({ policy })).toEqual({
      ...DEFAULT_POLICY,
      idleS: 900,
      secondViewer: "take-over",
    });
    expect(effectivePolicy({ policy: null })).toEqual(DEFAULT_POLICY);
  });

  it("keeps a rule that says what the default says: the default may be another one day", () => {
    expect(readPolicy(writePolicy({ channels: null, idleS: null }))).toEqual({
      channels: null,
      idleS: null,
    });
    const strict = mergePolicy(DEFAULT_POLICY, { channels: ["main"] });
    expect(mergePolicy(strict, { channels: null }).channels).toBeNull();
  });

  it("is none when it has no rules", () => {
    expect(writePolicy({})).toBeNull();
    expect(writePolicy(null)).toBeNull();
  });

  it.each([
    [{ colour: "red" }],
    [{ idleS: 0 }],
    [{ channels: [] }],
    [{ channels: ["telepathy"] }],
    [{ channels: ["display", "inputs"] }],
    [{ reconnectWindowS: null }],
  ])("is refused: %j", (policy) => {
    expect(partialPolicySchema.safeParse(policy).success).toBe(false);
  });
});
