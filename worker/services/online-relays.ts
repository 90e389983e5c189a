/** Goes through the relays that are shown online, for what all of them are told or asked. */
import { pageOnlineRelays } from "../repositories/relays.ts";
import type { ServiceContext } from "./context.ts";

/** Does the work for each of them, for a few at once. */
export async function eachOnlineRelay(
  { database }: Pick<ServiceContext, "database">,
  work: (relayId: string) => Promise<unknown>,
): Promise<void> {
  let afterName = "";
  for (;;) {
    const page = await pageOnlineRelays(database, { afterName, limit: RELAYS_AT_ONCE });
    await Promise.all(page.map(async ({ id }) => await work(id)));
    const last = page.at(-1);
    if (last === undefined || page.length < RELAYS_AT_ONCE) {
      return;
    }
    afterName = last.name;
  }
}

/** Questions to hubs at once, so that a hundred relays are asked within a second or two. */
const RELAYS_AT_ONCE = 20;
