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

interface UsedTicket {
  readonly sessionId: string;
  readonly forgetAtMs: number;
}

/** Tables by ticket hash, never by ticket. */
export class GrantStore {
  readonly #limits: GrantStoreLimits;
  readonly #held = new Map<string, Grant>();
  readonly #hashes = new Map<string, string>();
  readonly #used = new Map<string, UsedTicket>();
  readonly #withdrawn = new Set<string>();

  constructor(limits: GrantStoreLimits) {
    this.#limits = limits;
  }

  /** Takes a verified grant; false when its ticket was used or its session withdrawn already. */
  hold(grant: Grant, nowMs: number): boolean {
    if (this.#used.has(grant.ticketHash) || this.#withdrawn.has(grant.sessionId)) {
      return false;
    }
    if (this.#held.size >= this.#limits.grantsMax && !this.#held.has(grant.ticketHash)) {
      this.#dropExpired(nowMs);
      this.#dropOldest();
    }
    this.withdrawHeld(grant.sessionId);
    this.#held.set(grant.ticketHash, grant);
    this.#hashes.set(grant.sessionId, grant.ticketHash);
    return true;
  }

  /** The unused grant of a ticket. */
  held(ticketHash: string): Grant | null {
    return this.#held.get(ticketHash) ?? null;
  }

  isUsed(ticketHash: string): boolean {
    return this.#used.has(ticketHash);
  }

  /** The session that a ticket belongs to, while this relay knows it. */
  sessionOf(ticketHash: string): string | null {
    return this.#held.get(ticketHash)?.sessionId ?? this.#used.get(ticketHash)?.sessionId ?? null;
  }

  /**
   * Uses a held grant's ticket up, for ever. False when no more used tickets can be remembered:
   * the caller refuses, because forgetting one would let it open a second session.
   * @param expiresAtMs when the ticket itself expires; it is remembered until then at least.
   */
  use(grant: Grant, expiresAtMs: number, nowMs: number): boolean {
    assert(this.#held.get(grant.ticketHash) === grant, "only a held grant can be used");
    if (this.#used.size >= this.#limits.usedTicketsMax) {
      this.#forgetUsed(nowMs);
    }
    if (this.#used.size >= this.#limits.usedTicketsMax) {
      return false;
    }
    this.withdrawHeld(grant.sessionId);
    const forgetAtMs = Math.max(grant.exp * 1000, expiresAtMs) + this.#limits.usedTicketMarginMs;
    this.#used.set(grant.ticketHash, { sessionId: grant.sessionId, forgetAtMs });
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
    const ticketHash = this.#hashes.get(sessionId);
    if (ticketHash !== undefined) {
      this.#hashes.delete(sessionId);
      this.#held.delete(ticketHash);
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

  #dropExpired(nowMs: number): void {
    for (const grant of this.#held.values()) {
      if (nowMs >= grant.exp * 1000) {
        this.withdrawHeld(grant.sessionId);
      }
    }
  }

  #dropOldest(): void {
    const oldest = this.#held.values().next().value;
    if (this.#held.size >= this.#limits.grantsMax && oldest !== undefined) {
      this.withdrawHeld(oldest.sessionId);
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
