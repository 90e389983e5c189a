/**
 * Several policies that apply at once, pure: for each rule the strictest one wins. In whatever order
 * and however often they are put together, the outcome is the same. A policy that does not say a
 * rule has no part in it; the default counts where no policy says it.
 */
import { CHANNEL_NAMES, type ChannelName } from "#shared/spice/channel-names.ts";
import type { Hours } from "./hours.ts";
import {
  type ClipboardRule,
  type ControlLossRule,
  DEFAULT_RULES,
  type PartialPolicy,
  RULE_NAMES,
  type RuleName,
  type Rules,
} from "./policy.ts";

/** Some of the rules, ready to be put together. */
export type PartialRules = { readonly [Rule in RuleName]?: Rules[Rule] | undefined };

/** The stricter of two values; what satisfies both, where neither of them does. */
type Stricter<Value> = (left: Value, right: Value) => Value;

/** Each rule's order of strictness. */
const STRICTER: { readonly [Rule in RuleName]: Stricter<Rules[Rule]> } = {
  /** What both lists permit; no list permits everything. */
  channels: unlessNone(commonChannels),
  /** `enforce` before `observe`. */
  firewall: ranked("enforce", "observe"),
  /** `refuse` before `take-over`. */
  secondViewer: ranked("refuse", "take-over"),
  /** The shorter one. */
  reconnectWindowS: Math.min,
  /** The shorter one; any before none. */
  idleS: unlessNone(Math.min),
  durationS: unlessNone(Math.min),
  /** The smaller one; any before none. */
  sessionsMax: unlessNone(Math.min),
  /** The hours that both have open; any before always. */
  allowedHours: unlessNone(bothHours),
  /** `strict` with the fewer seconds, before `strict` with more, before `fail-static`. */
  controlLoss: stricterLoss,
  /** `deny`, and also both one-way rules together, before one way, before `allow`. */
  clipboard: stricterClipboard,
  /** `deny` before `allow`. */
  fileTransfer: ranked("deny", "allow"),
  usb: ranked("deny", "allow"),
  input: ranked("deny", "allow"),
};

/** A policy that applies, and where it comes from. */
export interface PolicyLayer<From> {
  readonly from: From;
  readonly rules: PartialPolicy;
}

/** What one policy says of a rule. */
export interface Contribution<From> {
  readonly from: From;
  readonly value: Rules[RuleName];
  /** No other policy says anything stricter. */
  readonly wins: boolean;
}

/** How one rule came about; without contributions it is as by default. */
export interface Decision<From> {
  readonly rule: RuleName;
  readonly value: Rules[RuleName];
  readonly contributions: readonly Contribution<From>[];
}

/** The outcome, and who said what. */
export interface MergedPolicy<From> {
  readonly rules: Rules;
  readonly decisions: readonly Decision<From>[];
}

/** The rules that hold where all of these policies apply. */
export function mergePolicies<From>(layers: readonly PolicyLayer<From>[]): MergedPolicy<From> {
  const said = layers.map(({ from, rules }) => ({ from, rules: readRules(rules) }));
  const rules = withDefaults(
    said.reduce<PartialRules>((merged, layer) => mergeRules(merged, layer.rules), {}),
  );
  return {
    rules,
    decisions: RULE_NAMES.map((rule) => ({
      rule,
      value: rules[rule],
      contributions: contributionsTo(rule, said, rules),
    })),
  };
}

/** A written policy's rules; lists become such that equal ones look alike. */
export function readRules({ allowedHours, channels, ...rules }: PartialPolicy): PartialRules {
  return {
    ...rules,
    ...(channels === undefined ? {} : { channels: channels && commonChannels(channels, channels) }),
    ...(allowedHours === undefined ? {} : { allowedHours: allowedHours && [allowedHours] }),
  };
}

/** The strictest of both for each rule: commutative, associative and idempotent. */
export function mergeRules(left: PartialRules, right: PartialRules): PartialRules {
  const names = RULE_NAMES.filter((rule) => left[rule] !== undefined || right[rule] !== undefined);
  return Object.fromEntries(names.map((rule) => [rule, mergeRule(rule, left, right)]));
}

/**
 * What of a policy makes these rules stricter. A policy that somebody adds who may not loosen any
 * counts with this alone: otherwise it would loosen what is as by default because nobody says it.
 */
export function onlyStricter(rules: Rules, added: PartialPolicy): PartialPolicy {
  const merged = withDefaults(mergeRules(rules, readRules(added)));
  const stricter = RULE_NAMES.filter((rule) => !isSame(merged[rule], rules[rule]));
  return Object.fromEntries(stricter.map((rule) => [rule, added[rule]]));
}

/** Every rule; those that nobody says are as by default. */
export function withDefaults(rules: PartialRules): Rules {
  const said = Object.entries(rules).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_RULES, ...Object.fromEntries(said) };
}

function mergeRule<Rule extends RuleName>(
  rule: Rule,
  { [rule]: left }: PartialRules,
  { [rule]: right }: PartialRules,
): Rules[Rule] | undefined {
  if (left === undefined || right === undefined) {
    return left === undefined ? right : left;
  }
  return STRICTER[rule](left, right);
}

function contributionsTo<From, Rule extends RuleName>(
  rule: Rule,
  layers: readonly { readonly from: From; readonly rules: PartialRules }[],
  merged: Rules,
): Contribution<From>[] {
  const said = layers.flatMap(({ from, rules: { [rule]: value } }) =>
    value === undefined ? [] : [{ from, value }],
  );
  const isBeaten = (value: Rules[Rule]): boolean =>
    said.some((other) => {
      const both = STRICTER[rule](value, other.value);
      return isSame(both, other.value) && !isSame(both, value);
    });
  // Who says the outcome itself beats everybody who does not.
  const isOutcome = (value: Rules[Rule]): boolean => isSame(value, merged[rule]);
  const isSaid = said.some(({ value }) => isOutcome(value));
  return said.map(({ from, value }) => ({
    from,
    value,
    wins: isSaid ? isOutcome(value) : !isBeaten(value),
  }));
}

/** Whatever comes out of {@link readRules} and the table is written in one way only. */
function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Null says that there is no bound. */
function unlessNone<Value>(stricter: Stricter<Value>): Stricter<Value | null> {
  return (left, right) => {
    if (left === null || right === null) {
      return left ?? right;
    }
    return stricter(left, right);
  };
}

/** Of two values the one that comes first. */
function ranked<Value>(...strictestFirst: readonly Value[]): Stricter<Value> {
  return (left, right) =>
    strictestFirst.indexOf(left) <= strictestFirst.indexOf(right) ? left : right;
}

function commonChannels(
  left: readonly ChannelName[],
  right: readonly ChannelName[],
): ChannelName[] {
  return CHANNEL_NAMES.filter((name) => left.includes(name) && right.includes(name));
}

/** Each set of hours once, in one order. */
function bothHours(left: readonly Hours[], right: readonly Hours[]): readonly Hours[] {
  const byText = new Map([...left, ...right].map((hours) => [JSON.stringify(hours), hours]));
  return [...byText]
    .sort(([one], [other]) => (one < other ? -1 : Number(one > other)))
    .map(([, hours]) => hours);
}

function stricterLoss(left: ControlLossRule, right: ControlLossRule): ControlLossRule {
  if (left === "fail-static" || right === "fail-static") {
    return left === "fail-static" ? right : left;
  }
  return left.strict <= right.strict ? left : right;
}

function stricterClipboard(left: ClipboardRule, right: ClipboardRule): ClipboardRule {
  if (left === right || right === "allow") {
    return left;
  }
  return left === "allow" ? right : "deny";
}
