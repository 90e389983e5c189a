/** When the hub looks for sessions that were granted and never opened, pure. */
import {
  EXPIRY_FIRST_LOOK_MS,
  EXPIRY_RETRY_MS,
  type Expiry,
  type HubState,
  type HubStep,
} from "./hub-state.ts";
import { same } from "./hub-step.ts";

/**
 * Sees to it that there is a look. A session waits in the database before its grant comes here, so
 * one is due after each grant, whatever became of it, and after each greeting: the control plane
 * may have ended between the two.
 */
export function lookLater(state: HubState, nowMs: number): HubState {
  const atMs = Math.min(state.expiry?.atMs ?? Infinity, nowMs + EXPIRY_FIRST_LOOK_MS);
  return { ...state, expiry: { atMs, looking: false } };
}

/** Looks, and looks again later should the answer never come. */
export function expire(state: HubState, nowMs: number): HubStep {
  return state.expiry !== null && nowMs >= state.expiry.atMs
    ? {
        state: { ...state, expiry: { atMs: nowMs + EXPIRY_RETRY_MS, looking: true } },
        effects: [{ kind: "expire-sessions" }],
      }
    : same(state);
}

/** A grant that came during the look may be younger than its answer, so it is not forgotten. */
export function nextExpiry(
  expiry: Expiry | null,
  found: { readonly done: boolean; readonly nextMs: number | null },
): Expiry | null {
  if (!found.done || expiry === null) {
    return expiry;
  }
  if (found.nextMs !== null) {
    return {
      atMs: expiry.looking ? found.nextMs : Math.min(expiry.atMs, found.nextMs),
      looking: false,
    };
  }
  return expiry.looking ? null : expiry;
}
