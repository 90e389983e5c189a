/** How transitions are put together, pure. */
import type { HubState, HubStep } from "./hub-state.ts";

/** One transition after the other; their effects in the same order. */
export function chain(
  state: HubState,
  steps: readonly ((current: HubState) => HubStep)[],
): HubStep {
  return steps.reduce<HubStep>((before, step) => {
    const after = step(before.state);
    return { state: after.state, effects: [...before.effects, ...after.effects] };
  }, same(state));
}

/** A transition that does nothing but, perhaps, change the state. */
export function same(state: HubState): HubStep {
  return { state, effects: [] };
}
