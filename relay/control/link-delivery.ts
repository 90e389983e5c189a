/**
 * The events of the link's state, pure: which messages of them are under way. At most
 * EVENT_MESSAGES_OPEN_MAX are, and none is sent twice over one connection.
 */
import { EVENT_MESSAGES_OPEN_MAX } from "#shared/control/limits.ts";
import { after, same, send } from "./link-step.ts";
import type { LinkContext, LinkInput, LinkState, LinkStep } from "./link-types.ts";

/** Asks the spool for what follows the last message under way, when one more may be open. */
export function deliver(state: LinkState): LinkStep {
  if (state.phase.name !== "linked" || state.openBatches.length >= EVENT_MESSAGES_OPEN_MAX) {
    return same(state);
  }
  const afterSeq = state.openBatches.at(-1)?.lastSeq ?? 0;
  return { state, effects: [{ kind: "deliver", afterSeq }] };
}

/** Sends what the spool gave, unless it has been sent. */
export function sendBatch(
  state: LinkState,
  input: LinkInput & { readonly kind: "batch" },
  context: LinkContext,
): LinkStep {
  const [first] = input.events;
  const last = input.events.at(-1);
  const isFull = state.openBatches.length >= EVENT_MESSAGES_OPEN_MAX;
  if (state.phase.name !== "linked" || isFull || first === undefined || last === undefined) {
    return same(state);
  }
  if (first.seq <= (state.openBatches.at(-1)?.lastSeq ?? 0)) {
    return same(state);
  }
  const { stream } = input;
  const batch = { stream, lastSeq: last.seq, deadlineMs: context.nowMs + EVENTS_ACK_DEADLINE_MS };
  const sent: LinkStep = {
    state: { ...state, openBatches: [...state.openBatches, batch] },
    effects: [send({ type: "events", stream, events: [...input.events] })],
  };
  return after(sent, deliver);
}

/** The hub has stored events up to that number. */
export function eventsAck(state: LinkState, ack: { stream: string; seq: number }): LinkStep {
  const openBatches = state.openBatches.filter(
    (batch) => batch.stream !== ack.stream || batch.lastSeq > ack.seq,
  );
  const trimmed: LinkStep = {
    state: { ...state, openBatches },
    effects: [{ kind: "acknowledged", stream: ack.stream, seq: ack.seq }],
  };
  return after(trimmed, deliver);
}

/** Storing 64 events takes milliseconds; after this the link counts as broken. */
export const EVENTS_ACK_DEADLINE_MS = 15_000;
