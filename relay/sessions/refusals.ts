/**
 * Refusing, and telling of it: an event for the audit trail, a line for the log, and the answer with
 * the time for which it is withheld. Refused tickets that come in numbers are told in sums.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { fail } from "#shared/base/result.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import type { SessionObserver } from "./observer.ts";
import type { EventSink, Presented, Refusal } from "./ports.ts";
import { RefusalLedger, type RefusalLimits, type RefusalSum } from "./refusal-ledger.ts";

export interface Refused {
  readonly ok: false;
  readonly error: Refusal;
}

export interface RefusalsOptions {
  readonly events: EventSink;
  readonly observer: SessionObserver;
  readonly limits: RefusalLimits;
  readonly nowMs: () => number;
}

/** The registry's way to say no. */
export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #ledger: RefusalLedger;

  constructor(options: RefusalsOptions) {
    this.#options = options;
    this.#ledger = new RefusalLedger(options.limits);
  }

  /** A ticket is not good, or cannot be judged now. */
  ticket(
    presented: Pick<Presented, "channel" | "clientAddress">,
    reason: TicketRefusalReason,
    sessionId: string | null,
  ): Refused {
    const { channel, clientAddress } = presented;
    const refused = { reason, channel, clientAddress, sessionId };
    const { holdMs, told } = this.#ledger.note(refused, this.#options.nowMs());
    this.#tell(told);
    return refuse(`ticket.${reason}`, holdMs);
  }

  /** The ticket is good, but its channel may not or cannot come in. Never withheld. */
  channel(presented: Presented, sessionId: string | null, code: ErrorCode): Refused {
    const { channel, channelId, clientAddress } = presented;
    if (sessionId !== null) {
      const where = { sessionId, channel, channelId, clientAddress };
      this.#options.events.record({ type: "channel.refused", ...where, code, detail: "" });
    }
    this.#options.observer.channelRefused(code, channel, clientAddress);
    return refuse(code);
  }

  /** Tells the sums whose minute is over. */
  sweep(): void {
    this.#tell(this.#ledger.flush(this.#options.nowMs()));
  }

  /** Tells every sum. */
  close(): void {
    this.#tell(this.#ledger.close());
  }

  #tell(sums: readonly RefusalSum[]): void {
    const { events, observer } = this.#options;
    for (const sum of sums) {
      events.record({ type: "ticket.refused", ...sum });
      observer.ticketRefused(sum.reason, sum.channel, sum.clientAddress, sum.count);
    }
  }
}

/** A refusal that leaves no trace but the answer. */
export function refuse(code: ErrorCode, holdMs = 0): Refused {
  return fail({ code, detail: "", holdMs });
}
