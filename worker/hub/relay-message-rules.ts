/**
 * What a linked relay's events, look-ups and drains lead to, pure, and what came of them. Each
 * function takes the state with the link as the message found it.
 */
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import type { RelayMessage } from "#shared/control/contract.ts";
import { LOOKUPS_OPEN_MAX } from "#shared/control/limits.ts";
import type { HubInput, HubMoment, HubState, HubStep, LinkedLink } from "./hub-state.ts";
import { same } from "./hub-step.ts";
import { hangUp, refuse } from "./link-ends.ts";
import { refuseGrants } from "./outbox-rules.ts";

/** Stores one message of events at a time (EVENT_MESSAGES_OPEN_MAX). */
export function events(
  state: HubState,
  link: LinkedLink,
  message: Extract<RelayMessage, { type: "events" }>,
  moment: HubMoment,
): HubStep {
  if (link.storing) {
    const detail = "events before the ack of the events before them";
    return refuse(state, CONTROL_CLOSE.malformed, detail, moment);
  }
  const { linkId } = link;
  return {
    state: { ...state, link: { ...link, storing: true } },
    effects: [{ kind: "store-events", linkId, stream: message.stream, events: message.events }],
  };
}

/** Acknowledges what is stored; what could not be stored now, the relay sends again. */
export function eventsStored(
  state: HubState,
  input: Extract<HubInput, { kind: "events-stored" }>,
  moment: HubMoment,
): HubStep {
  const { link } = state;
  if (link.phase !== "linked" || link.linkId !== input.linkId) {
    return same(state);
  }
  if (input.storedSeq === null) {
    return hangUp(state, CONTROL_CLOSE.retry, moment);
  }
  const message = { type: "events-ack", stream: input.stream, seq: input.storedSeq } as const;
  return {
    state: { ...state, link: { ...link, storing: false } },
    effects: [{ kind: "send", linkId: link.linkId, message }],
  };
}

/** From this moment on no grant goes to a relay that drains; then the database is told. */
export function serving(
  state: HubState,
  link: LinkedLink,
  message: Extract<RelayMessage, { type: "serving" }>,
): HubStep {
  const { linkId } = link;
  const { draining } = message;
  const next = { ...state, link: { ...link, draining } };
  const kept = draining ? refuseGrants(next) : same(next);
  return {
    state: kept.state,
    effects: [...kept.effects, { kind: "store-serving", linkId, draining }],
  };
}

/** What could not be stored now, the relay says again in its next hello. */
export function servingStored(
  state: HubState,
  input: Extract<HubInput, { kind: "serving-stored" }>,
  moment: HubMoment,
): HubStep {
  const { link } = state;
  return input.done || link.phase !== "linked" || link.linkId !== input.linkId
    ? same(state)
    : hangUp(state, CONTROL_CLOSE.retry, moment);
}

/** Asks, unless too many look-ups are open already. */
export function lookUp(
  state: HubState,
  link: LinkedLink,
  message: Extract<RelayMessage, { type: "lookup" }>,
): HubStep {
  const { linkId } = link;
  const { requestId, ticketHash } = message;
  if (link.lookupsOpen >= LOOKUPS_OPEN_MAX) {
    const answer = {
      type: "lookup-answer",
      requestId,
      grant: null,
      reason: "unverifiable",
    } as const;
    return { state: { ...state, link }, effects: [{ kind: "send", linkId, message: answer }] };
  }
  return {
    state: { ...state, link: { ...link, lookupsOpen: link.lookupsOpen + 1 } },
    effects: [{ kind: "look-up", linkId, requestId, ticketHash }],
  };
}

export function lookupDone(
  state: HubState,
  input: Extract<HubInput, { kind: "lookup-done" }>,
): HubStep {
  const { link } = state;
  if (link.phase !== "linked" || link.linkId !== input.linkId) {
    return same(state);
  }
  const message = { type: "lookup-answer", ...input.answer } as const;
  return {
    state: { ...state, link: { ...link, lookupsOpen: Math.max(0, link.lookupsOpen - 1) } },
    effects: [{ kind: "send", linkId: link.linkId, message }],
  };
}
