/** Relays that the database shows online, and what their hubs say. */
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { relays } from "../../../worker/repositories/schema/relays.ts";
import { confirmRelays } from "../../../worker/services/confirm-relays.ts";
import { services } from "../api/api-client.ts";
import { auditTypes, relayState } from "../hub/hub-fixture.ts";
import { enrolTestRelay, RelaySocket } from "../relays/test-relay.ts";

describe("the job that confirms relays", () => {
  it("shows a relay offline whose hub knows of no link, and leaves one alone that is linked", async () => {
    const forgotten = await enrolTestRelay();
    const linked = await enrolTestRelay();
    const socket = await RelaySocket.link(linked);
    const { database } = services();
    await database.update(relays).set({ state: "online" }).where(eq(relays.id, forgotten.relayId));
    await confirmRelays(services());
    await confirmRelays(services());
    expect(await relayState(forgotten.relayId)).toBe("offline");
    expect(await relayState(linked.relayId)).toBe("online");
    const told = await auditTypes(forgotten.relayId);
    expect(told.filter((type) => type === "relay.offline")).toHaveLength(1);
    socket.close();
  });
});
