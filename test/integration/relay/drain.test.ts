/** Draining: nobody new comes in, whoever is in goes on until the deadline, and it can be undone. */
import { describe, expect, it } from "vitest";
import { encodeMessage, startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { startRelay } from "../../harness/relay/relay-fixture.ts";

/** In one process, and over worker processes: the same behaviour. */
describe.each([0, 2])("a draining relay with %i workers", (workers) => {
  it("refuses new sessions, lets living ones go on and open channels, and is empty after", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers });
    const session = await relay.openSession(server);
    const granted = await relay.grant(server);
    const drained = relay.plane.drain(60_000);
    expect(relay.plane.isDraining).toBe(true);
    const health = await fetch(`http://127.0.0.1:${String(relay.plane.healthPort)}/healthz`);
    expect(await health.json()).toMatchObject({ status: "draining", sessions: 1 });

    const late = await relay.connect();
    expect(await late.link(granted.ticket)).toBe("ERROR");
    const display = await session.join({ channel: "display" });
    const pong = encodeMessage(3, Buffer.alloc(12, 9));
    display.client.send(pong);
    expect(await display.served.peer.read(pong.length)).toEqual(pong);

    session.main.client.stream.end();
    display.client.stream.end();
    await drained;
    expect(relay.events.of("session.ended")).toMatchObject([{ reason: "client-closed" }]);
  });

  it("ends living sessions at the deadline, told why", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers });
    const session = await relay.openSession(server);
    await relay.plane.drain(50);
    await session.main.client.untilClosed();
    expect(relay.events.of("session.ended")).toMatchObject([{ reason: "relay-drained" }]);
  });

  it("takes sessions again when it is resumed", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers });
    const session = await relay.openSession(server);
    const drained = relay.plane.drain(60_000);
    relay.plane.resume();
    await drained;
    expect(relay.plane.isDraining).toBe(false);
    await relay.openSession(server);
    expect(relay.plane.counts().sessions).toBe(2);
    expect(relay.plane.snapshot()).toContain(session.issued.sessionId);
  });
});
