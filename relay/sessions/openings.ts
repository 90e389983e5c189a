/**
 * Opens sessions and their channels: gathers facts, asks the rules, carries out what they decide.
 * Promises that what is decided is decided without waiting, so that of two who race one is first:
 * a ticket opens one session, and a console has one session that is not ending.
 */
import { newId, type RandomBytes } from "#shared/base/ids.ts";
import { ok, type Result } from "#shared/base/result.ts";
import { SNAPSHOT_SESSIONS_MAX } from "#shared/control/limits.ts";
import type { ErrorCode, Failure } from "#shared/errors/catalogue.ts";
import { permitsChannel } from "#shared/policy/policy.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { judgeLater, judgeMain, type MainVerdict } from "./admission-rules.ts";
import type { Deadlines } from "./deadlines.ts";
import { whyClosed } from "./enforcement.ts";
import type { Phase } from "./foresight.ts";
import type { HeldGrant } from "./grant-store.ts";
import type { Lives } from "./lives.ts";
import { LivingSession } from "./living-session.ts";
import type { SessionObserver } from "./observer.ts";
import type {
  AdmittedChannel,
  ControlContact,
  DialTarget,
  EventSink,
  Presented,
  Refusal,
} from "./ports.ts";
import { refuse, type Refusals } from "./refusals.ts";
import { type AuthenticTicket, targetOf, type TicketDesk } from "./ticket-desk.ts";

export interface OpeningsOptions {
  readonly desk: TicketDesk;
  readonly lives: Lives;
  readonly refusals: Refusals;
  readonly deadlines: Deadlines;
  readonly phase: () => Phase;
  readonly events: EventSink;
  readonly observer: SessionObserver;
  readonly contact: ControlContact;
  readonly limits: {
    readonly channelsMax: number;
    readonly channelsPerSessionMax: number;
    readonly mainGraceMs: number;
  };
  readonly nowMs: () => number;
  /** The deadlines' clock. */
  readonly steadyMs: () => number;
  readonly randomBytes: RandomBytes;
}

export type Admission = Result<AdmittedChannel, Refusal>;

/** The way in for those who present a ticket. */
export class Openings {
  readonly #options: OpeningsOptions;
  #channelCount = 0;

  constructor(options: OpeningsOptions) {
    this.#options = options;
  }

  /** Channels that are admitted and have not ended. */
  get channelCount(): number {
    return this.#channelCount;
  }

  async admit(presented: Presented): Promise<Admission> {
    const { desk, lives, refusals, phase } = this.#options;
    const { password } = presented;
    const judged = await desk.authenticate(password, (hash) => lives.findByTicket(hash) !== null);
    if (phase() === "stopping") {
      return refuse("relay.stopping");
    }
    if (!judged.ok) {
      return refusals.ticket(presented, judged.error, null);
    }
    return presented.channel === "main"
      ? this.#admitMain(presented, judged.value)
      : this.#admitLater(presented, judged.value);
  }

