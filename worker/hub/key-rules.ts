/**
 * How a linked relay learns its keys anew, and how its requests about keys and certificates are
 * answered, pure. Whoever had keys changed is answered once the relay was sent them, or will hear
 * of them in its next welcome: nothing else is needed, because a link keeps its order.
 */
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { KEYS_VERSION, type RelayMessage } from "#shared/control/contract.ts";
import { REQUESTS_OPEN_MAX } from "#shared/control/limits.ts";
import type { PushFailure } from "../services/context.ts";
import type { HubEffect, HubInput, HubMoment, HubState, HubStep, LinkedLink } from "./hub-state.ts";
import { same } from "./hub-step.ts";
import { hangUp } from "./link-ends.ts";

/** The relay's keys have changed. One that cannot be told is hung up on: its welcome tells it. */
export function tellKeys(state: HubState, waiterId: string, moment: HubMoment): HubStep {
  const { link } = state;
  if (link.phase === "none") {
    return { state, effects: [settle(waiterId, OFFLINE)] };
  }
  if (link.phase === "awaiting-hello") {
    // What its welcome will hold is not read yet.
    return { state, effects: [settle(waiterId, null)] };
  }
  if (link.version < KEYS_VERSION) {
    const ended = hangUp(state, CONTROL_CLOSE.keysChanged, moment);
    return { state: ended.state, effects: [...ended.effects, settle(waiterId, null)] };
  }
  return { state, effects: [{ kind: "load-keys", linkId: link.linkId, waiterId }] };
}

/** They are read in the order of the changes, so that what is sent last is what holds. */
export function keysLoaded(
  state: HubState,
  input: Extract<HubInput, { kind: "keys-loaded" }>,
  moment: HubMoment,
): HubStep {
  const { link } = state;
  const { linkId, waiterId, keys } = input;
  if (link.phase !== "linked" || link.linkId !== linkId) {
    return { state, effects: [settle(waiterId, OFFLINE)] };
  }
  if (keys === null) {
    const ended = hangUp(state, CONTROL_CLOSE.retry, moment);
    return { state: ended.state, effects: [...ended.effects, settle(waiterId, null)] };
  }
  const message = { type: "keys", ...keys } as const;
  return { state, effects: [{ kind: "send", linkId, message }, settle(waiterId, null)] };
}

/** Carries a request out, unless too many are open already. */
export function request(
  state: HubState,
  link: LinkedLink,
  message: Extract<RelayMessage, { type: "request" }>,
): HubStep {
  const { linkId } = link;
  const { requestId } = message;
  if (link.requestsOpen >= REQUESTS_OPEN_MAX) {
    const error = { code: "control.queue-full", detail: "too many requests are open" } as const;
    const answer = { type: "answer", requestId, result: { ok: false, error } } as const;
    return { state: { ...state, link }, effects: [{ kind: "send", linkId, message: answer }] };
  }
  return {
    state: { ...state, link: { ...link, requestsOpen: link.requestsOpen + 1 } },
    effects: [{ kind: "serve-request", linkId, requestId, request: message.request }],
  };
}

export function requestServed(
  state: HubState,
  input: Extract<HubInput, { kind: "request-served" }>,
): HubStep {
  const { link } = state;
  if (link.phase !== "linked" || link.linkId !== input.linkId) {
    return same(state);
  }
  const { linkId, requestId, result } = input;
  return {
    state: { ...state, link: { ...link, requestsOpen: Math.max(0, link.requestsOpen - 1) } },
    effects: [{ kind: "send", linkId, message: { type: "answer", requestId, result } }],
  };
}

function settle(waiterId: string, failure: PushFailure | null): HubEffect {
  return { kind: "settle", waiterId, failure };
}

const OFFLINE: PushFailure = {
  code: "control.offline",
  detail: "the relay is not connected; it learns its keys when it comes back",
};
