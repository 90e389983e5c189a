import { describe, it } from "vitest";
import { expireSessions } from "../../../../worker/services/expire-sessions.ts";
import { storeRelayEvents } from "../../../../worker/services/relay-events.ts";
import {
  endSessionsOfLostRelay,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../../../../worker/services/relay-presence.ts";
import { pageRelays, readRelay } from "../../../../worker/services/relays.ts";
import { issueTicket } from "../../../../worker/services/tickets.ts";
import type { ControlServices } from "../../../harness/control-services.ts";
import { expectIndexed, makeConsole } from "./expect-indexed.ts";

describe("what is asked of the database about relays", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(10, async (services, admin) => {
      const relayId = await services.makeRelay("relay");
      const issued = await issueTicket(services.context, admin, await makeConsole(services, admin));
      await useRelay(services, relayId, issued.ok ? issued.value.sessionId : "");
    });
  });
});

async function useRelay(
  services: ControlServices,
  relayId: string,
  sessionId: string,
): Promise<void> {
  const { context } = services;
  await readRelay(context, relayId);
  await pageRelays(context, { afterName: null, limit: 2 });
  await pageRelays(context, { afterName: "a", limit: 2 });
  await welcomeRelay(context, relayId, {
    build: "test",
    channelsMax: 10,
    draining: false,
    enforces: [],
  });
  await markRelayServing(context, relayId, true);
  await storeRelayEvents(context, relayId, "stream", [
    { seq: 1, atMs: 1, event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" } },
    { seq: 2, atMs: 1, event: { type: "relay.snapshot", sessionIds: [sessionId] } },
  ]);
  await expireSessions(context, relayId);
  await markRelayOffline(context, relayId, "lost");
  await endSessionsOfLostRelay(context, relayId);
}
