/**
 * The outbox's rules, pure: what is queued for a relay, when it is sent, and who is told. Numbers
 * only ever grow within an epoch; a removed push leaves a gap, which the relay does not mind.
 *
 * A grant lives as long as its caller waits: once the caller was told "no", another relay may hold
 * the session, so the grant must not arrive later. Withdrawals and terminations stay until they
 * are acknowledged, whoever waits for them.
 */
import { ERRORS, type ErrorCode } from "#shared/errors/catalogue.ts";
import { OUTBOX_ROWS_MAX, PUSH_ACK_DEADLINE_MS } from "#shared/control/limits.ts";
import type { PushFailure } from "../services/context.ts";
import {
  type HubEffect,
  type HubInput,
  type HubLink,
  type HubState,
  type HubStep,
  OUTBOX_BYTES_MAX,
  type OutboxEntry,
  type Waiter,
} from "./hub-state.ts";
import { chain } from "./hub-step.ts";

/** Queues a push and sends it if the relay is linked; without a relay only what must not be lost. */
export function enqueue(
  state: HubState,
  push: Extract<HubInput, { kind: "push" }>,
  nowMs: number,
): HubStep {
  const { command, waiterId } = push;
  const offline = state.link.phase === "none";
  if (offline && command.kind === "grant") {
    return { state, effects: [settle(waiterId, OFFLINE)] };
  }
  if (command.kind === "grant" && isDraining(state.link)) {
    return { state, effects: [settle(waiterId, DRAINING)] };
  }
  const waiters = offline ? [] : [{ id: waiterId, deadlineMs: nowMs + PUSH_ACK_DEADLINE_MS }];
  const answer = offline ? [settle(waiterId, KEPT)] : [];
  const queued = state.outbox.find((entry) => isSameOrder(entry, command));
  if (queued !== undefined && queued.waiters.length < OUTBOX_ROWS_MAX) {
    const joined = { ...queued, waiters: [...queued.waiters, ...waiters] };
    return { state: replace(state, joined), effects: answer };
  }
  const usedBytes = state.outbox.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  if (state.outbox.length >= OUTBOX_ROWS_MAX || usedBytes + command.sizeBytes > OUTBOX_BYTES_MAX) {
    return { state, effects: [settle(waiterId, FULL)] };
  }
  const seq = state.nextSeq;
  const entry: OutboxEntry = { ...command, seq, waiters };
  const effects: HubEffect[] = [{ kind: "store-push", seq, waiterId }, ...answer];
  if (state.link.phase === "linked") {
    effects.push({ kind: "send-push", linkId: state.link.linkId, seq });
  }
  return { state: { ...state, nextSeq: seq + 1, outbox: [...state.outbox, entry] }, effects };
}

/** The relay said what became of a push; a push that is gone already is no news. */
export function acknowledge(
  state: HubState,
  ack: { readonly seq: number; readonly refusal: string | null },
): HubStep {
  const entry = state.outbox.find((candidate) => candidate.seq === ack.seq);
  if (entry === undefined) {
    return { state, effects: [] };
  }
  const failure = ack.refusal === null ? null : refusalOf(ack.refusal);
  return remove(state, entry, failure);
}

/** Answers callers whose time is over, and takes their grants back. */
export function dropLate(state: HubState, nowMs: number): HubStep {
  const isLate = (waiter: Waiter): boolean => nowMs >= waiter.deadlineMs;
  return failEach(state, isLate, LATE);
}

/** The relay is gone: every caller is told at once, and grants are taken back. */
export function failWaiting(state: HubState): HubStep {
  return failEach(state, () => true, OFFLINE);
}

/** The relay that is being welcomed drains: the grants that were never sent to it are taken back. */
export function refuseGrants(state: HubState): HubStep {
  return chain(
    state,
    state.outbox
      .filter((entry) => entry.kind === "grant")
      .map((entry) => (current) => remove(current, entry, DRAINING)),
  );
}

/** Everything unacknowledged again, in order, to a relay that has just been welcomed. */
export function resend(state: HubState, linkId: string): HubEffect[] {
  return state.outbox.map((entry) => ({ kind: "send-push", linkId, seq: entry.seq }));
}

/**
 * A relay that claims to have applied pushes of this epoch that were never numbered has seen a
 * later state of this hub's storage; it would drop the next pushes as known. A new epoch makes it
 * listen again.
 */
export function renumber(state: HubState, epoch: string): HubStep {
  const outbox = state.outbox.map((entry, index) => ({ ...entry, seq: index + 1 }));
  return {
    state: { ...state, epoch, outbox, nextSeq: outbox.length + 1 },
    effects: [{ kind: "renumber-outbox" }],
  };
}

function isDraining(link: HubLink): boolean {
  return (
    (link.phase === "linked" && link.draining) || (link.phase === "greeting" && link.hello.draining)
  );
}

function failEach(
  state: HubState,
  concerns: (waiter: Waiter) => boolean,
  failure: PushFailure,
): HubStep {
  let next = state;
  const effects: HubEffect[] = [];
  for (const entry of state.outbox) {
    const failed = entry.waiters.filter(concerns);
    const waiters = entry.waiters.filter((waiter) => !concerns(waiter));
    if (entry.kind === "grant" && waiters.length === 0) {
      const removed = remove(next, entry, failure);
      next = removed.state;
      effects.push(...removed.effects);
    } else if (failed.length > 0) {
      next = replace(next, { ...entry, waiters });
      effects.push(...failed.map((waiter) => settle(waiter.id, failure)));
    }
  }
  return { state: next, effects };
}

function remove(state: HubState, entry: OutboxEntry, failure: PushFailure | null): HubStep {
  return {
    state: { ...state, outbox: state.outbox.filter((other) => other.seq !== entry.seq) },
    effects: [
      { kind: "delete-push", seq: entry.seq },
      ...entry.waiters.map((waiter) => settle(waiter.id, failure)),
    ],
  };
}

function replace(state: HubState, entry: OutboxEntry): HubState {
  const outbox = state.outbox.map((other) => (other.seq === entry.seq ? entry : other));
  return { ...state, outbox };
}

/** Withdrawing or ending a session twice is the same order, so it is queued once. */
function isSameOrder(
  entry: OutboxEntry,
  command: Pick<OutboxEntry, "kind" | "sessionId">,
): boolean {
  return (
    command.sessionId !== null &&
    entry.kind === command.kind &&
    entry.sessionId === command.sessionId
  );
}

function settle(waiterId: string, failure: PushFailure | null): HubEffect {
  return { kind: "settle", waiterId, failure };
}

function refusalOf(refusal: string): PushFailure {
  const code = Object.hasOwn(ERRORS, refusal) ? (refusal as ErrorCode) : "control.grant-invalid";
  return { code, detail: `the relay refused it: ${refusal}` };
}

const OFFLINE: PushFailure = { code: "control.offline", detail: "the relay is not connected" };
const DRAINING: PushFailure = {
  code: "relay.draining",
  detail: "the relay takes no new sessions",
};
const KEPT: PushFailure = {
  code: "control.offline",
  detail: "the relay is not connected; it is told when it comes back",
};
const LATE: PushFailure = {
  code: "control.ack-timeout",
  detail: `the relay did not acknowledge within ${PUSH_ACK_DEADLINE_MS} ms`,
};
const FULL: PushFailure = {
  code: "control.queue-full",
  detail: `${OUTBOX_ROWS_MAX} pushes or ${OUTBOX_BYTES_MAX} bytes wait for this relay`,
};
