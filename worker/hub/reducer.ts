/**
 * The hub's decisions, pure: a state and an input give the next state and effects. It knows no
 * socket, storage, database, clock or randomness; the shell (relay-hub.ts) performs the effects in
 * order and feeds back what came of them.
 *
 *     none ──connected──► awaiting-hello ──hello──► greeting ──greeted──► linked
 *       ▲                       │                      │                    │
 *       └───────────────────────┴── loss or refusal ───┴────────────────────┘
 *
 * It promises: pushes are delivered in the order of their numbers, at least once, orders before the
 * grants that wait, and each caller is answered once; a grant that nobody waits for any more is
 * never delivered; the outbox is bounded; every phase ends.
 */
import { unreachable } from "#shared/base/assert.ts";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import type { RelayMessage } from "#shared/control/contract.ts";
import { LEASE_MS } from "#shared/control/limits.ts";
import { expire, lookLater, nextExpiry } from "./expiry-rules.ts";
import { connected, greeted, hello, isCurrent } from "./greeting-rules.ts";
import type { HubInput, HubLink, HubMoment, HubState, HubStep, LinkedLink } from "./hub-state.ts";
import { chain, same } from "./hub-step.ts";
import { keysLoaded, request, requestServed, tellKeys } from "./key-rules.ts";
import { hangUp, loseLink, refuse } from "./link-ends.ts";
import { reportLoad, writeAtMs, writeLoad } from "./load-rules.ts";
import { acknowledge, dropLate, enqueue, refuseGrants } from "./outbox-rules.ts";
import { sendWaiting } from "./outbox-sending.ts";
import { advancePresence, correctPresence, savedPresence } from "./presence-rules.ts";
import {
  events,
  eventsStored,
  lookUp,
  lookupDone,
  serving,
  servingStored,
} from "./relay-message-rules.ts";

/** One transition. Inputs from a socket that no longer counts change nothing. */
export function stepHub(state: HubState, input: HubInput, moment: HubMoment): HubStep {
  switch (input.kind) {
    case "connected":
      return connected(state, input.linkId, moment);
    case "message":
      return isCurrent(state.link, input.linkId)
        ? receive(state, state.link, input.message, moment)
        : same(state);
    case "malformed":
      return isCurrent(state.link, input.linkId)
        ? refuse(state, CONTROL_CLOSE.malformed, input.detail, moment)
        : same(state);
    case "closed":
      return isCurrent(state.link, input.linkId)
        ? loseLink(state, input.code, moment)
        : same(state);
    case "greeted":
      return greeted(state, input, moment);
    case "expel":
      return refuse(state, input.close, input.detail, moment);
    case "events-stored":
      return eventsStored(state, input, moment);
    case "serving-stored":
      return servingStored(state, input, moment);
    case "lookup-done":
      return lookupDone(state, input);
    case "tell-keys":
      return tellKeys(state, input.waiterId, moment);
    case "keys-loaded":
      return keysLoaded(state, input, moment);
    case "request-served":
      return requestServed(state, input);
    case "push":
      return push(state, input, moment);
    case "presence-saved":
      return savedPresence(state, input, moment.nowMs);
    case "sessions-expired":
      return same({ ...state, expiry: nextExpiry(state.expiry, input) });
    case "shown-online":
      return correctPresence(state, moment.nowMs);
    case "tick":
      return tick(state, input.heartbeatAtMs, moment);
    default:
      return unreachable(input);
  }
}

/** When the shell must come back with a `tick`; null: nothing is being waited for. */
export function nextWakeMs(state: HubState, heartbeatAtMs: number | null): number | null {
  const wakes = state.outbox.flatMap((entry) => entry.waiters.map((waiter) => waiter.deadlineMs));
  if (state.link.phase === "linked") {
    wakes.push(heardAtMs(state.link, heartbeatAtMs) + LEASE_MS);
    wakes.push(writeAtMs(state.link) ?? Infinity);
  } else if (state.link.phase !== "none") {
    wakes.push(state.link.deadlineMs);
  }
  if (state.presence.kind === "online" && state.link.phase === "none") {
    wakes.push(0);
  }
  if (state.presence.kind === "lost" && !state.presence.busy && state.link.phase === "none") {
    wakes.push(state.presence.retryAtMs);
  }
  if (state.expiry !== null) {
    wakes.push(state.expiry.atMs);
  }
  return wakes.length === 0 ? null : Math.min(...wakes);
}

function push(
  state: HubState,
  input: Extract<HubInput, { kind: "push" }>,
  moment: HubMoment,
): HubStep {
  const { kind, drains } = input.command;
  const { link } = state;
  const ordered = drains !== null && link.phase === "linked" ? { ...link, ordered: drains } : link;
  const next = { ...state, link: ordered };
  return chain(kind === "grant" ? lookLater(next, moment.nowMs) : next, [
    (current) => (drains === true ? refuseGrants(current) : same(current)),
    (current) => enqueue(current, input, moment.nowMs),
    sendWaiting,
  ]);
}

function receive(
  state: HubState,
  link: Exclude<HubLink, { phase: "none" }>,
  message: RelayMessage,
  moment: HubMoment,
): HubStep {
  if (message.type === "hello") {
    return link.phase === "awaiting-hello"
      ? hello(state, link, message, moment)
      : refuse(state, CONTROL_CLOSE.malformed, "a second hello", moment);
  }
  if (link.phase !== "linked") {
    const detail = `${message.type} before the welcome`;
    return refuse(state, CONTROL_CLOSE.malformed, detail, moment);
  }
  const heard = { ...link, heardAtMs: moment.nowMs };
  switch (message.type) {
    case "ack":
      if (message.seq >= state.nextSeq) {
        const detail = "an ack of a push that was never sent";
        return refuse(state, CONTROL_CLOSE.malformed, detail, moment);
      }
      return chain({ ...state, link: heard }, [
        (current) => acknowledge(current, message),
        // What became too old while it waited for its turn must not be sent.
        (current) => dropLate(current, moment.nowMs),
        sendWaiting,
      ]);
    case "load":
      return reportLoad(state, heard, message.load, moment.nowMs);
    case "events":
      return events(state, heard, message, moment);
    case "serving":
      return serving(state, heard, message);
    case "lookup":
      return lookUp(state, heard, message);
    case "request":
      return request(state, heard, message);
    default:
      return unreachable(message);
  }
}

function tick(state: HubState, heartbeatAtMs: number | null, moment: HubMoment): HubStep {
  const { link } = state;
  const { nowMs } = moment;
  const steps: ((current: HubState) => HubStep)[] = [
    (current) =>
      isSilent(link, heartbeatAtMs, nowMs)
        ? hangUp(current, CONTROL_CLOSE.silent, moment)
        : same(current),
    (current) => dropLate(current, nowMs),
    sendWaiting,
    (current) => writeLoad(current, nowMs),
    (current) => advancePresence(current, nowMs),
    (current) => expire(current, nowMs),
  ];
  return chain(state, steps);
}

function isSilent(link: HubLink, heartbeatAtMs: number | null, nowMs: number): boolean {
  switch (link.phase) {
    case "none":
      return false;
    case "linked":
      return nowMs >= heardAtMs(link, heartbeatAtMs) + LEASE_MS;
    case "awaiting-hello":
    case "greeting":
      return nowMs >= link.deadlineMs;
    default:
      return unreachable(link);
  }
}

function heardAtMs(link: LinkedLink, heartbeatAtMs: number | null): number {
  return Math.max(link.heardAtMs, heartbeatAtMs ?? 0);
}
