/** Policies put together: the order and the number of times never matter, and nothing is loosened. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAYS } from "#shared/policy/hours.ts";
import {
  CLIPBOARD_RULES,
  DEFAULT_RULES,
  FIREWALL_MODES,
  type PartialPolicy,
  partialPolicySchema,
  permitsChannel,
  policySchema,
  SECOND_VIEWER_RULES,
  sessionPolicy,
  SWITCHES,
} from "#shared/policy/policy.ts";
import { mergePolicies, mergeRules, onlyStricter, readRules } from "#shared/policy/strictness.ts";
import { CHANNEL_NAMES } from "#shared/spice/channel-names.ts";

const orNone = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null });
const time = fc.constantFrom("00:00", "07:00", "12:30", "19:00", "23:59");
const hours = fc.record({
  timeZone: fc.constantFrom("UTC", "Europe/Zurich"),
  windows: fc.array(
    fc
      .record({
        days: fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1 }),
        from: time,
        to: time,
      })
      .filter(({ from, to }) => from !== to),
    { minLength: 1, maxLength: 2 },
  ),
});
const channels = fc
  .uniqueArray(fc.constantFrom(...CHANNEL_NAMES))
  .map((names) => [...new Set(["main" as const, ...names])]);

const policy = fc
  .record(
    {
      channels: orNone(channels),
      firewall: fc.constantFrom(...FIREWALL_MODES),
      secondViewer: fc.constantFrom(...SECOND_VIEWER_RULES),
      reconnectWindowS: fc.integer({ min: 0, max: 5 }),
      idleS: orNone(fc.integer({ min: 1, max: 5 })),
      durationS: orNone(fc.integer({ min: 1, max: 5 })),
      sessionsMax: orNone(fc.integer({ min: 1, max: 5 })),
      allowedHours: orNone(hours),
      controlLoss: fc.oneof(
        fc.constant("fail-static"),
        fc.record({ strict: fc.integer({ min: 20, max: 25 }) }),
      ),
      clipboard: fc.constantFrom(...CLIPBOARD_RULES),
      fileTransfer: fc.constantFrom(...SWITCHES),
      usb: fc.constantFrom(...SWITCHES),
      input: fc.constantFrom(...SWITCHES),
    },
    { requiredKeys: [] },
  )
  .map((rules): PartialPolicy => partialPolicySchema.parse(rules));

const rules = policy.map(readRules);

describe("policies put together", () => {
  it("come out alike in whatever order", () => {
    fc.assert(
      fc.property(rules, rules, (one, other) => {
        expect(mergeRules(one, other)).toEqual(mergeRules(other, one));
      }),
    );
  });

  it("come out alike in whatever groups", () => {
    fc.assert(
      fc.property(rules, rules, rules, (one, two, three) => {
        expect(mergeRules(mergeRules(one, two), three)).toEqual(
          mergeRules(one, mergeRules(two, three)),
        );
      }),
    );
  });

  it("come out alike however often", () => {
    fc.assert(
      fc.property(rules, rules, (one, other) => {
        expect(mergeRules(one, one)).toEqual(one);
        const both = mergeRules(one, other);
        expect(mergeRules(both, one)).toEqual(both);
      }),
    );
  });

  it("leave what none of them says as by default, and add nothing to one alone", () => {
    fc.assert(
      fc.property(rules, fc.array(policy, { maxLength: 4 }), (one, layers) => {
        expect(mergeRules(one, {})).toEqual(one);
        const merged = mergePolicies(layers.map((layer) => ({ from: null, rules: layer })));
        for (const { rule, value, contributions } of merged.decisions) {
          expect(merged.rules[rule]).toEqual(value);
          if (contributions.length === 0) {
            expect(value).toEqual(DEFAULT_RULES[rule]);
          } else {
            expect(contributions.some(({ wins }) => wins)).toBe(true);
          }
        }
      }),
    );
  });

  it("permit what each of them permits, and are a lawful session's", () => {
    fc.assert(
      fc.property(policy, policy, (one, other) => {
        const of = (...layers: PartialPolicy[]) =>
          mergePolicies(layers.map((layer) => ({ from: null, rules: layer }))).rules;
        const [left, right, both] = [of(one), of(other), of(one, other)];
        for (const channel of CHANNEL_NAMES) {
          expect(permitsChannel(both, channel)).toBe(
            permitsChannel(left, channel) && permitsChannel(right, channel),
          );
        }
        expect(policySchema.parse(sessionPolicy(both))).toEqual(sessionPolicy(both));
      }),
    );
  });

  it("with what is stricter of another, are never laxer, also where nobody said anything", () => {
    fc.assert(
      fc.property(fc.array(policy, { maxLength: 2 }), policy, (applying, added) => {
        const layers = applying.map((one) => ({ from: "policy", rules: one }));
        const { rules: before } = mergePolicies(layers);
        const stricter = { from: "link", rules: onlyStricter(before, added) };
        const { rules: after } = mergePolicies([...layers, stricter]);
        // Stricter or the same: what holds already changes nothing of it.
        expect(mergeRules(before, after)).toEqual(after);
        expect(after).toEqual(mergeRules(before, readRules(added)));
      }),
    );
  });
});
