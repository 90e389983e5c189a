/**
 * The job that asks the hub of every relay that is shown online whether it is. Hubs see to that
 * themselves; this is for one that lost its memory, or whose alarm never came.
 */
import { pageOnlineRelays } from "../repositories/relays.ts";
import type { ServiceContext } from "./context.ts";

export async function confirmRelays({ database, hubs }: ServiceContext): Promise<void> {
  let afterId = "";
  for (;;) {
    const ids = await pageOnlineRelays(database, { afterId, limit: RELAYS_AT_ONCE });
    await Promise.all(ids.map(async (id) => await hubs.confirmOnline(id)));
    const last = ids.at(-1);
    if (last === undefined || ids.length < RELAYS_AT_ONCE) {
      return;
    }
    afterId = last;
  }
}

/** Hubs that are asked at once. */
const RELAYS_AT_ONCE = 20;
