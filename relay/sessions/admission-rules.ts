/**
 * The rules of admission and of ending, as pure functions of facts: no clock, no table, no wait.
 * The registry gathers the facts and carries out what these decide.
 */
import type { SessionEndReason, TicketRefusalReason } from "#shared/audit/events.ts";
import type { SecondViewerRule } from "#shared/policy/policy.ts";
import type { ChannelEnd, SessionStop } from "./ports.ts";

/** What is known when a main channel presents an authentic ticket. */
export interface MainFacts {
  readonly connectionId: number;
  /** The ticket's time, or its grant's, is over. */
  readonly expired: boolean;
  /** Some main channel was admitted with it before. */
  readonly used: boolean;
  /** Its grant is held. */
  readonly held: boolean;
  /** The session that it opened has lost its client and waits for it. */
  readonly awaited: boolean;
}

/** Use the ticket up, open its session again, ask the control plane for its grant, or refuse. */
export type MainVerdict = "use" | "reopen" | "look-up" | TicketRefusalReason;

/**
 * A first main channel names connection id 0; another number is a migration target (spice-server
 * reds.cpp, reds_handle_main_link), which the relay does not take over. A client that comes back
 * begins anew, so that it names 0 too; its ticket may have expired meanwhile.
 */
export function judgeMain(facts: MainFacts): MainVerdict {
  if (facts.connectionId !== 0) {
    return "no-session";
  }
  if (facts.awaited) {
    return "reopen";
  }
  if (facts.expired) {
    return "expired";
  }
  if (facts.used) {
    return "used";
  }
  return facts.held ? "use" : "look-up";
}

/** What is known when another channel presents an authentic ticket. */
export interface LaterFacts {
  readonly connectionId: number;
  /** The session that the ticket opened still lives and is not ending. */
  readonly sessionLives: boolean;
  /** The connection id that MAIN_INIT told this session's client, or null when it has not yet. */
  readonly learnedId: number | null;
}

/**
 * A later channel belongs to a living session: same ticket, and the connection id that only the
 * session's own client was told. The ticket's expiry does not matter any more.
 */
export function judgeLater(facts: LaterFacts): "join" | "no-session" {
  const joins =
    facts.sessionLives && facts.connectionId !== 0 && facts.connectionId === facts.learnedId;
  return joins ? "join" : "no-session";
}

/** Open, refuse because somebody is watching, or end that session first. */
export type ViewerVerdict = "open" | "refuse" | "take-over";

/**
 * Whether a new session may open a console, by its own policy. Whose session lives there is no
 * matter, nor whether that one waits for its client: its seat is kept.
 */
export function judgeViewer(isTaken: boolean, rule: SecondViewerRule): ViewerVerdict {
  return isTaken ? rule : "open";
}

/**
 * Whether a session waits for its client when its main channel has ended: only when the client was
 * lost, not when the relay or the server ended it, nor for a breach; and only once it was open.
 */
export function awaitsReturn(
  end: Pick<ChannelEnd, "by" | "code">,
  facts: { readonly opened: boolean; readonly reconnectWindowS: number },
): boolean {
  const isLoss = end.by === "client" && end.code === "closed";
  return isLoss && facts.opened && facts.reconnectWindowS > 0;
}

/** Why a session ended, from how its main channel ended. */
export function sessionEndReason(end: ChannelEnd, opened: boolean): SessionEndReason {
  const reason = REASON_BY_CODE[end.code];
  if (reason !== undefined) {
    return reason;
  }
  if (end.code !== "closed" && end.code !== "link.closed") {
    return "failed";
  }
  if (end.by === "client") {
    return "client-closed";
  }
  return opened && end.by === "server" ? "server-closed" : "failed";
}

const REASON_BY_STOP: Readonly<Record<SessionStop, SessionEndReason>> = {
  terminated: "terminated",
  "taken-over": "taken-over",
  idle: "idle",
  "duration-exceeded": "duration-exceeded",
  "outside-hours": "outside-hours",
  "control-lost": "control-lost",
  drained: "relay-drained",
};

const REASON_BY_CODE: Readonly<Partial<Record<ChannelEnd["code"], SessionEndReason>>> = {
  ...REASON_BY_STOP,
  "relay.stopping": "relay-stopped",
  "relay.worker-lost": "relay-fault",
  "message.type-unknown": "protocol-violation",
  "message.size-unlawful": "protocol-violation",
  "message.sub-list-unlawful": "protocol-violation",
  "message.rate-exceeded": "protocol-violation",
};
