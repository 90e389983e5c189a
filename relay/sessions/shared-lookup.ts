/**
 * Asks the control plane for grants, one question for a ticket however many clients present it at
 * once, a bounded number of questions in all, and none without a deadline.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { fail, type Result } from "#shared/base/result.ts";
import type { GrantLookup } from "./ports.ts";

type Answer = Result<string, TicketRefusalReason>;

/** Wraps the port; a port that fails, hangs or is crowded out answers "unverifiable". */
export class SharedLookup {
  readonly #port: GrantLookup;
  readonly #limits: { readonly lookupsOpenMax: number; readonly lookupDeadlineMs: number };
  readonly #open = new Map<string, Promise<Answer>>();

  constructor(
    port: GrantLookup,
    limits: { readonly lookupsOpenMax: number; readonly lookupDeadlineMs: number },
  ) {
    this.#port = port;
    this.#limits = limits;
  }

  /** The grant's JWS, or why there is none. */
  async find(ticketHash: string): Promise<Answer> {
    const open = this.#open.get(ticketHash);
    if (open !== undefined) {
      return open;
    }
    if (this.#open.size >= this.#limits.lookupsOpenMax) {
      return fail("unverifiable");
    }
    const asked = this.#ask(ticketHash).finally(() => {
      this.#open.delete(ticketHash);
    });
    this.#open.set(ticketHash, asked);
    return asked;
  }

  async #ask(ticketHash: string): Promise<Answer> {
    const deadline = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => {
      deadline.resolve(fail("unverifiable"));
    }, this.#limits.lookupDeadlineMs);
    try {
      return await Promise.race([this.#port.lookup(ticketHash), deadline.promise]);
    } catch {
      return fail("unverifiable");
    } finally {
      clearTimeout(timer);
    }
  }
}
