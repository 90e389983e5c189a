/** The data plane end to end over loopback: what a good client and a good server see. */
import { describe, expect, it } from "vitest";
import {
  encodeMessage,
  SESSION_ID,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import { startRelay } from "../../harness/relay/relay-fixture.ts";

describe("a session through the relay", () => {
  it("keeps what a hasty client sends before it is told OK", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const { ticket } = await relay.grant(server);
    const client = await relay.connect();
    client.sendLink();
    client.sendTicket(await client.readReply(), ticket);
    const pong = encodeMessage(3, Buffer.alloc(12, 9));
    client.send(pong);
    const { peer } = await server.nextChannel();
    expect(await peer.read(pong.length)).toEqual(pong);
    expect(await client.readResult()).toBe("OK");
  });

  it("links main and a later channel, carries bytes both ways and accounts for them", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay();
    const session = await relay.openSession(server);
    const display = await session.join({ channel: "display", channelCapabilities: [0x1234] });
    expect(display.served.link).toMatchObject({ connectionId: SESSION_ID, channelId: 0 });
    expect(display.served.link.channelCapabilities).toEqual([0x1234]);
    expect(display.served.password).toBe("sekret");

    const draw = encodeMessage(101, Buffer.alloc(12, 7));
    display.served.peer.send(draw);
    expect(await display.client.read(draw.length)).toEqual(draw);
    const pong = encodeMessage(3, Buffer.alloc(12, 9));
    display.client.send(pong);
    expect(await display.served.peer.read(pong.length)).toEqual(pong);

    session.main.client.stream.end();
    display.client.stream.end();
    const ended = await relay.events.next("session.ended");
    expect(ended).toMatchObject({
      sessionId: session.issued.sessionId,
      reason: "client-closed",
      clientBytes: pong.length,
      serverBytes: draw.length + 38,
    });
    expect(relay.events.types().slice(0, 3)).toEqual([
      "session.opened",
      "channel.opened",
      "channel.opened",
    ]);
    expect(relay.events.types().at(-1)).toBe("session.ended");
    expect(relay.events.of("channel.closed")).toHaveLength(2);
    expect(relay.plane.counts()).toMatchObject({ sessions: 0, channels: 0 });
  });
});
