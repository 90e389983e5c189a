/** Stores what relays report, each event once: in the transaction that also moves the position. */
import { newId } from "#shared/base/ids.ts";
import type { NumberedEvent } from "#shared/control/contract.ts";
import { applyToStream } from "../repositories/relay-streams.ts";
import type { ServiceContext } from "./context.ts";
import { decideRelayEvents, sessionsAliveBy, sessionsNamedBy } from "./relay-event-rules.ts";
import { endYielding, type Yielding } from "./second-viewers.ts";

/** The last event of the stream that is stored afterwards; those up to it are safe to forget. */
export async function storeRelayEvents(
  context: ServiceContext,
  relayId: string,
  stream: string,
  events: readonly NumberedEvent[],
): Promise<number> {
  const batch = {
    relayId,
    stream,
    sessionIds: sessionsNamedBy(events),
    withActive: events.some(({ event }) => event.type === "relay.snapshot"),
    aliveIds: sessionsAliveBy(events),
  };
  let yielding: readonly Yielding[] = [];
  const storedSeq = await applyToStream(context.database, batch, (facts) => {
    const decision = decideRelayEvents({
      relayId,
      events,
      facts,
      nowMs: context.nowMs(),
      newAuditId: () => newId("audit", context.randomBytes),
    });
    yielding = decision.yielding;
    return decision;
  });
  await endYielding(context, yielding);
  return storedSeq;
}
