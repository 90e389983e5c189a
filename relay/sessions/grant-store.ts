/**
 * What this relay knows of tickets: grants that wait to be used, tickets that were used, sessions
 * that were withdrawn. Bounded in count; time is passed in; nothing here waits.
 */
import { assert } from "#shared/base/assert.ts";
import type { Grant } from "#shared/ticket/grant.ts";

export interface GrantStoreLimits {
  readonly grantsMax: number;
  readonly usedTicketsMax: number;
  readonly usedTicketMarginMs: number;
  readonly withdrawnMax: number;
}

/** An unused grant and its session's label (shared/ticket/session-label.ts). */
export interface HeldGrant {
  readonly grant: Grant;
  readonly label: string;
  /** The key that signed it. */
  readonly kid: string;
}

interface UsedTicket {
  readonly sessionId: string;
  readonly forgetAtMs: number;
}

/** Tables by ticket hash, never by ticket. */
export class GrantStore {
  readonly #limits: GrantStoreLimits;
  readonly #held = new Map<string, HeldGrant>();
  /** Ticket hashes of held grants, by session and by label. */
  readonly #bySession = new Map<string, string>();
  readonly #byLabel = new Map<string, string>();
  readonly #used = new Map<string, UsedTicket>();
  readonly #withdrawn = new Set<string>();

  constructor(limits: GrantStoreLimits) {
    this.#limits = limits;
  }

  /**
   * Takes a verified grant; false when its ticket was used or its session withdrawn already. One
   * that comes again changes nothing, so that an admission under way finds what it began with.
   */
  hold(held: HeldGrant, nowMs: number): boolean {
    const { sessionId, ticketHash } = held.grant;
    if (this.#used.has(ticketHash) || this.#withdrawn.has(sessionId)) {
      return false;
    }
    if (this.#held.get(ticketHash)?.grant.jti === held.grant.jti) {
      return true;
    }
    this.#drop(ticketHash);
    this.withdrawHeld(sessionId);
    if (this.#held.size >= this.#limits.grantsMax) {
      this.#dropExpired(nowMs);
      this.#dropOldest();
    }
    this.#held.set(ticketHash, held);
    this.#bySession.set(sessionId, ticketHash);
    this.#byLabel.set(held.label, ticketHash);
    return true;
  }

  /** The unused grant of a ticket. */
  held(ticketHash: string): HeldGrant | null {
    return this.#held.get(ticketHash) ?? null;
  }

  /** The unused grant whose session has that label. */
  heldByLabel(label: string): HeldGrant | null {
    const ticketHash = this.#byLabel.get(label);
    return ticketHash === undefined ? null : this.held(ticketHash);
  }

  isUsed(ticketHash: string): boolean {
    return this.#used.has(ticketHash);
  }

  /** The session that a ticket belongs to, while this relay knows it. */
  sessionOf(ticketHash: string): string | null {
    const held = this.#held.get(ticketHash)?.grant;
    return held?.sessionId ?? this.#used.get(ticketHash)?.sessionId ?? null;
  }

  /**
   * Uses a held grant's ticket up, for ever. False when no more used tickets can be remembered:
   * the caller refuses, because forgetting one would let it open a second session.
   * @param expiresAtMs when the ticket itself expires; it is remembered until then at least.
   */
  use(held: HeldGrant, expiresAtMs: number, nowMs: number): boolean {
    const { ticketHash, sessionId, exp } = held.grant;
    assert(this.#held.get(ticketHash) === held, "only a held grant can be used");
    if (this.#used.size >= this.#limits.usedTicketsMax) {
      this.#forgetUsed(nowMs);
    }
    if (this.#used.size >= this.#limits.usedTicketsMax) {
      return false;
    }
    this.#drop(ticketHash);
    const forgetAtMs = Math.max(exp * 1000, expiresAtMs) + this.#limits.usedTicketMarginMs;
    this.#used.set(ticketHash, { sessionId, forgetAtMs });
    return true;
  }

  /** Voids a session's ticket, also when its grant comes later (a look-up under way). */
  withdraw(sessionId: string): void {
    this.withdrawHeld(sessionId);
    this.#withdrawn.delete(sessionId);
    this.#withdrawn.add(sessionId);
    const oldest = this.#withdrawn.values().next().value;
    if (this.#withdrawn.size > this.#limits.withdrawnMax && oldest !== undefined) {
      this.#withdrawn.delete(oldest);
    }
  }

  /** Drops the unused grant of a session, if one is held. */
  withdrawHeld(sessionId: string): void {
    const ticketHash = this.#bySession.get(sessionId);
    if (ticketHash !== undefined) {
      this.#drop(ticketHash);
    }
  }

  /** Drops the unused grants of which that is so. */
  dropWhere(isVoid: (held: HeldGrant) => boolean): void {
    for (const [ticketHash, held] of this.#held) {
      if (isVoid(held)) {
        this.#drop(ticketHash);
      }
    }
  }

  /** Forgets what time has made irrelevant; called now and then. */
  sweep(nowMs: number): void {
    this.#dropExpired(nowMs);
    this.#forgetUsed(nowMs);
  }

  /** How much is remembered, for metrics and tests. */
  counts(): { readonly held: number; readonly used: number; readonly withdrawn: number } {
    return {
      held: this.#held.size,
      used: this.#used.size,
      withdrawn: this.#withdrawn.size,
    };
  }

  #drop(ticketHash: string): void {
    const held = this.#held.get(ticketHash);
    if (held !== undefined) {
      this.#held.delete(ticketHash);
      this.#bySession.delete(held.grant.sessionId);
      this.#byLabel.delete(held.label);
    }
  }

  #dropExpired(nowMs: number): void {
    this.dropWhere(({ grant }) => nowMs >= grant.exp * 1000);
  }

  #dropOldest(): void {
    const oldest = this.#held.keys().next().value;
    if (this.#held.size >= this.#limits.grantsMax && oldest !== undefined) {
      this.#drop(oldest);
    }
  }

  #forgetUsed(nowMs: number): void {
    for (const [ticketHash, used] of this.#used) {
      if (nowMs >= used.forgetAtMs) {
        this.#used.delete(ticketHash);
      }
    }
  }
}
