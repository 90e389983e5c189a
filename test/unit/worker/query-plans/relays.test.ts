import { describe, expect, it } from "vitest";
import type { ActingUser } from "../../../../worker/services/context.ts";
import { expireSessions } from "../../../../worker/services/unopened-sessions.ts";
import { storeRelayEvents } from "../../../../worker/services/relay-events.ts";
import {
  deleteRelay,
  disableRelay,
  drainRelay,
  enableRelay,
  patchRelay,
  resumeRelay,
} from "../../../../worker/services/relay-lifecycle.ts";
import {
  auditRelayRefusal,
  endSessionsOfLostRelay,
  markRelayLoad,
  markRelayOffline,
  markRelayServing,
  welcomeRelay,
} from "../../../../worker/services/relay-presence.ts";
import { pageRelays, readRelay, RELAY_STATES } from "../../../../worker/services/relays.ts";
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

  it("is answered through indexes in all of a relay's life", async () => {
    await expectIndexed(15, async (services, admin) => {
      const relayId = await services.makeRelay("relay");
      await issueTicket(services.context, admin, await makeConsole(services, admin));
      await useLists(services);
      await useRelayLife(services, admin, relayId);
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
  await welcomeRelay(context, relayId, {
    build: "test",
    channelsMax: 10,
    draining: false,
    enforces: [],
  });
  await markRelayServing(context, relayId, true);
  const load = { sessions: 1, channels: 2, bytesPerS: 3, cpuShare: 0.4, loopDelayMs: 5 };
  await markRelayLoad(context, relayId, { load, level: { level: 4, full: false } });
  await auditRelayRefusal(context, relayId, { code: "control.malformed", detail: "test" });
  await storeRelayEvents(context, relayId, "stream", [
    { seq: 1, atMs: 1, event: { type: "session.opened", sessionId, clientAddress: "192.0.2.1" } },
    { seq: 2, atMs: 1, event: { type: "relay.snapshot", sessionIds: [sessionId] } },
  ]);
  await expireSessions(context, relayId);
  await markRelayOffline(context, relayId, "lost");
  await endSessionsOfLostRelay(context, relayId);
}

/** Every filter, and second pages. */
async function useLists({ context }: ControlServices): Promise<void> {
  const states = RELAY_STATES.map((state) => ({ state }));
  const filters = [{}, { siteId: "sit_default" }, { name: "relay" }, ...states];
  for (const afterName of [null, "a"]) {
    for (const filter of filters) {
      await pageRelays(context, { filter, afterName, limit: 2 });
    }
  }
}

async function useRelayLife(
  services: ControlServices,
  admin: ActingUser,
  relayId: string,
): Promise<void> {
  const { context } = services;
  await patchRelay(context, admin, {
    id: relayId,
    patch: { name: "other", siteId: "sit_default" },
  });
  await drainRelay(context, admin, { id: relayId, deadlineS: 60 });
  await resumeRelay(context, admin, relayId);
  services.answerPushes(relayId, { code: "relay.version-unsupported", detail: "" });
  await disableRelay(context, admin, { id: relayId, endsSessions: true });
  services.answerPushes(relayId, null);
  await enableRelay(context, admin, relayId);
  const doomed = await services.makeRelay("doomed", { state: "offline" });
  expect(await deleteRelay(context, admin, doomed)).toEqual({ ok: true, value: null });
}
