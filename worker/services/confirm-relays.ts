/**
 * The job that asks the hub of every relay that is shown online whether it is. Hubs see to that
 * themselves; this is for one that lost its memory, or whose alarm never came.
 */
import type { ServiceContext } from "./context.ts";
import { eachOnlineRelay } from "./online-relays.ts";

export async function confirmRelays(context: ServiceContext): Promise<void> {
  await eachOnlineRelay(context, async (relayId) => await context.hubs.confirmOnline(relayId));
}
