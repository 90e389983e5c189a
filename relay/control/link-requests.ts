/**
 * The relay's requests of the link's state, pure: which are open, and how each ends. A request is
 * made once: when the link is lost nobody knows whether it was carried out, and whoever made it
 * makes it again when that does no harm.
 */
import { fail } from "#shared/base/result.ts";
import { type HubMessage, KEYS_VERSION } from "#shared/control/contract.ts";
import { REQUEST_DEADLINE_MS, REQUESTS_OPEN_MAX } from "#shared/control/limits.ts";
import type { RelayRequest } from "#shared/control/relay-requests.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import type { LinkEffect, LinkState, LinkStep } from "./link-types.ts";

/** Asks the hub, or fails at once when it cannot be asked. */
export function makeRequest(
  state: LinkState,
  made: { readonly requestId: string; readonly request: RelayRequest },
  nowMs: number,
): LinkStep {
  const { requestId, request } = made;
  if (state.phase.name !== "linked") {
    return { state, effects: [failed(requestId, "control.offline", "not linked")] };
  }
  if (state.phase.version < KEYS_VERSION) {
    const detail = "the control plane is of an older version";
    return { state, effects: [failed(requestId, "relay.version-unsupported", detail)] };
  }
  if (state.requests.length >= REQUESTS_OPEN_MAX) {
    return { state, effects: [failed(requestId, "control.queue-full", "too many are open")] };
  }
  const open = { requestId, deadlineMs: nowMs + REQUEST_DEADLINE_MS };
  return {
    state: { ...state, requests: [...state.requests, open] },
    effects: [{ kind: "send", message: { type: "request", requestId, request } }],
  };
}

/** Settles the request that was answered; an answer that came too late is nobody's. */
export function answerRequest(
  state: LinkState,
  answer: HubMessage & { readonly type: "answer" },
): LinkStep {
  const { requestId, result } = answer;
  const requests = state.requests.filter((open) => open.requestId !== requestId);
  return requests.length === state.requests.length
    ? { state, effects: [] }
    : { state: { ...state, requests }, effects: [{ kind: "answered", requestId, result }] };
}

/** Ends the requests whose time is over. */
export function expireRequests(state: LinkState, nowMs: number): LinkStep {
  const late = state.requests.filter(({ deadlineMs }) => deadlineMs <= nowMs);
  const requests = state.requests.filter(({ deadlineMs }) => deadlineMs > nowMs);
  return {
    state: late.length === 0 ? state : { ...state, requests },
    effects: late.map(({ requestId }) =>
      failed(requestId, "control.ack-timeout", `no answer within ${REQUEST_DEADLINE_MS} ms`),
    ),
  };
}

/** The link is gone, and every open request with it. */
export function endRequests(state: LinkState): LinkStep {
  return {
    state: { ...state, requests: [] },
    effects: state.requests.map(({ requestId }) =>
      failed(requestId, "control.offline", "the link was lost before the answer"),
    ),
  };
}

function failed(requestId: string, code: ErrorCode, detail: string): LinkEffect {
  return { kind: "answered", requestId, result: fail({ code, detail }) };
}
