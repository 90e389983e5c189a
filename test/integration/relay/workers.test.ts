/** Worker processes, real ones: they carry, they crash, they are replaced; nobody else notices. */
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { eventually } from "../../harness/deadline.ts";
import { connectWay, secureWay, WEB_ORIGIN } from "../../harness/relay/client-ways.ts";
import { encodeMessage, startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { type RelayFixture, startRelay } from "../../harness/relay/relay-fixture.ts";

type Session = Awaited<ReturnType<RelayFixture["openSession"]>>;

/** The process that has the newest connection, told by who has one more than before. */
async function openOnWorker(
  relay: RelayFixture,
  open: () => Promise<Session>,
): Promise<{ readonly session: Session; readonly pid: number }> {
  const before = new Map(relay.plane.workers().map((worker) => [worker.pid, worker.connections]));
  const session = await open();
  const grown = relay.plane
    .workers()
    .find(({ pid, connections }) => connections > (before.get(pid) ?? 0));
  if (typeof grown?.pid !== "number") {
    throw new Error("no worker took the connection");
  }
  return { session, pid: grown.pid };
}

async function expectCarried(session: Session): Promise<void> {
  const pong = encodeMessage(3, Buffer.alloc(12, 5));
  session.main.client.send(pong);
  expect(await session.main.served.peer.read(pong.length)).toEqual(pong);
}

async function scrape(relay: RelayFixture): Promise<string> {
  const port = String(relay.plane.healthPort);
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

function workersReady(relay: RelayFixture, count: number): Promise<true> {
  return eventually(`${count} workers`, () =>
    relay.plane.workers().filter(({ isReady }) => isReady).length === count ? true : null,
  );
}

describe("worker processes", () => {
  it("carry the channels of one session, whichever of them each channel came to", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers: 2 });
    const session = await relay.openSession(server);
    const display = await session.join({ channel: "display" });
    const cursor = await session.join({ channel: "cursor" });
    expect(relay.plane.workers().map(({ connections }) => connections)).toEqual(
      expect.arrayContaining([1, 2]),
    );
    expect(relay.plane.counts()).toEqual(
      expect.objectContaining({ sessions: 1, channels: 3, connections: 3 }),
    );
    const draw = encodeMessage(101, Buffer.alloc(12, 7));
    cursor.served.peer.send(draw);
    display.served.peer.send(draw);
    expect(await display.client.read(draw.length)).toEqual(draw);
    expect(await cursor.client.read(draw.length)).toEqual(draw);
    await expectCarried(session);

    for (const { client } of [session.main, display, cursor]) {
      client.stream.end();
    }
    const ended = await relay.events.next("session.ended");
    expect(ended).toMatchObject({ reason: "client-closed", serverBytes: 2 * draw.length + 38 });
    await eventually("an empty relay", () =>
      relay.plane.counts().connections === 0 ? true : null,
    );
  });

  it("refuse a bad ticket with the relay's own judgement", async () => {
    await using relay = await startRelay({ workers: 2 });
    const client = await relay.connect();
    expect(await client.link("not a ticket")).toBe("PERMISSION_DENIED");
    await client.untilClosed();
    expect(relay.events.of("ticket.refused")).toMatchObject([{ reason: "malformed" }]);
  });

  it("outlive a token that is longer than any ticket", async () => {
    await using relay = await startRelay({ workers: 1, webOrigins: [WEB_ORIGIN] });
    const [before] = relay.plane.workers();
    const client = await secureWay(relay, await connectWay(relay, "websocket"));
    const head = [
      `GET /console?token=${"k".repeat(4_000)} HTTP/1.1`,
      `Origin: ${WEB_ORIGIN}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      "Sec-WebSocket-Protocol: binary",
    ];
    client.write(`${head.join("\r\n")}\r\n\r\n`);
    const [answer] = (await once(client, "data")) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 401 /);
    client.destroy();
    expect(relay.plane.workers()[0]?.pid).toBe(before?.pid);
    const bad = await relay.connect();
    expect(await bad.link("not a ticket")).toBe("PERMISSION_DENIED");
    expect(relay.logLines.join("")).not.toContain("worker.lost");
  });

  it("name a foreign web origin in the log, and not without an end", async () => {
    await using relay = await startRelay({ workers: 1, webOrigins: [WEB_ORIGIN] });
    const head = [
      "GET /console?token=k HTTP/1.1",
      "Origin: https://other.example",
      "Upgrade: websocket",
      "Sec-WebSocket-Protocol: binary",
    ];
    for (let count = 0; count < 12; count += 1) {
      const client = await secureWay(relay, await connectWay(relay, "websocket"));
      client.write(`${head.join("\r\n")}\r\n\r\n`);
      const [answer] = (await once(client, "data")) as [Buffer];
      expect(String(answer)).toMatch(/^HTTP\/1\.1 403 /);
      client.destroy();
    }
    const lines = await eventually("the log", () => {
      const told = relay.logLines.filter((line) => line.includes("link.origin-refused"));
      return told.length === 12 ? told : null;
    });
    expect(lines[0]).toContain("https://other.example is not an origin of the relay: --web-origin");
    expect(lines.filter((line) => line.includes('"level":"info"'))).toHaveLength(10);
  });

  it("end a terminated session in under a second", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers: 2 });
    const session = await relay.openSession(server);
    const display = await session.join({ channel: "display" });
    const beganMs = performance.now();
    relay.plane.terminate(session.issued.sessionId, "enough");
    await relay.events.next("session.ended");
    await Promise.all([session.main.client.untilClosed(), display.client.untilClosed()]);
    expect(performance.now() - beganMs).toBeLessThan(1_000);
    expect(relay.events.of("session.ended")).toMatchObject([{ reason: "terminated" }]);
  });

  it("are summed up in one scrape, and a lost one's counts stay", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers: 2 });
    const first = await openOnWorker(relay, () => relay.openSession(server));
    const second = await openOnWorker(relay, () => relay.openSession(server));
    expect(second.pid).not.toBe(first.pid);
    const linked = 'kerbside_relay_links_total{code="linked",way="tls"} 2';
    const text = await scrape(relay);
    expect(text).toContain(linked);
    expect(text).toContain("kerbside_relay_workers 2");
    expect(text).toContain('kerbside_relay_forwarded_bytes_total{from="server"} 76');
    process.kill(first.pid, "SIGKILL");
    await relay.events.next("session.ended");
    await workersReady(relay, 2);
    const later = await scrape(relay);
    expect(later).toContain(linked);
    expect(later).toContain('kerbside_relay_workers_lost_total{cause="crashed"} 1');
  });
});

describe("a worker that is killed", () => {
  it("takes its own channels, whose end is told, and is replaced", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers: 2 });
    const doomed = await openOnWorker(relay, () => relay.openSession(server));
    const other = await openOnWorker(relay, () => relay.openSession(server));
    expect(other.pid).not.toBe(doomed.pid);

    process.kill(doomed.pid, "SIGKILL");
    const ended = await relay.events.next("session.ended");
    expect(ended).toMatchObject({
      sessionId: doomed.session.issued.sessionId,
      reason: "relay-fault",
    });
    expect(relay.events.of("channel.closed")).toMatchObject([{ reason: "relay.worker-lost" }]);
    await doomed.session.main.client.untilClosed();
    await expectCarried(other.session);
    expect(relay.plane.counts()).toMatchObject({ sessions: 1, channels: 1, connections: 1 });

    await workersReady(relay, 2);
    expect(relay.plane.workers().map(({ pid }) => pid)).not.toContain(doomed.pid);
    const again = await relay.openSession(server);
    await expectCarried(again);
    await expectCarried(other.session);
    const lines = relay.logLines.map((line) => JSON.parse(line) as { msg: string });
    expect(lines.filter(({ msg }) => msg === "worker.lost")).toHaveLength(1);
  });

  it("ends a session whose main channel it carried, with the channels on other workers", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers: 2, limits: { mainGraceMs: 50 } });
    const { session, pid } = await openOnWorker(relay, () => relay.openSession(server));
    const display = await session.join({ channel: "display" });
    process.kill(pid, "SIGKILL");
    await relay.events.next("session.ended");
    await display.client.untilClosed();
    expect(relay.events.of("channel.closed")).toHaveLength(2);
    expect(relay.plane.counts()).toMatchObject({ sessions: 0, channels: 0 });
  });

  it("is one that hangs, too", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers: 2, limits: { workerBeatIntervalMs: 30 } });
    const hung = await openOnWorker(relay, () => relay.openSession(server));
    const other = await openOnWorker(relay, () => relay.openSession(server));
    process.kill(hung.pid, "SIGSTOP");
    expect(await relay.events.next("session.ended")).toMatchObject({
      sessionId: hung.session.issued.sessionId,
      reason: "relay-fault",
    });
    await workersReady(relay, 2);
    await expectCarried(other.session);
    expect(await scrape(relay)).toContain('kerbside_relay_workers_lost_total{cause="silent"} 1');
  });

  it("leaves connections to its successor when it was the only one", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers: 1 });
    const [only] = relay.plane.workers();
    process.kill(only?.pid ?? 0, "SIGKILL");
    await eventually("no worker", () =>
      relay.plane.workers().every(({ isReady }) => !isReady) ? true : null,
    );
    await expectCarried(await relay.openSession(server));
  });
});

describe("stopping with workers", () => {
  it("ends the sessions, told so, and leaves no process", async () => {
    await using server = await startFakeServer();
    await using relay = await startRelay({ workers: 2 });
    const session = await relay.openSession(server);
    const pids = relay.plane.workers().map(({ pid }) => pid ?? 0);
    const closed = session.main.client.untilClosed();
    await relay.plane.stop(2_000);
    await closed;
    expect(relay.events.of("session.ended")).toMatchObject([{ reason: "relay-stopped" }]);
    for (const pid of pids) {
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    }
  });

  it("uses a new certificate in every worker for the handshakes to come", async () => {
    await using relay = await startRelay({ workers: 2 });
    const bad = { cert: relay.identity.cert, key: "no key" };
    expect(() => relay.plane.replaceIdentity(bad)).toThrow();
    relay.plane.replaceIdentity({ cert: relay.identity.cert, key: relay.identity.key });
    await relay.connect();
    await relay.connect();
  });
});
