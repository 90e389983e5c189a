/** The TLS port itself: versions, renegotiation, another certificate. */
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { expect, it } from "vitest";
import { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import { startRelay } from "../../harness/relay/relay-fixture.ts";
import { makeIdentity } from "../../harness/relay/test-identity.ts";

async function handshake(socket: TLSSocket): Promise<TLSSocket> {
  await once(socket, "secureConnect");
  return socket;
}

it("speaks TLS 1.2 and 1.3, and nothing older", async () => {
  await using relay = await startRelay();
  const { port } = relay.plane.address;
  const base = { host: "127.0.0.1", port, ca: relay.identity.ca };
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const versions = { minVersion: version, maxVersion: version };
    const socket = await handshake(connect({ ...base, ...versions }));
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
  }
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" } as const;
  await expect(handshake(connect({ ...base, ...old }))).rejects.toThrow();
});

it("does not renegotiate", async () => {
  await using relay = await startRelay();
  const { port } = relay.plane.address;
  const socket = await handshake(
    connect({ host: "127.0.0.1", port, ca: relay.identity.ca, maxVersion: "TLSv1.2" }),
  );
  socket.on("error", () => {});
  const error = await new Promise<Error | null>((resolve) => {
    socket.once("close", () => {
      resolve(new Error("closed"));
    });
    socket.renegotiate({}, resolve);
  });
  expect(error).toBeInstanceOf(Error);
  socket.destroy();
});

it("uses a new certificate for new connections and lets the old ones live", async () => {
  await using relay = await startRelay();
  const before = await relay.connect();
  const renewed = await makeIdentity();
  relay.plane.replaceIdentity(renewed);
  const { port } = relay.plane.address;
  const after = await FakeSpiceClient.connect(port, renewed.ca);
  for (const client of [before, after]) {
    client.sendLink();
    expect((await client.readReply()).error).toBe(0);
  }
  await expect(FakeSpiceClient.connect(port, relay.identity.ca)).rejects.toThrow();
  expect(() => relay.plane.replaceIdentity({ ...renewed, key: relay.identity.key })).toThrow();
  after.destroy();
});

it("refuses to start with a certificate that does not fit its key", async () => {
  const [one, two] = await Promise.all([makeIdentity(), makeIdentity()]);
  await expect(startRelay({ identity: { ...one, key: two.key } })).rejects.toThrow();
});
