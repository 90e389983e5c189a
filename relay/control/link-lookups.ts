/**
 * The look-ups of the link's state, pure: which questions about tickets are open, and how each
 * ends. A client waits for the answer, so an offline link answers at once and nothing is asked
 * again after a loss.
 */
import { fail, ok } from "#shared/base/result.ts";
import type { HubMessage } from "#shared/control/contract.ts";
import { LOOKUP_DEADLINE_MS, LOOKUPS_OPEN_MAX } from "#shared/control/limits.ts";
import type { LinkEffect, LinkState, LinkStep } from "./link-types.ts";

/** Asks the hub, or answers `unverifiable` at once when it cannot be asked. */
export function askLookup(
  state: LinkState,
  question: { readonly requestId: string; readonly ticketHash: string },
  nowMs: number,
): LinkStep {
  const { requestId, ticketHash } = question;
  if (state.phase.name !== "linked" || state.lookups.length >= LOOKUPS_OPEN_MAX) {
    return { state, effects: [unverifiable(requestId)] };
  }
  const lookup = { requestId, deadlineMs: nowMs + LOOKUP_DEADLINE_MS };
  return {
    state: { ...state, lookups: [...state.lookups, lookup] },
    effects: [{ kind: "send", message: { type: "lookup", requestId, ticketHash } }],
  };
}

/** Settles the question that was answered; an answer that came too late is nobody's. */
export function answerLookup(
  state: LinkState,
  answer: HubMessage & { readonly type: "lookup-answer" },
): LinkStep {
  const { requestId, grant, reason } = answer;
  const lookups = state.lookups.filter((lookup) => lookup.requestId !== requestId);
  if (lookups.length === state.lookups.length) {
    return { state, effects: [] };
  }
  const result = grant === null ? fail(reason ?? "unknown") : ok(grant);
  return { state: { ...state, lookups }, effects: [{ kind: "settle", requestId, result }] };
}

/** Ends the questions whose time is over. */
export function expireLookups(state: LinkState, nowMs: number): LinkStep {
  const late = state.lookups.filter((lookup) => lookup.deadlineMs <= nowMs);
  const lookups = state.lookups.filter((lookup) => lookup.deadlineMs > nowMs);
  return {
    state: late.length === 0 ? state : { ...state, lookups },
    effects: late.map((lookup) => unverifiable(lookup.requestId)),
  };
}

/** The link is gone, and every open question with it. */
export function endLookups(state: LinkState): LinkStep {
  return {
    state: { ...state, lookups: [] },
    effects: state.lookups.map((lookup) => unverifiable(lookup.requestId)),
  };
}

function unverifiable(requestId: string): LinkEffect {
  return { kind: "settle", requestId, result: fail("unverifiable") };
}
