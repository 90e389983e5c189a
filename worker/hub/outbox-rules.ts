/**
 * The outbox's rules, pure: what is queued for a relay, and who is told what became of it. When it
 * is sent, and under which number, is in outbox-sending.ts.
 *
 * A grant lives as long as its caller waits: once the caller was told "no", another relay may hold
 * the session, so the grant must not arrive later; nor must one that has expired, or that an order
 * has made void. Withdrawals and terminations stay until they are acknowledged, whoever waits for
 * them. Denials and drains stay as long as the link: the next welcome tells of them.
 */
import { isKnownCommand } from "#shared/control/contract.ts";
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
} from "./hub-state.ts";
import { chain } from "./hub-step.ts";
import {
  isExpired,
  isGrant,
  isToldByWelcome,
  type OutboxEntry,
  type PushedCommand,
  voids,
  type Waiter,
} from "./outbox-entry.ts";

type Push = Extract<HubInput, { kind: "push" }>;

/** Queues a push; without a relay only what must not be lost. Sending it is another step. */
export function enqueue(state: HubState, push: Push, nowMs: number): HubStep {
  const { command, waiterId } = push;
  const refusal = refusalOfPush(state.link, command);
  if (refusal !== null) {
    return { state, effects: [settle(waiterId, refusal)] };
  }
  return chain(state, [
    (current) => dropWhere(current, (entry) => voids(command, entry), VOIDED),
    (current) => append(current, push, nowMs),
  ]);
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
  return chain(state, [
    (current) => failEach(current, (waiter) => nowMs >= waiter.deadlineMs, LATE),
    (current) => dropWhere(current, (entry) => isExpired(entry, nowMs), LATE),
  ]);
}

/** The relay is gone: every caller is told at once, and grants are taken back. */
export function failWaiting(state: HubState): HubStep {
  return chain(state, [
    (current) => dropWhere(current, isToldByWelcome, TOLD),
    (current) => failEach(current, () => true, OFFLINE),
  ]);
}

/** The relay drains: the grants that it was not sent are taken back. */
export function refuseGrants(state: HubState): HubStep {
  return dropWhere(state, (entry) => isGrant(entry) && entry.seq === null, DRAINING);
}

/** The relay that is being welcomed is too old for these. */
export function refuseUnknown(state: HubState, version: number): HubStep {
  return dropWhere(state, ({ kind }) => !isKnownCommand(kind, version), unknown(version));
}

/** Why the push is of no use now; null when it is to be queued. */
function refusalOfPush(link: HubLink, command: PushedCommand): PushFailure | null {
  if (link.phase === "none") {
    return isGrant(command) ? OFFLINE : isToldByWelcome(command) ? TOLD : null;
  }
  if (isGrant(command) && isDraining(link)) {
    return DRAINING;
  }
  const isTooOld = link.phase === "linked" && !isKnownCommand(command.kind, link.version);
  return isTooOld ? unknown(link.version) : null;
}

function append(state: HubState, { command, waiterId }: Push, nowMs: number): HubStep {
  const offline = state.link.phase === "none";
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
  const id = state.nextId;
  const entry: OutboxEntry = { ...command, id, seq: null, waiters };
  return {
    state: { ...state, nextId: id + 1, outbox: [...state.outbox, entry] },
    effects: [{ kind: "store-push", id, waiterId }, ...answer],
  };
}

function isDraining(link: HubLink): boolean {
  return (
    (link.phase === "linked" && (link.draining || link.ordered)) ||
    (link.phase === "greeting" && link.hello.draining)
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
    if (isGrant(entry) && waiters.length === 0) {
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

function dropWhere(
  state: HubState,
  concerns: (entry: OutboxEntry) => boolean,
  failure: PushFailure,
): HubStep {
  return chain(
    state,
    state.outbox.filter(concerns).map((entry) => (current) => remove(current, entry, failure)),
  );
}

function remove(state: HubState, entry: OutboxEntry, failure: PushFailure | null): HubStep {
  return {
    state: { ...state, outbox: state.outbox.filter((other) => other.id !== entry.id) },
    effects: [
      { kind: "delete-push", id: entry.id },
      ...entry.waiters.map((waiter) => settle(waiter.id, failure)),
    ],
  };
}

function replace(state: HubState, entry: OutboxEntry): HubState {
  const outbox = state.outbox.map((other) => (other.id === entry.id ? entry : other));
  return { ...state, outbox };
}

/** Withdrawing or ending a session twice is the same order, so it is queued once. */
function isSameOrder(entry: OutboxEntry, command: PushedCommand): boolean {
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

function unknown(version: number): PushFailure {
  const detail = `the relay speaks version ${version} of the contract, which lacks this`;
  return { code: "relay.version-unsupported", detail };
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
const TOLD: PushFailure = {
  code: "control.offline",
  detail: "the relay is not connected; its next welcome tells it",
};
const VOIDED: PushFailure = {
  code: "control.denied",
  detail: "what it grants was ended or denied before it was sent",
};
const LATE: PushFailure = {
  code: "control.ack-timeout",
  detail: `the relay did not acknowledge within ${PUSH_ACK_DEADLINE_MS} ms`,
};
const FULL: PushFailure = {
  code: "control.queue-full",
  detail: `${OUTBOX_ROWS_MAX} pushes or ${OUTBOX_BYTES_MAX} bytes wait for this relay`,
};
