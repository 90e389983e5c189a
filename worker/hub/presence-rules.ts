/**
 * What the database is told about the relay's presence, pure: offline at once when its link is
 * lost; its sessions ended when it stays away; each tried again until it is stored.
 */
import {
  type HubInput,
  type HubState,
  type HubStep,
  PRESENCE_RETRY_MS,
  RELAY_LOST_GRACE_MS,
  RESTART_GRACE_MS,
} from "./hub-state.ts";

/** The link is gone. Only a relay that was shown online can be lost. */
export function losePresence(state: HubState, code: string, nowMs: number): HubStep {
  if (state.presence.kind !== "online") {
    return { state, effects: [] };
  }
  const endAtMs = nowMs + (code === RESTARTED ? RESTART_GRACE_MS : RELAY_LOST_GRACE_MS);
  return {
    state: {
      ...state,
      presence: { kind: "lost", code, endAtMs, marked: false, retryAtMs: endAtMs, busy: true },
    },
    effects: [{ kind: "mark-offline", code }],
  };
}

/** The next owed step, if it is due. While the relay is being greeted again, nothing is. */
export function advancePresence(state: HubState, nowMs: number): HubStep {
  if (state.link.phase !== "none") {
    return { state, effects: [] };
  }
  const { presence } = state;
  if (presence.kind === "online") {
    return losePresence(state, RESTARTED, nowMs);
  }
  if (presence.kind === "offline" || presence.busy || nowMs < presence.retryAtMs) {
    return { state, effects: [] };
  }
  return {
    state: { ...state, presence: { ...presence, busy: true } },
    effects: [
      presence.marked ? { kind: "end-sessions" } : { kind: "mark-offline", code: presence.code },
    ],
  };
}

/**
 * The database shows the relay online. A hub without a link that knows nothing of that has lost its
 * memory, and owes the database what it would have told when the link was lost.
 */
export function correctPresence(state: HubState, nowMs: number): HubStep {
  return state.link.phase === "none" && state.presence.kind !== "lost"
    ? losePresence({ ...state, presence: { kind: "online" } }, RESTARTED, nowMs)
    : { state, effects: [] };
}

/** The database has, or has not, taken a step. News of a presence that is over is no news. */
export function savedPresence(
  state: HubState,
  saved: Extract<HubInput, { kind: "presence-saved" }>,
  nowMs: number,
): HubStep {
  const { presence } = state;
  if (presence.kind !== "lost") {
    return { state, effects: [] };
  }
  if (!saved.done) {
    const retryAtMs = nowMs + PRESENCE_RETRY_MS;
    return { state: { ...state, presence: { ...presence, busy: false, retryAtMs } }, effects: [] };
  }
  if (saved.step === "ended") {
    return { state: { ...state, presence: { kind: "offline" } }, effects: [] };
  }
  const { endAtMs } = presence;
  return {
    state: { ...state, presence: { ...presence, marked: true, busy: false, retryAtMs: endAtMs } },
    effects: [],
  };
}

/** The hub found itself without a socket: the control plane was restarted. */
const RESTARTED = "control-plane-restarted";
