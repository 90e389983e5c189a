/**
 * Refusing, and telling of it: an event for the audit trail, a line for the log, and the answer with
 * the time for which it is withheld. Refusals that come in numbers are told in sums.
 */
import type { TicketRefusalReason } from "#shared/audit/events.ts";
import { fail } from "#shared/base/result.ts";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import {
  ChannelRefusalLedger,
  type ChannelRefusalLimits,
  type ChannelRefusalSum,
} from "./channel-refusal-ledger.ts";
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
  readonly limits: RefusalLimits & ChannelRefusalLimits;
  readonly nowMs: () => number;
}

/** The registry's way to say no. */
export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #ledger: RefusalLedger;
  readonly #channels: ChannelRefusalLedger;

  constructor(options: RefusalsOptions) {
    this.#options = options;
    this.#ledger = new RefusalLedger(options.limits);
    this.#channels = new ChannelRefusalLedger(options.limits);
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
      const refused = { sessionId, channel, channelId, clientAddress, code };
      this.#tellChannels(this.#channels.note(refused, this.#options.nowMs()));
    } else {
      this.#options.observer.channelRefused(code, channel, { clientAddress, count: 1 });
    }
    return refuse(code);
  }

  /** Tells the sums whose minute is over. */
  sweep(): void {
    this.#tell(this.#ledger.flush(this.#options.nowMs()));
    this.#tellChannels(this.#channels.flush(this.#options.nowMs()));
  }

  /** Tells every sum. */
  close(): void {
    this.#tell(this.#ledger.close());
    this.#tellChannels(this.#channels.close());
  }

  #tell(sums: readonly RefusalSum[]): void {
    const { events, observer } = this.#options;
    for (const sum of sums) {
      events.record({ type: "ticket.refused", ...sum });
      observer.ticketRefused(sum.reason, sum.channel, sum.clientAddress, sum.count);
    }
  }

  #tellChannels(sums: readonly ChannelRefusalSum[]): void {
    const { events, observer } = this.#options;
    for (const { count, ...refused } of sums) {
      const detail = count === 1 ? "" : `${count} of them within a minute`;
      events.record({ type: "channel.refused", ...refused, detail });
      observer.channelRefused(refused.code, refused.channel, {
        clientAddress: refused.clientAddress,
        count,
      });
    }
  }
}

/** A refusal that leaves no trace but the answer. */
export function refuse(code: ErrorCode, holdMs = 0): Refused {
  return fail({ code, detail: "", holdMs });
}
