/**
 * The sessions of this relay as one thing: who comes in (Openings, Foresight), what the control
 * plane orders, draining and stopping. Promises that an order takes effect before it returns, that
 * every refusal is told once, and that draining and stopping resolve when the last session is gone.
 * Holds no socket and never logs a ticket.
 */
import { unreachable } from "#shared/base/assert.ts";
import type { RandomBytes } from "#shared/base/ids.ts";
import type { Result } from "#shared/base/result.ts";
import { type Denial, subjectsOfGrant } from "#shared/control/denials.ts";
import type { Failure } from "#shared/errors/catalogue.ts";
import type { DataPlaneLimits } from "../limits.ts";
import { Deadlines, type StartTimer } from "./deadlines.ts";
import { DENIED_DETAIL } from "./denial-list.ts";
import { Foresight, type Phase } from "./foresight.ts";
import type { KeyRing } from "./key-ring.ts";
import { Lives } from "./lives.ts";
import type { SessionObserver } from "./observer.ts";
import { type Admission, Openings } from "./openings.ts";
import type {
  Admissions,
  CommandHandler,
  ControlContact,
  EventSink,
  ForeseenSession,
  GrantLookup,
  Presented,
  Refusal,
  SessionClue,
  SessionCommand,
} from "./ports.ts";
import { Refusals } from "./refusals.ts";
import { TicketDesk } from "./ticket-desk.ts";

export interface RegistryOptions {
  readonly keyRing: KeyRing;
  readonly lookup: GrantLookup;
  readonly contact: ControlContact;
  readonly events: EventSink;
  readonly observer: SessionObserver;
  readonly limits: DataPlaneLimits;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Milliseconds of a clock that nobody sets: sessions' deadlines go by it. */
  readonly steadyMs: () => number;
  readonly randomBytes: RandomBytes;
  /** What sleeps until the next deadline; Node's own timer unless a test turns the clock. */
  readonly startTimer?: StartTimer;
}

/** The sessions of this relay. */
export class Registry implements Admissions, CommandHandler {
  readonly #nowMs: () => number;
  readonly #steadyMs: () => number;
  readonly #desk: TicketDesk;
  readonly #lives = new Lives();
  readonly #refusals: Refusals;
  readonly #openings: Openings;
  readonly #foresight: Foresight;
  #phase: Phase = "open";

  constructor(options: RegistryOptions) {
    this.#nowMs = options.nowMs;
    this.#steadyMs = options.steadyMs;
    this.#desk = new TicketDesk(options);
    this.#refusals = new Refusals(options);
    const parts = {
      desk: this.#desk,
      lives: this.#lives,
      refusals: this.#refusals,
      phase: () => this.#phase,
    };
    const deadlines = new Deadlines({ ...options, nowMs: options.steadyMs });
    this.#openings = new Openings({ ...options, ...parts, deadlines });
    this.#foresight = new Foresight({ ...options, ...parts });
  }

  async foresee(
    clue: SessionClue,
    from?: Pick<Presented, "channel" | "clientAddress">,
  ): Promise<Result<ForeseenSession | null, Refusal>> {
    return this.#foresight.foresee(clue, from);
  }

  async admit(presented: Presented): Promise<Admission> {
    return this.#openings.admit(presented);
  }

  async apply(command: SessionCommand): Promise<Failure | null> {
    switch (command.kind) {
      case "grant":
        return this.#desk.take(command.grant);
      case "withdraw":
        this.withdraw(command.sessionId);
        return null;
      case "terminate":
        this.terminate(command.sessionId, command.reason, command.cause);
        return null;
      case "deny":
        this.deny(command.denials, command.revision);
        return null;
      default:
        return unreachable(command);
    }
  }

  /** Voids a session's unused ticket; a living session goes on. */
  withdraw(sessionId: string): void {
    this.#desk.store.withdraw(sessionId);
  }

  /** Ends a session's channels at once, and voids its ticket if it was not used. */
  terminate(
    sessionId: string,
    reason: string,
    cause: "terminated" | "taken-over" = "terminated",
  ): void {
    this.#desk.store.withdraw(sessionId);
    this.#lives.find(sessionId)?.endAll(cause, reason);
  }

  /** Voids what the denials are about: unused tickets go, living sessions end at once. */
  deny(denials: readonly Denial[], revision: number): void {
    this.#desk.deny(denials, revision);
    for (const session of this.#lives.all()) {
      if (this.#desk.denials.denies(subjectsOfGrant(session.grant))) {
        session.endAll("terminated", DENIED_DETAIL);
      }
    }
  }

  /** How many denials are known, and how new the newest is. */
  denials(): { readonly count: number; readonly revision: number } {
    return this.#desk.denials.status();
  }

  /** The sessions that live here now, those included that wait for their client. */
  snapshot(): string[] {
    return this.#lives.ids();
  }

  counts(): { readonly sessions: number; readonly channels: number; readonly grants: number } {
    return {
      sessions: this.#lives.count,
      channels: this.#openings.channelCount,
      grants: this.#desk.store.counts().held,
    };
  }

  /** Drops grants and used tickets whose time is over, and tells of refusals in sums. */
  sweep(): void {
    this.#desk.store.sweep(this.#nowMs());
    this.#desk.denials.sweep(this.#nowMs());
    this.#refusals.sweep();
  }

  get isDraining(): boolean {
    return this.#phase === "draining";
  }

  /**
   * Takes no new sessions; the living ones go on, with later channels and returning clients, until
   * the deadline ends them. Called again it sets another deadline.
   * @param deadlineMs how long from now; null: they go on as long as they like.
   * @returns resolves when no session is left, or when `resume` calls it off.
   */
  async drain(deadlineMs: number | null): Promise<void> {
    if (this.#phase !== "stopping") {
      this.#phase = "draining";
      for (const session of this.#lives.all()) {
        if (deadlineMs === null) {
          session.stay();
        } else {
          session.leaveBy(this.#steadyMs() + deadlineMs);
        }
      }
    }
    await this.#lives.untilNone();
  }

  /** Takes new sessions again; those that were not ended yet go on. */
  resume(): void {
    if (this.#phase === "draining") {
      this.#phase = "open";
      for (const session of this.#lives.all()) {
        session.stay();
      }
      this.#lives.releaseWaiters();
    }
  }

  /** Admits nobody any more, ends every session, and resolves when the last one is gone. */
  async stop(): Promise<void> {
    this.#phase = "stopping";
    // From here on no ticket is judged, so that no sum can be left behind.
    this.#refusals.close();
    for (const session of this.#lives.all()) {
      session.endAll("relay.stopping", "the relay is stopping");
    }
    await this.#lives.untilNone();
  }
}
