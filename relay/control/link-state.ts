/**
 * The control link's decisions, pure: a state and an input give a state and effects. It knows no
 * socket, timer, file, clock or randomness; the shell (link.ts) performs the effects in order and
 * feeds back what happened. It promises that every number is applied once and in order, that at most
 * EVENT_MESSAGES_OPEN_MAX messages of events are unacknowledged, and that each wait has an end.
 *
 *     waiting ──► connecting ──► greeting ──► adopting ──► linked
 *        ▲             │      hello │   welcome │   keys     │
 *        └─────────────┴────────────┴───────────┴────────────┘   any loss; back-off with full jitter
 *
 * Connections are here; what they carry is decided in link-pushes.ts, link-delivery.ts,
 * link-lookups.ts, link-requests.ts and link-load.ts, and how they end in link-ends.ts.
 */
import { assert, unreachable } from "#shared/base/assert.ts";
import {
  agreeVersion,
  CONTROL_VERSIONS,
  type HubMessage,
  sayVersions,
  type Welcome,
} from "#shared/control/contract.ts";
import { HEARTBEAT_INTERVAL_MS, HELLO_DEADLINE_MS, LEASE_MS } from "#shared/control/limits.ts";
import { CONTROL_LOG } from "./control-log.ts";
import { deliver, eventsAck, sendBatch } from "./link-delivery.ts";
import { lose, malformed, refused, stop } from "./link-ends.ts";
import { tellLoad, toldByHello } from "./link-load.ts";
import { answerLookup, askLookup, expireLookups } from "./link-lookups.ts";
import { applied, applyNext, push } from "./link-pushes.ts";
import { answerRequest, expireRequests, makeRequest } from "./link-requests.ts";
import { after, log, same, send } from "./link-step.ts";
import type { LinkContext, LinkInput, LinkState, LinkStep } from "./link-types.ts";

/** A link that has not been started. */
export function initialLinkState(): LinkState {
  return {
    phase: { name: "stopped" },
    epoch: null,
    appliedSeq: 0,
    refusals: new Map(),
    queue: [],
    applying: null,
    openBatches: [],
    lookups: [],
    requests: [],
    heardAtMs: null,
    failures: 0,
    draining: { now: false, told: false },
    load: { now: null, told: null },
    refusal: null,
  };
}

/** One transition. Inputs that come too late for their phase change nothing. */
export function stepLink(state: LinkState, input: LinkInput, context: LinkContext): LinkStep {
  switch (input.kind) {
    case "start":
      return state.phase.name === "stopped" ? connect(state, context) : same(state);
    case "tick":
      return tick(state, context);
    case "opened":
      return opened(state, context);
    case "closed":
      return isUp(state) ? lose(state, context, { detail: input.detail }) : same(state);
    case "refused":
      return isUp(state) ? refused(state, context, input) : same(state);
    case "message":
      return isGreeted(state)
        ? receive(heard(state, context), input.message, context)
        : same(state);
    case "malformed":
      return isGreeted(state) ? malformed(state, context, input.detail) : same(state);
    case "pong":
      return same(heard(state, context));
    case "adopted":
      return adopted(state, input.failure, context);
    case "applied":
      return applied(state, input);
    case "spooled":
      return deliver(state);
    case "batch":
      return sendBatch(state, input, context);
    case "lookup":
      return askLookup(state, input, context.nowMs);
    case "request":
      return makeRequest(state, input, context.nowMs);
    case "serving":
      return tellServing({ ...state, draining: { ...state.draining, now: input.draining } });
    case "load":
      return tellLoad(state, input, context.nowMs);
    case "stop":
      return stop(state);
    default:
      return unreachable(input);
  }
}

/** When the shell must come back with a `tick`; null: nothing is being waited for. */
export function nextDeadlineMs(state: LinkState): number | null {
  const deadlines = [
    ...state.lookups.map((lookup) => lookup.deadlineMs),
    ...state.requests.map((request) => request.deadlineMs),
    ...state.openBatches.map((batch) => batch.deadlineMs),
  ];
  switch (state.phase.name) {
    case "waiting":
      deadlines.push(state.phase.retryAtMs);
      break;
    case "connecting":
    case "greeting":
    case "adopting":
      deadlines.push(state.phase.deadlineMs);
      break;
    case "linked":
      deadlines.push(state.phase.pingAtMs, state.phase.leaseEndsAtMs);
      break;
    case "stopped":
      break;
  }
  return deadlines.length === 0 ? null : Math.min(...deadlines);
}

function connect(state: LinkState, context: LinkContext): LinkStep {
  const deadlineMs = context.nowMs + CONNECT_DEADLINE_MS;
  return {
    state: { ...state, phase: { name: "connecting", deadlineMs } },
    effects: [{ kind: "connect" }],
  };
}

function opened(state: LinkState, context: LinkContext): LinkStep {
  if (state.phase.name !== "connecting") {
    return same(state);
  }
  const deadlineMs = context.nowMs + HELLO_DEADLINE_MS;
  const { epoch, appliedSeq } = state;
  const draining = state.draining.now;
  const load = toldByHello(state.load, context.nowMs);
  const told = load.told === null ? {} : { load: load.told.load };
  const hello = { epoch, appliedSeq, versions: CONTROL_VERSIONS, draining, ...told };
  return {
    state: {
      ...state,
      phase: { name: "greeting", deadlineMs },
      draining: { now: draining, told: draining },
      load,
    },
    effects: [{ kind: "hello", hello }],
  };
}

