import { describe, expect, it } from "vitest";
import { type NumberedEvent, type RelayEvent } from "#shared/control/contract.ts";
import { EVENTS_PER_MESSAGE_MAX } from "#shared/control/limits.ts";
import { createConsole } from "../../../worker/services/consoles.ts";
import { storeRelayEvents } from "../../../worker/services/relay-events.ts";
import { pageSessions } from "../../../worker/services/sessions.ts";
import { issueTicket } from "../../../worker/services/tickets.ts";
import { startControlServices } from "../../harness/control-services.ts";
import { listenToDatabase } from "../../harness/heard-statements.ts";

describe("a message of events", () => {
  it("takes a few round trips, however many sessions they are about", async () => {
    await using services = await startControlServices();
    const { context } = services;
    const admin = await services.makeCaller("admin", "admin");
    const relayId = await services.makeRelay("relay");
    const input = { name: "a", host: "10.0.0.5", port: 5900, source: "static" };
    const created = await createConsole(context, admin, input);
    const consoleId = created.ok ? created.value.id : "";
    const events: NumberedEvent[] = [];
    for (let atMs = 1; events.length + 2 <= EVENTS_PER_MESSAGE_MAX; atMs += 1) {
      const issued = await issueTicket(context, admin, consoleId);
      const sessionId = issued.ok ? issued.value.sessionId : "";
      events.push(
        numbered(events, atMs, { type: "session.opened", sessionId, clientAddress: "192.0.2.1" }),
      );
      events.push(
        numbered(events, atMs, {
          type: "session.ended",
          sessionId,
          reason: "client-closed",
          detail: "",
          clientBytes: atMs,
          serverBytes: atMs,
        }),
      );
    }
    using heard = listenToDatabase();
    expect(await storeRelayEvents(context, relayId, "stream", events)).toBe(events.length);
    expect(heard.requests.length).toBeLessThanOrEqual(ROUND_TRIPS_MAX);
    const page = await pageSessions(context, admin, { after: null, limit: events.length });
    const bytes = page.items.map(({ state, clientBytes }) => [state, clientBytes]);
    expect(bytes).toHaveLength(events.length / 2);
    expect(bytes).toEqual(
      expect.arrayContaining([
        ["ended", 1],
        ["ended", events.length / 2],
      ]),
    );
  });
});

function numbered(before: readonly unknown[], atMs: number, event: RelayEvent): NumberedEvent {
  return { seq: before.length + 1, atMs, event };
}

/** Far below what a database at 50 ms needs to miss the hub's deadline for storing. */
const ROUND_TRIPS_MAX = 16;
