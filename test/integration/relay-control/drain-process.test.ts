/** Draining a relay's process: by its operator, and by signals. */
import { describe, expect, it } from "vitest";
import { askRelay } from "../../../relay/operator/operator-client.ts";
import { makeControlWithWelcome } from "../../harness/relay/fake-control.ts";
import { encodeMessage, startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { enrol, RelayProcess } from "./enrolled-relay.ts";
import { startFakeHub } from "./fake-hub.ts";
import { kerbside, openSession, startLinkedProcess, untilEvent } from "./session-fixture.ts";

describe("a relay that its operator drains", () => {
  it("tells the hub at once and with each hello, until it is resumed", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    expect(await socket.welcome()).toMatchObject({ draining: false });
    await socket.storeEvents();
    await relay.ready();

    const dir = ["--state-dir", folder.path];
    expect(await kerbside("relay", "drain", ...dir)).toMatchObject({ code: 0 });
    expect(await socket.until("serving")).toEqual({ type: "serving", draining: true });
    const status = await askRelay(folder.path, { method: "GET", path: "/status" });
    expect(status).toMatchObject({
      value: {
        status: "draining",
        drain: { endsAtMs: expect.any(Number), isEnding: false },
        ports: { tls: expect.any(Number), plain: null },
        linked: true,
        sessions: 0,
      },
    });

    socket.socket.terminate();
    const again = await hub.nextSocket();
    expect(await again.welcome()).toMatchObject({ draining: true });
    await again.storeEvents();
    expect(await kerbside("relay", "resume", ...dir)).toMatchObject({ code: 0 });
    expect(await again.next("serving")).toEqual({ type: "serving", draining: false });
  });
});

describe("a relay with a living session", () => {
  it("lets it go on after SIGTERM, and exits when it has ended", async () => {
    await using linked = await startLinkedProcess();
    const { control, server, relay, socket, tlsPort } = linked;
    const { client, served } = await openSession({ socket, control, server, tlsPort });
    relay.child.kill("SIGTERM");
    expect(await socket.until("serving")).toEqual({ type: "serving", draining: true });
    const pong = encodeMessage(3, Buffer.alloc(12, 9));
    client.send(pong);
    expect(await served.peer.read(pong.length)).toEqual(pong);
    client.stream.end();
    expect(await untilEvent(socket, "session.ended")).toMatchObject({ reason: "client-closed" });
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });

  it("lets it go on although its operator would resume it", async () => {
    await using linked = await startLinkedProcess();
    const { control, server, folder, relay, socket, tlsPort } = linked;
    const { client, served } = await openSession({ socket, control, server, tlsPort });
    relay.child.kill("SIGTERM");
    await socket.until("serving");
    const status = await askRelay(folder.path, { method: "GET", path: "/status" });
    expect(status).toMatchObject({ value: { drain: { isEnding: true } } });
    const resumed = await kerbside("relay", "resume", "--state-dir", folder.path);
    expect(resumed).toMatchObject({ code: 1 });
    expect(resumed.said).toContain("The relay is stopping");
    const pong = encodeMessage(3, Buffer.alloc(12, 9));
    client.send(pong);
    expect(await served.peer.read(pong.length)).toEqual(pong);
    client.stream.end();
    expect(await untilEvent(socket, "session.ended")).toMatchObject({ reason: "client-closed" });
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });

  it("ends it with relay-drained when the deadline has passed", async () => {
    const { control, welcome } = await makeControlWithWelcome();
    await using server = await startFakeServer();
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path, ["--drain-seconds", "1"]);
    const socket = await hub.nextSocket();
    await socket.welcome(welcome);
    await socket.storeEvents();
    const { tlsPort } = await relay.ready();
    const { client } = await openSession({ socket, control, server, tlsPort });
    relay.child.kill("SIGTERM");
    await socket.until("serving");
    await client.untilClosed();
    expect(await untilEvent(socket, "session.ended")).toMatchObject({ reason: "relay-drained" });
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });

  it("ends it at once at a second signal", async () => {
    const { control, welcome } = await makeControlWithWelcome();
    await using server = await startFakeServer();
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path, ["--drain-seconds", "600"]);
    const socket = await hub.nextSocket();
    await socket.welcome(welcome);
    await socket.storeEvents();
    const { tlsPort } = await relay.ready();
    const { client } = await openSession({ socket, control, server, tlsPort });
    relay.child.kill("SIGTERM");
    await socket.until("serving");
    // Of another kind: of the same kind so soon it would be the first one, forwarded.
    relay.child.kill("SIGINT");
    await client.untilClosed();
    expect(await untilEvent(socket, "session.ended")).toMatchObject({ reason: "relay-stopped" });
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });

  it("lets it go on when one signal arrives twice", async () => {
    await using linked = await startLinkedProcess();
    const { control, server, folder, relay, socket, tlsPort } = linked;
    const { client, served } = await openSession({ socket, control, server, tlsPort });
    relay.child.kill("SIGINT");
    await socket.until("serving");
    relay.child.kill("SIGINT");
    const status = await askRelay(folder.path, { method: "GET", path: "/status" });
    expect(status).toMatchObject({ value: { status: "draining", sessions: 1 } });
    const pong = encodeMessage(3, Buffer.alloc(12, 9));
    client.send(pong);
    expect(await served.peer.read(pong.length)).toEqual(pong);
    client.stream.end();
    expect(await untilEvent(socket, "session.ended")).toMatchObject({ reason: "client-closed" });
    expect(await relay.exit()).toEqual({ code: 0, signal: null });
  });
});