function tick(state: LinkState, context: LinkContext): LinkStep {
  const { nowMs } = context;
  const looked = after(expireLookups(state, nowMs), (next) => expireRequests(next, nowMs));
  const { phase } = looked.state;
  switch (phase.name) {
    case "waiting":
      return phase.retryAtMs <= nowMs ? after(looked, (next) => connect(next, context)) : looked;
    case "connecting":
    case "greeting":
    case "adopting":
      return phase.deadlineMs <= nowMs
        ? after(looked, (next) =>
            lose(next, context, { detail: `no answer in time while ${phase.name}` }),
          )
        : looked;
    case "linked":
      return after(looked, (next) => tickLinked(next, context));
    case "stopped":
      return looked;
    default:
      return unreachable(phase);
  }
}

function tickLinked(state: LinkState, context: LinkContext): LinkStep {
  assert(state.phase.name === "linked", "only a linked state beats");
  const { nowMs } = context;
  if (state.phase.leaseEndsAtMs <= nowMs) {
    return lose(state, context, { detail: `nothing heard for ${LEASE_MS} ms` });
  }
  if (state.openBatches.some((batch) => batch.deadlineMs <= nowMs)) {
    // Sending again on this link would be unlawful: the hub may still be storing.
    return lose(state, context, { detail: "events were not acknowledged in time" });
  }
  if (state.phase.pingAtMs > nowMs) {
    return same(state);
  }
  const phase = { ...state.phase, pingAtMs: nowMs + HEARTBEAT_INTERVAL_MS };
  return { state: { ...state, phase }, effects: [{ kind: "ping" }] };
}

function receive(state: LinkState, message: HubMessage, context: LinkContext): LinkStep {
  if (message.type === "welcome") {
    return welcome(state, message, context);
  }
  if (message.type === "refuse") {
    return refused(state, context, message);
  }
  if (state.phase.name === "greeting") {
    return malformed(state, context, `${message.type} came before welcome`);
  }
  switch (message.type) {
    case "push":
      return push(state, message, context);
    case "events-ack":
      return eventsAck(state, message);
    case "lookup-answer":
      return answerLookup(state, message);
    case "keys": {
      const { ticketKeys, grantKeys } = message;
      return { state, effects: [{ kind: "adopt-keys", keys: { ticketKeys, grantKeys } }] };
    }
    case "answer":
      return answerRequest(state, message);
    default:
      return unreachable(message);
  }
}

function welcome(state: LinkState, message: Welcome, context: LinkContext): LinkStep {
  if (state.phase.name !== "greeting") {
    return malformed(state, context, "a second welcome");
  }
  const { version } = message;
  if (agreeVersion(CONTROL_VERSIONS, { min: version, max: version }) === null) {
    const versions = message.versions ?? { min: version, max: version };
    const code = "relay.version-unsupported";
    const detail = sayVersions(CONTROL_VERSIONS, versions);
    // The hub does not know it otherwise: it logs the reason with which the socket is closed.
    return refused(state, context, { code, detail }, `${code}: ${detail}`);
  }
  const phase = { ...state.phase, name: "adopting", welcome: message } as const;
  const kept = message.epoch === state.epoch ? state : forgetEpoch(state, message.epoch);
  return { state: { ...kept, phase }, effects: [{ kind: "adopt", welcome: message }] };
}

/** The hub's storage began anew: its numbers start again, and old ones mean nothing. */
function forgetEpoch(state: LinkState, epoch: string): LinkState {
  return { ...state, epoch, appliedSeq: 0, refusals: new Map(), queue: [] };
}

function adopted(state: LinkState, failure: string | null, context: LinkContext): LinkStep {
  if (state.phase.name !== "adopting") {
    return same(state);
  }
  if (failure !== null) {
    return malformed(state, context, failure);
  }
  const { nowMs } = context;
  const { stream, storedSeq, epoch, version } = state.phase.welcome;
  const linked: LinkState = {
    ...state,
    heardAtMs: nowMs,
    refusal: null,
    phase: {
      name: "linked",
      version,
      sinceMs: nowMs,
      pingAtMs: nowMs + HEARTBEAT_INTERVAL_MS,
      leaseEndsAtMs: nowMs + LEASE_MS,
    },
  };
  const begun: LinkStep = {
    state: linked,
    effects: [
      log("info", CONTROL_LOG.linked, { version, epoch, appliedSeq: state.appliedSeq, storedSeq }),
      { kind: "reconcile", stream, storedSeq },
      { kind: "record-snapshot" },
    ],
  };
  return after(after(after(begun, tellServing), deliver), applyNext);
}

/** Tells the hub what has changed since this connection's hello. */
function tellServing(state: LinkState): LinkStep {
  const { now, told } = state.draining;
  if (state.phase.name !== "linked" || now === told) {
    return same(state);
  }
  return {
    state: { ...state, draining: { now, told: now } },
    effects: [send({ type: "serving", draining: now })],
  };
}

/** Anything that the hub says renews the lease. */
function heard(state: LinkState, context: LinkContext): LinkState {
  if (state.phase.name !== "linked") {
    return state;
  }
  const { nowMs } = context;
  return { ...state, heardAtMs: nowMs, phase: { ...state.phase, leaseEndsAtMs: nowMs + LEASE_MS } };
}

/** Whether there is a socket, or one in the making. */
function isUp(state: LinkState): boolean {
  return state.phase.name === "connecting" || isGreeted(state);
}

/** Whether our hello is out, so that the hub may speak. */
function isGreeted(state: LinkState): boolean {
  return ["greeting", "adopting", "linked"].includes(state.phase.name);
}

/** Name resolution, TCP, TLS and the upgrade; three TCP SYN retransmissions (7 s) fit. */
export const CONNECT_DEADLINE_MS = 10_000;
