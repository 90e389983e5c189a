/**
 * When a push is sent and under which number, pure.
 *
 * A push gets its number as it is sent, so that the order of the numbers is the order on the wire,
 * which is all that a relay needs to know what it has applied already. An order (to end, to withdraw,
 * to deny, to drain) is sent at once, before every grant that waits; grants are sent a few at a
 * time, so that there is always something to go before.
 *
 * After a loss, what the relay has applied keeps its number and is sent again for its ack alone. All
 * else is numbered anew, orders first. A command may so come under two numbers, when the relay was
 * just applying it as the link broke: applying one twice does no harm (CommandHandler).
 */
import { GRANTS_IN_FLIGHT_MAX, type HubEffect, type HubState, type HubStep } from "./hub-state.ts";
import { same } from "./hub-step.ts";
import { isGrant, type OutboxEntry } from "./outbox-entry.ts";

/** Sends what may go now: every order, then as many grants as there is room for. */
export function sendWaiting(state: HubState): HubStep {
  const { link } = state;
  if (link.phase !== "linked") {
    return same(state);
  }
  const unsent = state.outbox.filter((entry) => entry.seq === null);
  const underWay = state.outbox.filter((entry) => isGrant(entry) && entry.seq !== null);
  const room = Math.max(0, GRANTS_IN_FLIGHT_MAX - underWay.length);
  const going = [
    ...unsent.filter((entry) => !isGrant(entry)),
    ...unsent.filter(isGrant).slice(0, room),
  ];
  const seqs = new Map(going.map(({ id }, index) => [id, state.nextSeq + index]));
  return {
    state: {
      ...state,
      nextSeq: state.nextSeq + going.length,
      outbox: state.outbox.map((entry) => ({ ...entry, seq: seqs.get(entry.id) ?? entry.seq })),
    },
    effects: [...seqs].map(([id, seq]) => ({ kind: "send-push", linkId: link.linkId, id, seq })),
  };
}

/**
 * Begins anew with a relay that has just said what it knows. One that claims to have applied pushes
 * of this epoch that were never numbered has seen a later state of this hub's storage; it would
 * drop the next pushes as known. A new epoch makes it listen again.
 */
export function beginAnew(
  state: HubState,
  known: { readonly epoch: string | null; readonly appliedSeq: number },
  spareEpoch: string,
): HubStep {
  const isOurs = known.epoch === state.epoch;
  if (isOurs && known.appliedSeq >= state.nextSeq) {
    return {
      state: { ...state, epoch: spareEpoch, nextSeq: 1, outbox: state.outbox.map(unsend) },
      effects: [{ kind: "forget-numbers" }],
    };
  }
  const isApplied = ({ seq }: OutboxEntry): boolean =>
    isOurs && seq !== null && seq <= known.appliedSeq;
  return same({
    ...state,
    outbox: state.outbox.map((entry) => (isApplied(entry) ? entry : unsend(entry))),
  });
}

/** What the relay has applied and whose ack was lost, for its ack. */
export function sendApplied(state: HubState, linkId: string): HubEffect[] {
  return state.outbox
    .flatMap(({ id, seq }) => (seq === null ? [] : [{ id, seq }]))
    .sort((one, other) => one.seq - other.seq)
    .map(({ id, seq }) => ({ kind: "send-push", linkId, id, seq }));
}

function unsend(entry: OutboxEntry): OutboxEntry {
  return { ...entry, seq: null };
}
