/** What the transitions of the control link's state are put together from, pure. */
import type { RelayMessage } from "#shared/control/contract.ts";
import type { ControlLogName } from "./control-log.ts";
import type { LinkEffect, LinkState, LinkStep } from "./link-types.ts";

/** A transition that goes on from where another one led. */
export function after(step: LinkStep, next: (state: LinkState) => LinkStep): LinkStep {
  const following = next(step.state);
  return { state: following.state, effects: [...step.effects, ...following.effects] };
}

/** Nothing changes, nothing is done. */
export function same(state: LinkState): LinkStep {
  return { state, effects: [] };
}

/** Something for the hub. */
export function send(message: RelayMessage): LinkEffect {
  return { kind: "send", message };
}

/** Something for the relay's log. */
export function log(
  level: "debug" | "info" | "warn" | "error",
  name: ControlLogName,
  fields: Readonly<Record<string, string | number | null>>,
): LinkEffect {
  return { kind: "log", level, name, fields };
}
