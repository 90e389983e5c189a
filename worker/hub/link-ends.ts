/** How a link ends, pure: refused, hung up on, or lost; and what its end means for those who wait. */
import type { ControlClose } from "#shared/control/close-codes.ts";
import type { HubMoment, HubState, HubStep } from "./hub-state.ts";
import { chain, same } from "./hub-step.ts";
import { failWaiting } from "./outbox-rules.ts";
import { losePresence } from "./presence-rules.ts";

/** Tells the relay why, audits it, and hangs up. */
export function refuse(
  state: HubState,
  close: ControlClose,
  detail: string,
  moment: HubMoment,
): HubStep {
  if (state.link.phase === "none") {
    return same(state);
  }
  const code = close.reason;
  const { linkId } = state.link;
  const ended = hangUp(state, close, moment);
  return {
    state: ended.state,
    effects: [
      { kind: "send", linkId, message: { type: "refuse", code, detail } },
      { kind: "audit-refusal", code, detail },
      ...ended.effects,
    ],
  };
}

/** Closes the socket with a code that both sides log. */
export function hangUp(state: HubState, close: ControlClose, moment: HubMoment): HubStep {
  if (state.link.phase === "none") {
    return same(state);
  }
  const lost = loseLink(state, close.reason, moment);
  return {
    state: lost.state,
    effects: [{ kind: "close", linkId: state.link.linkId, close }, ...lost.effects],
  };
}

/** The socket is gone. Callers are told at once, and so is the database. */
export function loseLink(state: HubState, code: string, moment: HubMoment): HubStep {
  return chain({ ...state, link: { phase: "none" } }, [
    (current) => failWaiting(current),
    (current) => losePresence(current, code, moment.nowMs),
  ]);
}
