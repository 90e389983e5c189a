/** What the hypervisor's side can do, and what client and audit trail are told. */
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { beforeAll, describe, expect, it } from "vitest";
import type { Target } from "#shared/ticket/grant.ts";
import {
  type FakeServerOptions,
  type FakeSpiceServer,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import { type RelayFixture, startRelay } from "../../harness/relay/relay-fixture.ts";
import { makeIdentity, type TestIdentity } from "../../harness/relay/test-identity.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

let relayIdentity: TestIdentity;
let serverIdentity: TestIdentity;
let otherIdentity: TestIdentity;

beforeAll(async () => {
  relayIdentity = await makeIdentity();
  serverIdentity = await makeIdentity({
    subject: [
      ["C", "AU"],
      ["O", "Example, Inc"],
      ["CN", "hv1.example.test"],
    ],
  });
  otherIdentity = await makeIdentity({ dnsNames: ["other.example.test"], ipAddresses: [] });
});

async function expectFailure(
  relay: RelayFixture,
  server: FakeSpiceServer | null,
  expected: {
    readonly code: string;
    readonly answer?: string;
    readonly target?: Partial<Target>;
    readonly password?: string;
  },
): Promise<void> {
  const { target = {}, password = "sekret" } = expected;
  const { ticket, sessionId } = await relay.grant(server, { target, password });
  const client = await relay.connect();
  expect(await client.link(ticket)).toBe(expected.answer ?? "ERROR");
  await client.untilClosed();
  expect(relay.events.all).toMatchObject([
    { type: "channel.refused", sessionId, channel: "main", code: expected.code },
    { type: "session.ended", sessionId, reason: "failed", clientBytes: 0, serverBytes: 0 },
  ]);
  expect(relay.events.of("session.ended")[0]?.detail).toContain(expected.code);
  expect(relay.plane.counts()).toMatchObject({ sessions: 0, channels: 0 });
  expect(JSON.stringify(relay.events.all) + relay.logLines.join("")).not.toContain(password);
}

const start = (): Promise<RelayFixture> => startRelay({ identity: relayIdentity });

describe("a server that fails", () => {
  it("is unreachable: nothing listens", async () => {
    await using relay = await start();
    const server = await startFakeServer();
    const { port } = server;
    await server[Symbol.asyncDispose]();
    await expectFailure(relay, null, { code: "server.unreachable", target: { port } });
  });

  it("is unreachable: its name does not resolve", async () => {
    await using relay = await start();
    const target = { host: "no-such-host.invalid", port: 5900 };
    await expectFailure(relay, null, { code: "server.unreachable", target });
  });

  it.each<[string, string, FakeServerOptions, string?]>([
    ["server.needs-secured", "wants TLS", { replyError: 5 }],
    ["server.link-refused", "has no such channel", { replyError: 9 }],
    ["server.link-refused", "answers an unknown error", { replyError: 4711 }],
    ["server.sasl-required", "sends no key", { publicKey: new Uint8Array(162) }],
    ["server.sasl-required", "offers SASL alone", { commonCapabilities: [0x0d] }],
    ["server.malformed", "sends a key that is none", { publicKey: new Uint8Array(162).fill(7) }],
    ["server.ticket-refused", "has another password", { password: "other" }],
    ["server.link-refused", "fails after the ticket", { result: 1 }],
    [
      "server.capability-missing",
      "has no mini headers",
      { commonCapabilities: [0x03] },
      "VERSION_MISMATCH",
    ],
    [
      "server.malformed",
      "is no SPICE server",
      { onConnection: (peer) => peer.send(Buffer.from("SSH-2.0-OpenSSH_9.2p1 Debian\r\n")) },
    ],
    ["server.unreachable", "closes at once", { onConnection: (peer) => peer.destroy() }],
  ])("%s: %s", async (code, _name, options, answer = "ERROR") => {
    await using relay = await start();
    await using server = await startFakeServer(options);
    await expectFailure(relay, server, { code, answer });
  });

  it("is quoted to operators when it is no SPICE server", async () => {
    await using relay = await start();
    await using server = await startFakeServer({
      onConnection: (peer) => peer.send(Buffer.from("SSH-2.0-OpenSSH_9.2p1 Debian\r\n")),
    });
    await expectFailure(relay, server, { code: "server.malformed" });
    const [refused] = relay.events.of("channel.refused");
    expect(refused?.detail).toBe('it is no SPICE server: it began with "SSH-2.0-OpenSSH_"');
  });

  it("server.deadline: accepts and says nothing", async () => {
    await using relay = await startRelay({
      identity: relayIdentity,
      limits: { serverLinkDeadlineMs: 80 },
    });
    await using server = await startFakeServer({ onConnection: () => {} });
    await expectFailure(relay, server, { code: "server.deadline" });
  });

  it("server.deadline: accepts TCP and never answers the TLS handshake", async () => {
    await using relay = await startRelay({
      identity: relayIdentity,
      limits: { serverConnectDeadlineMs: 80 },
    });
    await using server = await startFakeServer({ onConnection: () => {} });
    const target = { port: null, tlsPort: server.port };
    await expectFailure(relay, null, { code: "server.deadline", target });
  });

  it("target.unreadable: the password was sealed for another relay; nothing is dialled", async () => {
    await using relay = await start();
    await using server = await startFakeServer();
    const { ticket } = await relay.grant(server, { sealKey: new Uint8Array(32) });
    const client = await relay.connect();
    expect(await client.link(ticket)).toBe("ERROR");
    expect(relay.events.all).toMatchObject([
      { type: "channel.refused", code: "target.unreadable" },
      { type: "session.ended", reason: "failed" },
    ]);
    expect(server.connectionCount).toBe(0);
  });
});

describe("a server without a password", () => {
  it("is given an empty one", async () => {
    await using relay = await start();
    await using server = await startFakeServer({ password: "" });
    const { ticket } = await relay.grant(server, { password: null });
    const { served } = await relay.open(server, ticket);
    expect(served.password).toBe("");
  });
});

describe("a server behind TLS", () => {
  const tlsTarget = (server: FakeSpiceServer, target: Partial<Target>): Partial<Target> => ({
    port: null,
    tlsPort: server.port,
    ...target,
  });

  it("is reached with its CA as the only anchor and a certificate for its host", async () => {
    await using relay = await start();
    await using server = await startFakeServer({ tls: serverIdentity });
    for (const host of ["127.0.0.1", "localhost"]) {
      const target = tlsTarget(server, { ca: serverIdentity.ca, host });
      const { ticket } = await relay.grant(null, { target });
      const client = await relay.connect();
      expect(await client.link(ticket)).toBe("OK");
    }
  });

  it("is trusted by the public roots only when its target names no CA", async () => {
    await using folder = await makeTempFolder();
    const roots = folder.file("roots.pem");
    writeFileSync(roots, serverIdentity.ca);
    const workerEnvironment = { NODE_EXTRA_CA_CERTS: roots };
    const identity = relayIdentity;
    await using relay = await startRelay({ identity, workers: 1, workerEnvironment });
    await using server = await startFakeServer({ tls: serverIdentity });
    const answers = { OK: null, ERROR: otherIdentity.ca };
    for (const [answer, ca] of Object.entries(answers)) {
      const { ticket } = await relay.grant(null, { target: tlsTarget(server, { ca }) });
      const client = await relay.connect();
      expect(await client.link(ticket)).toBe(answer);
    }
  });

  it("is preferred to a plain port, and never fallen back from", async () => {
    await using relay = await start();
    await using plain = await startFakeServer();
    await using server = await startFakeServer({ tls: serverIdentity });
    const target = tlsTarget(server, { port: plain.port, ca: otherIdentity.ca });
    await expectFailure(relay, null, { code: "server.tls-failed", target });
    expect(plain.connectionCount).toBe(0);
    expect(server.connectionCount).toBe(1);
  });

  it.each<[string, () => Partial<Target>]>([
    ["another CA", () => ({ ca: otherIdentity.ca })],
    ["the public roots when the target names no CA", () => ({ ca: null })],
    [
      "a CA that is no certificate",
      () => ({ ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" }),
    ],
    [
      "another CA although the subject matches",
      () => ({ ca: otherIdentity.ca, hostSubject: "C=AU,O=Example\\, Inc,CN=hv1.example.test" }),
    ],
  ])("server.tls-failed: is not trusted by %s", async (_name, target) => {
    await using relay = await start();
    await using server = await startFakeServer({ tls: serverIdentity });
    const code = "server.tls-failed";
    await expectFailure(relay, null, { code, target: tlsTarget(server, target()) });
  });

  it("server.tls-failed: is not even dialled for an empty CA, which to Node means any", async () => {
    await using relay = await start();
    await using server = await startFakeServer({ tls: serverIdentity });
    const code = "server.tls-failed";
    await expectFailure(relay, null, { code, target: tlsTarget(server, { ca: "" }) });
    expect(server.connectionCount).toBe(0);
  });

  it("server.tls-failed: has a certificate for another host", async () => {
    await using relay = await start();
    await using server = await startFakeServer({ tls: otherIdentity });
    const target = tlsTarget(server, { ca: otherIdentity.ca });
    await expectFailure(relay, null, { code: "server.tls-failed", target });
  });

  it("server.tls-failed: speaks plain SPICE on the TLS port", async () => {
    await using relay = await start();
    await using server = await startFakeServer();
    const target = tlsTarget(server, { ca: serverIdentity.ca });
    await expectFailure(relay, null, { code: "server.tls-failed", target });
  });

  it("is accepted by its subject in the host name's stead", async () => {
    await using relay = await start();
    const identity = await makeIdentity({
      subject: [
        ["C", "AU"],
        ["O", "Example, Inc"],
        ["CN", "hv1.example.test"],
      ],
      dnsNames: ["elsewhere.example.test"],
      ipAddresses: [],
    });
    await using server = await startFakeServer({ tls: identity });
    const hostSubject = "C=AU,O=Example\\, Inc,CN=hv1.example.test";
    const target = tlsTarget(server, { ca: identity.ca, hostSubject });
    const { ticket } = await relay.grant(null, { target });
    await relay.open(server, ticket);
  });

  it.each([
    "C=AU,O=Example\\, Inc,CN=hv2.example.test",
    "O=Example\\, Inc,C=AU,CN=hv1.example.test",
    "CN=hv1.example.test",
    "C=AU,O=Example, Inc,CN=hv1.example.test",
    "",
  ])("server.subject-mismatch: is refused for the subject %j", async (hostSubject) => {
    await using relay = await start();
    await using server = await startFakeServer({ tls: serverIdentity });
    const target = tlsTarget(server, { ca: serverIdentity.ca, hostSubject });
    await expectFailure(relay, null, { code: "server.subject-mismatch", target });
  });
});

describe("the order of the link", () => {
  it("tells the client OK only after the server has let it in", async () => {
    await using relay = await start();
    const gate = Promise.withResolvers<void>();
    const seen: string[] = [];
    await using server = await startFakeServer();
    // A plain forwarder in front of the server, which holds the server's answers back.
    const { connect } = await import("node:net");
    const forwarder = createServer((socket) => {
      const upstream = connect(server.port, "127.0.0.1");
      socket.pipe(upstream);
      socket.on("error", () => {});
      upstream.on("error", () => {});
      void gate.promise.then(() => {
        seen.push("server answers");
        upstream.pipe(socket);
      });
    });
    await new Promise<void>((resolve) => {
      forwarder.listen(0, "127.0.0.1", resolve);
    });
    const { port } = forwarder.address() as { port: number };
    const { ticket } = await relay.grant(null, { target: { port } });
    const client = await relay.connect();
    const result = client.link(ticket).then((answer) => {
      seen.push(`client reads ${String(answer)}`);
    });
    await new Promise<void>((resolve) => {
      forwarder.once("connection", () => setImmediate(resolve));
    });
    gate.resolve();
    await result;
    expect(seen).toEqual(["server answers", "client reads OK"]);
    client.destroy();
    await relay.events.next("session.ended");
    forwarder.close();
  });

  it("gives a dial up when the client leaves meanwhile", async () => {
    await using relay = await start();
    const dialled = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    await using server = await startFakeServer({
      onConnection: (peer) => {
        dialled.resolve();
        void peer.untilClosed().then(left.resolve);
      },
    });
    const { ticket, sessionId } = await relay.grant(server);
    const client = await relay.connect();
    client.sendLink();
    client.sendTicket(await client.readReply(), ticket);
    await dialled.promise;
    client.destroy();
    await left.promise;
    const ended = await relay.events.next("session.ended");
    expect(ended).toMatchObject({ sessionId, reason: "client-closed" });
    expect(relay.events.of("channel.refused")).toMatchObject([{ code: "link.closed" }]);
  });

  it("gives a dial up when the session is terminated meanwhile", async () => {
    await using relay = await start();
    const dialled = Promise.withResolvers<void>();
    await using server = await startFakeServer({ onConnection: () => dialled.resolve() });
    const { ticket, sessionId } = await relay.grant(server);
    const client = await relay.connect();
    client.sendLink();
    client.sendTicket(await client.readReply(), ticket);
    await dialled.promise;
    relay.plane.terminate(sessionId, "by an administrator");
    expect(await client.readResult()).toBe("ERROR");
    expect(relay.events.all).toMatchObject([
      { type: "channel.refused", code: "terminated" },
      { type: "session.ended", reason: "terminated", detail: "by an administrator" },
    ]);
  });
});
