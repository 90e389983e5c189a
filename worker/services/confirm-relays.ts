/**
 * The job that asks the hub of every relay that is shown online whether it is. Hubs see to that
 * themselves; this is for one that lost its memory, or whose alarm never came.
 */
import { pageOnlineRelays } from "../repositories/relays.ts";
import type { ServiceContext } from "./context.ts";

export async function confirmRelays({ database, hubs }: ServiceContext): Promise<void> {
  let afterName = "";
  for (;;) {
    const page = await pageOnlineRelays(database, { afterName, limit: RELAYS_AT_ONCE });
    await Promise.all(page.map(async ({ id }) => await hubs.confirmOnline(id)));
    const last = page.at(-1);
    if (last === undefined || page.length < RELAYS_AT_ONCE) {
      return;
    }
    afterName = last.name;
  }
}

/** Hubs that are asked at once. */
const RELAYS_AT_ONCE = 20;
