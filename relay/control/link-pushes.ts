/**
 * The pushes of the link's state, pure: each number is applied once and in order, whatever is sent
 * again, and acknowledged to whoever waits for it.
 */
import { assert } from "#shared/base/assert.ts";
import { OUTBOX_ROWS_MAX } from "#shared/control/limits.ts";
import { malformed } from "./link-ends.ts";
import { after, same, send } from "./link-step.ts";
import type {
  LinkContext,
  LinkEffect,
  LinkInput,
  LinkState,
  LinkStep,
  QueuedPush,
} from "./link-types.ts";

/** The hub pushes a command, perhaps again. */
export function push(state: LinkState, message: QueuedPush, context: LinkContext): LinkStep {
  const { seq, command } = message;
  if (seq <= state.appliedSeq) {
    const refusal = state.refusals.get(seq) ?? null;
    return { state, effects: [send({ type: "ack", seq, refusal })] };
  }
  const isBeingApplied = state.applying?.epoch === state.epoch && state.applying.seq === seq;
  if (isBeingApplied || state.queue.some((queued) => queued.seq === seq)) {
    return same(state);
  }
  const applyingSeq = state.applying?.epoch === state.epoch ? state.applying.seq : 0;
  if (seq < (state.queue.at(-1)?.seq ?? applyingSeq)) {
    return malformed(state, context, `push ${seq} came out of order`);
  }
  if (state.queue.length >= OUTBOX_ROWS_MAX) {
    return malformed(state, context, `more than ${OUTBOX_ROWS_MAX} pushes wait`);
  }
  return applyNext({ ...state, queue: [...state.queue, { seq, command }] });
}

/** Begins the next push, when none is under way: strictly one after the other. */
export function applyNext(state: LinkState): LinkStep {
  const [next, ...queue] = state.queue;
  if (state.phase.name !== "linked" || state.applying !== null || next === undefined) {
    return same(state);
  }
  assert(state.epoch !== null, "a linked relay knows the hub's epoch");
  const applying = { epoch: state.epoch, seq: next.seq };
  return {
    state: { ...state, queue, applying },
    effects: [{ kind: "apply", ...applying, command: next.command }],
  };
}

/** The command that was begun is applied, or can never be. */
export function applied(
  state: LinkState,
  input: LinkInput & { readonly kind: "applied" },
): LinkStep {
  const { epoch, seq, refusal } = input;
  const isExpected = state.applying?.epoch === epoch && state.applying.seq === seq;
  assert(isExpected, "a push was applied that nobody began");
  if (state.epoch !== epoch) {
    return applyNext({ ...state, applying: null });
  }
  const done: LinkState = {
    ...state,
    applying: null,
    appliedSeq: seq,
    refusals: refusal === null ? state.refusals : rememberRefusal(state.refusals, seq, refusal),
  };
  // Without a welcome there is nobody to tell: the next hello says what was applied. After one the
  // hello is out already, and the hub, which has sent the push again, waits for its ack.
  const isWelcomed = ["adopting", "linked"].includes(state.phase.name);
  const effects: LinkEffect[] = isWelcomed ? [send({ type: "ack", seq, refusal })] : [];
  return after({ state: done, effects }, applyNext);
}

function rememberRefusal(
  refusals: ReadonlyMap<number, string>,
  seq: number,
  refusal: string,
): ReadonlyMap<number, string> {
  return new Map([...refusals, [seq, refusal] as const].slice(-OUTBOX_ROWS_MAX));
}
