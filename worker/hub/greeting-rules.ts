/**
 * How a relay's connection becomes a link, pure: it connects, says hello, the database is asked, and
 * it is welcomed or told why not.
 */
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import {
  agreeVersion,
  CONTROL_VERSIONS,
  type RelayMessage,
  sayVersions,
} from "#shared/control/contract.ts";
import { HELLO_DEADLINE_MS } from "#shared/control/limits.ts";
import { levelOf } from "#shared/control/load.ts";
import { lookLater } from "./expiry-rules.ts";
import type {
  HubEffect,
  HubInput,
  HubLink,
  HubMoment,
  HubState,
  HubStep,
  LinkedLink,
  WelcomeFacts,
} from "./hub-state.ts";
import { chain, same } from "./hub-step.ts";
import { hangUp, refuse } from "./link-ends.ts";
import { firstLoad } from "./load-rules.ts";
import { dropLate, refuseGrants, refuseUnknown } from "./outbox-rules.ts";
import { beginAnew, sendApplied, sendWaiting } from "./outbox-sending.ts";
import { losePresence } from "./presence-rules.ts";

/** The newest connection wins: an older one may be a dead socket that nobody has noticed yet. */
export function connected(state: HubState, linkId: string, moment: HubMoment): HubStep {
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

/** Agrees on a version, and has the database asked. */
export function hello(
  state: HubState,
  link: { readonly linkId: string; readonly deadlineMs: number },
  message: Extract<RelayMessage, { type: "hello" }>,
  moment: HubMoment,
): HubStep {
  const version = agreeVersion(CONTROL_VERSIONS, message.versions);
  if (version === null) {
    const detail = sayVersions(message.versions, CONTROL_VERSIONS);
    return refuse(state, CONTROL_CLOSE.version, detail, moment);
  }
  const { linkId, deadlineMs } = link;
  const { nowMs, load, channelsMax } = message;
  const skewMs = nowMs === undefined ? null : nowMs - moment.nowMs;
  const level = load === undefined ? null : levelOf(load, channelsMax, null);
  return {
    state: { ...state, link: { phase: "greeting", linkId, deadlineMs, version, hello: message } },
    effects: [{ kind: "greet", linkId, hello: message, version, skewMs, level }],
  };
}

/**
 * The database was asked to show the relay online. A failure may still have been carried out, so
 * the relay counts as lost and is marked offline again.
 */
export function greeted(
  state: HubState,
  input: Extract<HubInput, { kind: "greeted" }>,
  moment: HubMoment,
): HubStep {
  const { link } = state;
  if (input.refusal !== undefined) {
    const { close, detail } = input.refusal;
    return isCurrent(link, input.linkId) ? refuse(state, close, detail, moment) : same(state);
  }
  const online: HubState = { ...state, presence: { kind: "online" } };
  if (!isCurrent(link, input.linkId)) {
    return link.phase === "none" ? losePresence(online, "closed", moment.nowMs) : same(online);
  }
  return input.welcome === null || link.phase !== "greeting"
    ? hangUp(online, CONTROL_CLOSE.retry, moment)
    : welcome(online, { link, facts: input.welcome }, moment);
}

/** Tells the relay what it must know, then what waits for it. */
function welcome(
  state: HubState,
  greeting: {
    readonly link: Extract<HubLink, { phase: "greeting" }>;
    readonly facts: WelcomeFacts;
  },
  moment: HubMoment,
): HubStep {
  const { link, facts } = greeting;
  const { version, linkId } = link;
  const linked = linkedLink(state, greeting, moment.nowMs);
  const ready = chain(state, [
    (current) => beginAnew(current, link.hello, moment.spareEpoch),
    (current) => refuseUnknown(current, version),
    (current) => dropLate(current, moment.nowMs),
    // Grants that came before its hello was read were not sent yet.
    (current) => (linked.draining || linked.ordered ? refuseGrants(current) : same(current)),
    (current) => same(lookLater({ ...current, link: linked }, moment.nowMs)),
  ]);
  const { epoch } = ready.state;
  const said = { version, versions: CONTROL_VERSIONS, epoch, nowMs: moment.nowMs };
  const sent = sendWaiting(ready.state);
  return {
    state: sent.state,
    effects: [
      ...ready.effects,
      { kind: "send", linkId, message: { type: "welcome", ...said, ...facts } },
      ...sendApplied(ready.state, linkId),
      ...sent.effects,
    ],
  };
}

function linkedLink(
  state: HubState,
  greeting: {
    readonly link: Extract<HubLink, { phase: "greeting" }>;
    readonly facts: WelcomeFacts;
  },
  nowMs: number,
): LinkedLink {
  const { linkId, version, hello: said } = greeting.link;
  const { instanceId, draining, channelsMax, load } = said;
  // What was pushed since the database was read is newer than the welcome.
  const pushed = state.outbox.findLast(({ drains }) => drains !== null)?.drains ?? null;
  return {
    phase: "linked",
    linkId,
    version,
    instanceId,
    draining,
    ordered: pushed ?? (greeting.facts.drain ?? null) !== null,
    channelsMax,
    load: firstLoad(load, channelsMax, nowMs),
    heardAtMs: nowMs,
    storing: false,
    lookupsOpen: 0,
    requestsOpen: 0,
  };
}

/** Whether that socket is the one that counts. */
export function isCurrent(
  link: HubLink,
  linkId: string,
): link is Exclude<HubLink, { readonly phase: "none" }> {
  return link.phase !== "none" && link.linkId === linkId;
}
