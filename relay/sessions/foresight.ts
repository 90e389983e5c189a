/**
 * Finds the session that a clue tells of before its SPICE ticket comes. Promises to use nothing up,
 * to reserve nothing, and to name no session that would not be admitted now: its answer lets the
 * relay dial a hypervisor, and a dial can cost the one who is watching his display.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { unreachable } from "#shared/base/assert.ts";
import { ok, type Result } from "#shared/base/result.ts";
import type { Grant } from "#shared/ticket/grant.ts";
import { judgeMain } from "./admission-rules.ts";
import { type ClueLimits, ClueMeter } from "./clue-meter.ts";
import { whyClosed } from "./enforcement.ts";
import type { HeldGrant } from "./grant-store.ts";
import type { Lives } from "./lives.ts";
import type { LivingSession } from "./living-session.ts";
import type {
  ControlContact,
  DialTarget,
  ForeseenSession,
  Presented,
  Refusal,
  SessionClue,
} from "./ports.ts";
import { refuse, type Refusals } from "./refusals.ts";
import type { AuthenticTicket, TicketDesk } from "./ticket-desk.ts";

/** Whether new sessions are taken, and whether anything is. */
export type Phase = "open" | "draining" | "stopping";

export interface ForesightOptions {
  readonly desk: TicketDesk;
  readonly lives: Lives;
  readonly refusals: Refusals;
  readonly phase: () => Phase;
  readonly contact: ControlContact;
  readonly limits: ClueLimits;
  readonly nowMs: () => number;
}

type ClueGiver = Pick<Presented, "channel" | "clientAddress">;
type Foreseen = Result<ForeseenSession | null, Refusal>;

/** Reads clues. */
export class Foresight {
  readonly #options: ForesightOptions;
  readonly #meter: ClueMeter;

  constructor(options: ForesightOptions) {
    this.#options = options;
    this.#meter = new ClueMeter(options.limits);
  }

  /** Null when the clue tells of none; a refusal when it is a token that opens nothing. */
  async foresee(clue: SessionClue, from: ClueGiver = UNKNOWN_GIVER): Promise<Foreseen> {
    const { lives, desk } = this.#options;
    switch (clue.kind) {
      case "label": {
        const session = lives.findByLabel(clue.label);
        const held = session === null ? desk.store.heldByLabel(clue.label) : null;
        return this.#isOften(session?.sessionId ?? held?.grant.sessionId)
          ? ok(null)
          : this.#foreseeEither(session, held);
      }
      case "connection-id": {
        const session = lives.findByConnectionId(clue.connectionId);
        return this.#isOften(session?.sessionId) ? ok(null) : this.#foreseeEither(session, null);
      }
      case "token":
        return this.#foreseeToken(clue.token, from);
      default:
        return unreachable(clue);
    }
  }

  /** Only clues that found a session count: others cost nothing. */
  #isOften(sessionId: string | undefined): boolean {
    return sessionId !== undefined && !this.#meter.take(sessionId, this.#options.nowMs());
  }

  async #foreseeEither(session: LivingSession | null, held: HeldGrant | null): Promise<Foreseen> {
    return session === null ? this.#foreseeHeld(held) : ok(seen(session));
  }

  async #foreseeToken(token: string, from: ClueGiver): Promise<Foreseen> {
    const { desk, lives, refusals } = this.#options;
    const judged = await desk.authenticate(token, (hash) => lives.findByTicket(hash) !== null);
    if (this.#options.phase() === "stopping") {
      return refuse("relay.stopping");
    }
    if (!judged.ok) {
      return refusals.ticket(from, judged.error, null);
    }
    const { hash } = judged.value;
    const session = lives.findByTicket(hash);
    if (session !== null && !session.isEnding) {
      return ok(seen(session));
    }
    const reason = await this.#whyUnusable(judged.value);
    const phase = this.#options.phase();
    if (phase === "stopping") {
      return refuse("relay.stopping");
    }
    if (reason !== null) {
      return refusals.ticket(from, reason, desk.store.sessionOf(hash));
    }
    if (phase === "draining") {
      return refuse("relay.draining");
    }
    return this.#foreseeHeld(desk.store.held(hash));
  }

  /** Null when the token could open its session as a main channel's ticket, as far as is known. */
  async #whyUnusable(ticket: AuthenticTicket): Promise<TicketRefusalReason | null> {
    const { desk, phase } = this.#options;
    const judge = (): ReturnType<typeof judgeMain> =>
      judgeMain({ ...desk.facts(ticket), connectionId: 0, awaited: false });
    let verdict = judge();
    // Nothing is asked of the control plane that would not be admitted anyway.
    if (verdict === "look-up" && phase() === "open") {
      verdict = (await desk.lookUp(ticket.hash)) ?? judge();
      // Still not held: it was withdrawn meanwhile.
      verdict = verdict === "look-up" ? "unknown" : verdict;
    }
    return verdict === "use" || verdict === "reopen" || verdict === "look-up" ? null : verdict;
  }

  async #foreseeHeld(held: HeldGrant | null): Promise<Foreseen> {
    if (held === null || !this.#mayOpen(held.grant)) {
      return ok(null);
    }
    const target = await this.#options.desk.unsealTarget(held);
    return ok(target === null ? null : seen({ sessionId: held.grant.sessionId, target }));
  }

  #mayOpen(grant: Grant): boolean {
    const { lives, phase, nowMs, contact } = this.#options;
    const isUsable = nowMs() < grant.exp * 1000;
    const now = { nowMs: nowMs(), silentMs: contact.silentMs() };
    const isOpen = phase() === "open" && whyClosed(grant, now) === null;
    return isOpen && isUsable && lives.judgeViewer(grant) !== "refuse";
  }
}

function seen(session: {
  readonly sessionId: string;
  readonly target: DialTarget;
}): ForeseenSession {
  const { host, port, tlsPort, ca, hostSubject, proxy } = session.target;
  return { sessionId: session.sessionId, target: { host, port, tlsPort, ca, hostSubject, proxy } };
}

/** A token opens a session, so that it counts as its main channel's. */
const UNKNOWN_GIVER: ClueGiver = { channel: "main", clientAddress: "unknown" };