  async #admitMain(presented: Presented, ticket: AuthenticTicket): Promise<Admission> {
    const { desk, refusals } = this.#options;
    let verdict = this.#judgeMain(presented, ticket);
    const closed = this.#whyClosed(verdict);
    if (closed !== null) {
      return this.#refuseNew(presented, ticket, closed);
    }
    if (verdict === "look-up") {
      const reason = await desk.lookUp(ticket.hash);
      if (reason !== null && this.#options.phase() !== "stopping") {
        return refusals.ticket(presented, reason, desk.store.sessionOf(ticket.hash));
      }
    }
    const held = desk.store.held(ticket.hash);
    const target = held === null ? null : await desk.unsealTarget(held);
    // Time has passed: only what is decided from here on, without waiting, counts.
    verdict = this.#judgeMain(presented, ticket);
    return this.#openMain(presented, ticket, { verdict, held, target });
  }

  #openMain(
    presented: Presented,
    ticket: AuthenticTicket,
    found: {
      readonly verdict: MainVerdict;
      readonly held: HeldGrant | null;
      readonly target: DialTarget | null;
    },
  ): Admission {
    const { desk, lives, refusals } = this.#options;
    const { verdict, held, target } = found;
    const closed = this.#whyClosed(verdict);
    if (closed !== null) {
      return this.#refuseNew(presented, ticket, closed);
    }
    const session = lives.findByTicket(ticket.hash);
    if (verdict === "reopen" && session !== null) {
      return this.#join(session, presented);
    }
    const isHeld = held !== null && desk.store.held(ticket.hash) === held;
    if (verdict === "use" && isHeld) {
      return this.#openSession(presented, ticket, { held, target });
    }
    // "use" and "look-up" end here when the grant vanished meanwhile, by withdrawal.
    const isGone = verdict === "use" || verdict === "look-up" || verdict === "reopen";
    const reason = isGone ? "unknown" : verdict;
    return refusals.ticket(presented, reason, desk.store.sessionOf(ticket.hash));
  }

  #openSession(
    presented: Presented,
    ticket: AuthenticTicket,
    opening: { readonly held: HeldGrant; readonly target: DialTarget | null },
  ): Admission {
    const { desk, lives, refusals, nowMs } = this.#options;
    const { grant, label } = opening.held;
    if (lives.find(grant.sessionId) !== null) {
      // A second ticket for a session that lives: its main channel is taken.
      return refusals.ticket(presented, "used", grant.sessionId);
    }
    const refusal = this.#whyNotOpen(grant);
    if (refusal !== null) {
      return refusals.channel(presented, grant.sessionId, refusal);
    }
    if (!desk.store.use(opening.held, ticket.expiresAtMs, nowMs())) {
      return refusals.channel(presented, grant.sessionId, "relay.full");
    }
    if (opening.target === null) {
      return this.#failUnreadable(presented, opening.held);
    }
    const watching = lives.findByConsole(grant.consoleId);
    watching?.endAll("taken-over", `session ${grant.sessionId} opened its console`);
    return this.#reserve(this.#startSession(grant, label, opening.target), presented);
  }

  /** Why a ticket that is good opens nothing, and is not used up either. */
  #whyNotOpen(grant: Grant): ErrorCode | null {
    if (!permitsChannel(grant.policy, "main")) {
      return "channel.not-permitted";
    }
    const isClosed = this.#whyClosedBy(grant);
    if (isClosed !== null) {
      return isClosed;
    }
    if (this.#options.lives.judgeViewer(grant) === "refuse") {
      return "console.in-use";
    }
    const hasRoom =
      this.#channelCount < this.#options.limits.channelsMax &&
      this.#options.lives.count < SNAPSHOT_SESSIONS_MAX;
    return hasRoom ? null : "relay.full";
  }

  /** The session ends as it begins, so that its account says why; nobody gives way to it. */
  #failUnreadable(presented: Presented, held: HeldGrant): Admission {
    const { grant, label } = held;
    const session = this.#makeSession(grant, label, targetOf(grant, ""));
    const detail = "the target's password cannot be unsealed with this relay's keys";
    const failure: Failure = { code: "target.unreadable", detail };
    this.#channelCount += 1;
    const channel = session.reserve(presented, this.#newChannelRef());
    channel.end({ by: "relay", ...failure, clientBytes: 0, serverBytes: 0 });
    return { ok: false, error: { ...failure, holdMs: 0 } };
  }

  #admitLater(presented: Presented, ticket: AuthenticTicket): Admission {
    const { desk, lives, refusals } = this.#options;
    const session = lives.findByTicket(ticket.hash);
    const verdict = judgeLater({
      connectionId: presented.connectionId,
      sessionLives: session !== null && !session.isEnding,
      learnedId: session?.learnedId ?? null,
    });
    if (verdict !== "join" || session === null) {
      return refusals.ticket(presented, "no-session", desk.store.sessionOf(ticket.hash));
    }
    if (!permitsChannel(session.grant.policy, presented.channel)) {
      return refusals.channel(presented, session.sessionId, "channel.not-permitted");
    }
    return this.#join(session, presented);
  }

  /** One more channel of a session that lives, or its client that is back. */
  #join(session: LivingSession, presented: Presented): Admission {
    const closed = this.#whyClosedBy(session.grant);
    return closed === null
      ? this.#reserve(session, presented)
      : this.#options.refusals.channel(presented, session.sessionId, closed);
  }

  #whyClosedBy(grant: Grant): ReturnType<typeof whyClosed> {
    const { nowMs, contact } = this.#options;
    return whyClosed(grant, { nowMs: nowMs(), silentMs: contact.silentMs() });
  }

  #judgeMain(presented: Presented, ticket: AuthenticTicket): MainVerdict {
    const { desk, lives } = this.#options;
    const { connectionId } = presented;
    const awaited = lives.findByTicket(ticket.hash)?.awaitsClient ?? false;
    return judgeMain({ ...desk.facts(ticket), connectionId, awaited });
  }

  /** Why a main channel judged so does not come in now, whatever its ticket is worth. */
  #whyClosed(verdict: MainVerdict): "relay.stopping" | "relay.draining" | null {
    const phase = this.#options.phase();
    if (phase === "stopping") {
      return "relay.stopping";
    }
    const isNew = verdict === "use" || verdict === "look-up";
    return phase === "draining" && isNew ? "relay.draining" : null;
  }

  #refuseNew(
    presented: Presented,
    ticket: AuthenticTicket,
    code: "relay.stopping" | "relay.draining",
  ): Admission {
    const { desk, refusals } = this.#options;
    return code === "relay.stopping"
      ? refuse(code)
      : refusals.channel(presented, desk.store.sessionOf(ticket.hash), code);
  }

  #reserve(session: LivingSession, presented: Presented): Admission {
    const { channelsMax, channelsPerSessionMax } = this.#options.limits;
    if (this.#channelCount >= channelsMax || session.channelCount >= channelsPerSessionMax) {
      return this.#options.refusals.channel(presented, session.sessionId, "relay.full");
    }
    this.#channelCount += 1;
    return ok(session.reserve(presented, this.#newChannelRef()));
  }

  #startSession(grant: Grant, label: string, target: DialTarget): LivingSession {
    const session = this.#makeSession(grant, label, target);
    this.#options.lives.add(session);
    return session;
  }

  #makeSession(grant: Grant, label: string, target: DialTarget): LivingSession {
    const { lives, events, observer, steadyMs, nowMs, contact, deadlines, limits } = this.#options;
    const session = new LivingSession({
      grant,
      label,
      target,
      events,
      observer,
      nowMs: steadyMs,
      wallMs: nowMs,
      contact,
      deadlines,
      mainGraceMs: limits.mainGraceMs,
      onConnectionId: (connectionId, before) => {
        lives.renumber(session, connectionId, before);
      },
      onChannelGone: () => {
        this.#channelCount -= 1;
      },
      onEnded: () => {
        lives.remove(session);
      },
    });
    return session;
  }

  #newChannelRef(): string {
    return newId("channel", this.#options.randomBytes);
  }
}
