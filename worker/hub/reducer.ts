/**
 * The hub's decisions, pure: a state and an input give the next state and effects. It knows no
 * socket, storage, database, clock or randomness; the shell (relay-hub.ts) performs the effects in
 * order and feeds back what came of them.
 *
 *     none ──connected──► awaiting-hello ──hello──► greeting ──greeted──► linked
 *       ▲                       │                      │                    │
 *       └───────────────────────┴── loss or refusal ───┴────────────────────┘
 *
 * It promises: pushes are delivered in order, at least once, and each caller is answered once; a
 * grant that nobody waits for any more is never delivered; the outbox is bounded; every phase ends.
 */
import { agreeVersion, CONTROL_VERSIONS, type RelayMessage } from "#shared/control/contract.ts";
import { unreachable } from "#shared/base/assert.ts";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { HELLO_DEADLINE_MS, LEASE_MS } from "#shared/control/limits.ts";
import {
  type HubEffect,
  type HubInput,
  type HubLink,
  type HubMoment,
  type HubState,
  type HubStep,
  type LinkedLink,
  type WelcomeFacts,
} from "./hub-state.ts";
import { expire, lookLater, nextExpiry } from "./expiry-rules.ts";
import { chain, same } from "./hub-step.ts";
import { keysLoaded, request, requestServed, tellKeys } from "./key-rules.ts";
import { hangUp, loseLink, refuse } from "./link-ends.ts";
import { acknowledge, dropLate, enqueue, refuseGrants, renumber, resend } from "./outbox-rules.ts";
import { advancePresence, correctPresence, losePresence, savedPresence } from "./presence-rules.ts";
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
    case "push": {
      const isGrant = input.command.kind === "grant";
      const next = isGrant ? lookLater(state, moment.nowMs) : state;
      return enqueue(next, input, moment.nowMs);
    }
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

/** The newest connection wins: an older one may be a dead socket that nobody has noticed yet. */
function connected(state: HubState, linkId: string, moment: HubMoment): HubStep {
  const link: HubLink = {
    phase: "awaiting-hello",
    linkId,
    deadlineMs: moment.nowMs + HELLO_DEADLINE_MS,
  };
  const effects: HubEffect[] =
    state.link.phase === "none"
      ? []
      : [{ kind: "close", linkId: state.link.linkId, close: CONTROL_CLOSE.replaced }];
  return { state: { ...state, link }, effects };
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
      return acknowledge({ ...state, link: heard }, message);
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

function hello(
  state: HubState,
  link: { readonly linkId: string; readonly deadlineMs: number },
  message: Extract<RelayMessage, { type: "hello" }>,
  moment: HubMoment,
): HubStep {
  const version = agreeVersion(CONTROL_VERSIONS, message.versions);
  if (version === null) {
    const { versions } = message;
    const detail =
      `the relay speaks ${versions.min} to ${versions.max}, ` +
      `the control plane ${CONTROL_VERSIONS.min} to ${CONTROL_VERSIONS.max}`;
    return refuse(state, CONTROL_CLOSE.version, detail, moment);
  }
  const { linkId, deadlineMs } = link;
  return {
    state: { ...state, link: { phase: "greeting", linkId, deadlineMs, version, hello: message } },
    effects: [{ kind: "greet", linkId, hello: message }],
  };
}

/**
 * The database was asked to show the relay online. A failure may still have been carried out, so
 * the relay counts as lost and is marked offline again.
 */
function greeted(
  state: HubState,
  input: { readonly linkId: string; readonly welcome: WelcomeFacts | null },
  moment: HubMoment,
): HubStep {
  const online: HubState = { ...state, presence: { kind: "online" } };
  const { link } = state;
  if (!isCurrent(link, input.linkId)) {
    return link.phase === "none" ? losePresence(online, "closed", moment.nowMs) : same(online);
  }
  if (input.welcome === null || link.phase !== "greeting") {
    return hangUp(online, CONTROL_CLOSE.retry, moment);
  }
  const ahead = link.hello.epoch === state.epoch && link.hello.appliedSeq >= state.nextSeq;
  const numbered = ahead ? renumber(online, moment.spareEpoch) : same(online);
  const linked: LinkedLink = {
    phase: "linked",
    linkId: link.linkId,
    version: link.version,
    instanceId: link.hello.instanceId,
    draining: link.hello.draining,
    heardAtMs: moment.nowMs,
    storing: false,
    lookupsOpen: 0,
    requestsOpen: 0,
  };
  // Grants that came before its hello was read were not sent yet.
  const kept = linked.draining ? refuseGrants(numbered.state) : same(numbered.state);
  const next = lookLater({ ...kept.state, link: linked }, moment.nowMs);
  const welcome = {
    type: "welcome",
    version: link.version,
    epoch: next.epoch,
    nowMs: moment.nowMs,
    ...input.welcome,
  } as const;
  return {
    state: next,
    effects: [
      ...numbered.effects,
      ...kept.effects,
      { kind: "send", linkId: link.linkId, message: welcome },
      ...resend(next, link.linkId),
    ],
  };
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

function isCurrent(
  link: HubLink,
  linkId: string,
): link is Exclude<HubLink, { readonly phase: "none" }> {
  return link.phase !== "none" && link.linkId === linkId;
}
