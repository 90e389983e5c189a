/** An event sink that remembers, and lets a test wait for what is still to come. */
import type { RelayEvent } from "#shared/control/contract.ts";
import { relayEventSchema } from "#shared/control/contract.ts";
import type { EventSink } from "../../../relay/sessions/ports.ts";
import { withDeadline } from "../deadline.ts";

type EventOf<Type extends RelayEvent["type"]> = Extract<RelayEvent, { type: Type }>;

interface Waiter {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
}

/** Also checks that each event fits the contract. */
export class RecordedEvents implements EventSink {
  readonly all: RelayEvent[] = [];
  #waiters: Waiter[] = [];

  record(event: RelayEvent): void {
    this.all.push(relayEventSchema.parse(event));
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.isMet()) {
        waiter.resolve();
        return false;
      }
      return true;
    });
  }

  of<Type extends RelayEvent["type"]>(type: Type): EventOf<Type>[] {
    return this.all.filter((event): event is EventOf<Type> => event.type === type);
  }

  types(): string[] {
    return this.all.map((event) => event.type);
  }

  /** The `count`-th event of that type, now or soon. */
  async next<Type extends RelayEvent["type"]>(type: Type, count = 1): Promise<EventOf<Type>> {
    const isMet = (): boolean => this.of(type).length >= count;
    if (!isMet()) {
      const met = new Promise<void>((resolve) => {
        this.#waiters.push({ isMet, resolve });
      });
      await withDeadline(met, 8_000, () => `event ${type} #${count}; had ${this.types().join()}`);
    }
    const event = this.of(type)[count - 1];
    if (event === undefined) {
      throw new Error("unreachable");
    }
    return event;
  }
}
