/**
 * The control link's decisions, pure: a state and an input give a state and effects. It knows no
 * socket, timer, file, clock or randomness; the shell (link.ts) performs the effects in order and
 * feeds back what happened. It promises that every number is applied once and in order, that at most
 * EVENT_MESSAGES_OPEN_MAX messages of events are unacknowledged, and that each wait has an end.
 *
 *     waiting ──► connecting ──► greeting ──► adopting ──► linked
 *        ▲             │      hello │   welcome │   keys     │
 *        └─────────────┴────────────┴───────────┴────────────┘   any loss; back-off with full jitter
 */
import { assert, unreachable } from "#shared/base/assert.ts";
import {
  agreeVersion,
  CONTROL_VERSIONS,
  type HubMessage,
  type RelayMessage,
  sayVersions,
  type Welcome,
} from "#shared/control/contract.ts";
import {
  EVENT_MESSAGES_OPEN_MAX,
  HEARTBEAT_INTERVAL_MS,
  HELLO_DEADLINE_MS,
  LEASE_MS,
  OUTBOX_ROWS_MAX,
  RELINK_MS_MAX,
} from "#shared/control/limits.ts";
import { CONTROL_LOG, type ControlLogName } from "./control-log.ts";
import { tellLoad, toldByHello } from "./link-load.ts";
import { answerLookup, askLookup, endLookups, expireLookups } from "./link-lookups.ts";
import { answerRequest, endRequests, expireRequests, makeRequest } from "./link-requests.ts";
import type {
  LinkContext,
  LinkEffect,
  LinkInput,
  LinkRefusal,
  LinkState,
  LinkStep,
  QueuedPush,
} from "./link-types.ts";

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

function push(state: LinkState, message: QueuedPush, context: LinkContext): LinkStep {
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
function applyNext(state: LinkState): LinkStep {
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

function applied(state: LinkState, input: LinkInput & { readonly kind: "applied" }): LinkStep {
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

/** Asks the spool for what follows the last message under way, when one more may be open. */
function deliver(state: LinkState): LinkStep {
  if (state.phase.name !== "linked" || state.openBatches.length >= EVENT_MESSAGES_OPEN_MAX) {
    return same(state);
  }
  const afterSeq = state.openBatches.at(-1)?.lastSeq ?? 0;
  return { state, effects: [{ kind: "deliver", afterSeq }] };
}

function sendBatch(
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

function eventsAck(state: LinkState, ack: { stream: string; seq: number }): LinkStep {
  const openBatches = state.openBatches.filter(
    (batch) => batch.stream !== ack.stream || batch.lastSeq > ack.seq,
  );
  const trimmed: LinkStep = {
    state: { ...state, openBatches },
    effects: [{ kind: "acknowledged", stream: ack.stream, seq: ack.seq }],
  };
  return after(trimmed, deliver);
}

function malformed(state: LinkState, context: LinkContext, detail: string): LinkStep {
  const lost = lose(state, context, { detail, code: "control.malformed" });
  return {
    state: lost.state,
    effects: [log("error", CONTROL_LOG.malformed, { detail }), ...lost.effects],
  };
}

function refused(
  state: LinkState,
  context: LinkContext,
  refusal: LinkRefusal,
  closeReason: string = refusal.code,
): LinkStep {
  const { code, detail } = refusal;
  const lost = lose(state, context, { detail, code: closeReason });
  // Nothing that a quick retry could change: the upper half of the longest back-off.
  const retryAtMs = context.nowMs + (BACKOFF_MS_MAX * (1 + context.chance)) / 2;
  return {
    state: { ...lost.state, phase: { name: "waiting", retryAtMs }, refusal: { code, detail } },
    effects: [log("error", CONTROL_LOG.refused, { code, detail }), ...lost.effects],
  };
}

/** Gives the connection up and waits: exponential back-off with full jitter. */
function lose(
  state: LinkState,
  context: LinkContext,
  why: { readonly detail: string; readonly code?: string },
): LinkStep {
  const { phase } = state;
  const lasted = phase.name === "linked" && context.nowMs - phase.sinceMs >= LEASE_MS;
  const failures = lasted ? 0 : state.failures;
  const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_BASE_MS * 2 ** failures);
  const waitMs = Math.floor(ceilingMs * context.chance);
  const left = after(endLookups(state), endRequests);
  return {
    state: {
      ...left.state,
      phase: { name: "waiting", retryAtMs: context.nowMs + waitMs },
      queue: [],
      openBatches: [],
      failures: Math.min(failures + 1, FAILURES_COUNTED_MAX),
    },
    effects: [
      log("warn", CONTROL_LOG.lost, { phase: phase.name, detail: why.detail, waitMs }),
      { kind: "close", reason: why.code ?? "" },
      ...left.effects,
    ],
  };
}

function stop(state: LinkState): LinkStep {
  const left = after(endLookups(state), endRequests);
  return {
    state: { ...left.state, phase: { name: "stopped" }, queue: [], openBatches: [] },
    effects: [...left.effects, { kind: "close", reason: "" }],
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

function after(step: LinkStep, next: (state: LinkState) => LinkStep): LinkStep {
  const following = next(step.state);
  return { state: following.state, effects: [...step.effects, ...following.effects] };
}

function same(state: LinkState): LinkStep {
  return { state, effects: [] };
}

function send(message: RelayMessage): LinkEffect {
  return { kind: "send", message };
}

function log(
  level: "debug" | "info" | "warn" | "error",
  name: ControlLogName,
  fields: Readonly<Record<string, string | number | null>>,
): LinkEffect {
  return { kind: "log", level, name, fields };
}

/** Name resolution, TCP, TLS and the upgrade; three TCP SYN retransmissions (7 s) fit. */
export const CONNECT_DEADLINE_MS = 10_000;
/** The first wait's upper end after a link that lasted. */
export const BACKOFF_BASE_MS = 250;
export const BACKOFF_MS_MAX = RELINK_MS_MAX;
/** Storing 64 events takes milliseconds; after this the link counts as broken. */
export const EVENTS_ACK_DEADLINE_MS = 15_000;
/** Beyond this the ceiling no longer grows; keeps 2 ** failures finite. */
const FAILURES_COUNTED_MAX = 16;
