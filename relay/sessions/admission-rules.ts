/**
 * The rules of admission and of ending, as pure functions of facts: no clock, no table, no wait.
 * The registry gathers the facts and carries out what these decide.
 */
import type { SessionEndReason, TicketRefusalReason } from "#shared/audit/events.ts";
import type { ChannelEnd } from "./ports.ts";

/** What is known when a main channel presents an authentic ticket. */
export interface MainFacts {
  readonly connectionId: number;
  /** The ticket's time, or its grant's, is over. */
  readonly expired: boolean;
  /** Some main channel was admitted with it before. */
  readonly used: boolean;
  /** Its grant is held. */
  readonly held: boolean;
}

/** Use the ticket up, ask the control plane for its grant, or refuse. */
export type MainVerdict = "use" | "look-up" | TicketRefusalReason;

/**
 * A first main channel names connection id 0; another number is a migration target (spice-server
 * reds.cpp, reds_handle_main_link), which the relay does not take over.
 */
export function judgeMain(facts: MainFacts): MainVerdict {
  if (facts.connectionId !== 0) {
    return "no-session";
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

const REASON_BY_CODE: Readonly<Partial<Record<ChannelEnd["code"], SessionEndReason>>> = {
  terminated: "terminated",
  "relay.stopping": "relay-stopped",
  "message.type-unknown": "protocol-violation",
  "message.size-unlawful": "protocol-violation",
};
