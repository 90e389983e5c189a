/**
 * Keys and certificates change while everything runs: control plane and relay as processes, a worker
 * process that carries, sessions that live. Nobody in a session notices, and no ticket fails.
 */
import { readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createClient } from "@libsql/client/web";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import { askRelay } from "../../../relay/operator/operator-client.ts";
import type { RelayStatus } from "../../../relay/operator/relay-status.ts";
import { startLibsqlServer } from "../../../worker/dev/libsql/server.ts";
import { eventually } from "../../harness/deadline.ts";
import { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import {
  encodeMessage,
  type FakeSpiceServer,
  MAIN_INIT_MESSAGE_BYTES,
  type ServedChannel,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import type { IssuedTicket } from "../../harness/control-client.ts";
import { TestStack } from "../../harness/stack.ts";

const PASSWORD = "hypervisor-secret";
let stack: TestStack;
let server: FakeSpiceServer;

beforeAll(async () => {
  stack = await TestStack.start({ relayArguments: ["--workers", "1"] });
  server = await startFakeServer({ password: PASSWORD });
}, 60_000);

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
});

let consoles = 0;

/** A ticket for a console of its own, and what its console file says. */
async function askForTicket() {
  consoles += 1;
  const target = { port: server.port, password: PASSWORD };
  const ticket = await stack.requestTicket(await stack.createConsole(`c${consoles}`, target));
  return { ticket, vv: await fetchFile(ticket) };
}

async function fetchFile(ticket: IssuedTicket) {
  const parsed = parseVvFile(await readFile(await stack.downloadVv(ticket), "utf8"));
  if (!parsed.ok) {
    throw new Error(JSON.stringify(parsed.error));
  }
  return parsed.value;
}

type Access = Awaited<ReturnType<typeof askForTicket>>;

/** A session of that ticket: the client's end and the server's. */
async function open({ vv }: Access): Promise<Session> {
  const client = await FakeSpiceClient.connect(vv.tlsPort, vv.ca);
  const result = await client.link(vv.password);
  expect(`${result} ${result === "OK" ? "" : stack.relay.output.slice(-2_000)}`.trim()).toBe("OK");
  const served = await server.nextChannel();
  await client.read(MAIN_INIT_MESSAGE_BYTES);
  return { client, served };
}

interface Session {
  readonly client: FakeSpiceClient;
  readonly served: ServedChannel;
}

/** Bytes still pass, both ways. */
async function expectAlive({ client, served }: Session): Promise<void> {
  const pong = encodeMessage(3, Buffer.alloc(12, 9));
  client.send(pong);
  expect(await served.peer.read(pong.length)).toEqual(pong);
  const ping = encodeMessage(4, Buffer.alloc(12, 7));
  served.peer.send(ping);
  expect(await client.read(ping.length)).toEqual(ping);
}

const serialOf = ({ client }: Pick<Session, "client">): string =>
  (client.stream as TLSSocket).getPeerCertificate().serialNumber;

async function status(): Promise<RelayStatus> {
  const asked = await askRelay(stack.state.relayFolder, { method: "GET", path: "/status" });
  if (!asked.ok) {
    throw new Error(asked.error);
  }
  return asked.value;
}

/** Changes the control plane's database behind its back. */
async function runSql(sql: string): Promise<void> {
  const database = await startLibsqlServer({
    ...{ file: stack.state.databaseFile, host: "127.0.0.1", port: 0, authToken: "test" },
  });
  const client = createClient({ url: database.url, authToken: "test" });
  await client.execute(sql);
  client.close();
  await database.close();
}

const keysSchema = z.object({
  items: z.array(z.object({ kid: z.string(), state: z.enum(["next", "active", "retired"]) })),
});

async function kids(): Promise<Record<string, string>> {
  const { items } = keysSchema.parse((await stack.call("GET", "/signing-keys")).json);
  return Object.fromEntries(items.toReversed().map(({ kid, state }) => [state, kid]));
}

/** As if the next key had been published long ago. */
const ageNextKey = () => runSql("UPDATE signing_keys SET created_at_ms = created_at_ms - 3600000");

describe("the key that signs grants", () => {
  it("is rotated while tickets are asked for and used; each of them opens its console", async () => {
    const before = await kids();
    await ageNextKey();
    const living = await open(await askForTicket());
    const waiting = await askForTicket();
    let rotated = false;
    let opened = 0;
    const visitors = [1, 2].map(async () => {
      for (let after = 0; after < 2; after += rotated ? 1 : 0) {
        const session = await open(await askForTicket());
        await expectAlive(session);
        session.client.destroy();
        opened += 1;
      }
    });
    await eventually("visitors", () => (opened > 1 ? true : null));
    expect((await stack.call("POST", "/signing-keys/rotate")).status).toBe(200);
    rotated = true;
    await Promise.all(visitors);
    expect(await kids()).toMatchObject({ active: before["next"], retired: before["active"] });
    await expectAlive(await open(waiting));
    await expectAlive(living);
    const refusals = await stack.audit({ type: "ticket.refused" });
    expect(refusals).toEqual([]);
  });

  it("is replaced in an emergency: tickets that are out are void, sessions live on", async () => {
    const living = await open(await askForTicket());
    const out = await askForTicket();
    const answer = await stack.call("POST", "/signing-keys/rotate", { emergency: true });
    expect(answer.status).toBe(200);
    const client = await FakeSpiceClient.connect(out.vv.tlsPort, out.vv.ca);
    expect(await client.link(out.vv.password)).toBe("PERMISSION_DENIED");
    client.destroy();
    await expectAlive(await open(await askForTicket()));
    await expectAlive(living);
  });
});

describe("the relay's ticket key", () => {
  it("is rotated: tickets and sealed passwords of before are good, and so are those after", async () => {
    const living = await open(await askForTicket());
    const out = await askForTicket();
    const path = `/relays/${stack.relayId}/rotate-ticket-key`;
    expect((await stack.call("POST", path)).json).toEqual({ ticketEpoch: 2 });
    await expectAlive(await open(out));
    await expectAlive(await open(await askForTicket()));
    await expectAlive(living);
  });
});

describe("the relay's certificate", () => {
  it("is renewed over the link; living sessions keep theirs, and console files of before open", async () => {
    const living = await open(await askForTicket());
    const out = await askForTicket();
    const { certificate } = await status();
    await stack.control.stop();
    await runSql("UPDATE relays SET certificate_ends_at_ms = NULL");
    await stack.control.start();
    await stack.auditEvent({ relayId: stack.relayId, type: "relay.certificate-renewed" });
    const renewed = await eventually("another certificate", async () => {
      const now = (await status()).certificate;
      return now !== null && now.endsAtMs !== certificate?.endsAtMs ? now : null;
    });
    expect(renewed).toMatchObject({ kind: "issued", problem: null });
    const late = await open(out);
    expect(serialOf(late)).not.toBe(serialOf(living));
    await expectAlive(living);
    await expectAlive(late);
    const metrics = await scrape();
    expect(metrics).toContain(
      'kerbside_relay_upkeep_total{what="certificate-renewal",outcome="done"} 1',
    );
    const end = `kerbside_relay_certificate_end_seconds ${renewed.endsAtMs / 1000}`;
    expect(metrics).toContain(end);
  });

  it("that was renewed is shown again by the next process", async () => {
    const { certificate } = await status();
    await stack.relay.stop();
    await stack.relay.start();
    expect((await status()).certificate).toEqual(certificate);
    await expectAlive(await open(await askForTicket()));
  });
});

describe("the relay's own key", () => {
  it("is changed by command; sessions and the link live on, and the next process gets in", async () => {
    const living = await open(await askForTicket());
    const file = `${stack.state.relayFolder}/identity-key.pem`;
    const before = readFileSync(file, "utf8");
    const { fingerprint } = await status();
    const offline = await stack.audit({ relayId: stack.relayId, type: "relay.offline" });
    const asked = await askRelay(stack.state.relayFolder, { method: "POST", path: "/rotate-key" });
    expect(asked).toMatchObject({
      ok: true,
      value: { fingerprint: expect.stringMatching(/^SHA256:/) },
    });
    const rotated = await stack.auditEvent({ relayId: stack.relayId, type: "relay.key-rotated" });
    const to = (await status()).fingerprint;
    expect(rotated.data).toEqual({ from: fingerprint, to });
    expect(readFileSync(file, "utf8")).not.toBe(before);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const view = await stack.call("GET", `/relays/${stack.relayId}/keys`);
    expect(view.json).toMatchObject({ fingerprint: to, nextFingerprint: null });
    await expectAlive(living);
    const after = await stack.audit({ relayId: stack.relayId, type: "relay.offline" });
    expect(after).toEqual(offline);
    await stack.relay.stop();
    await stack.relay.start();
    expect(await stack.relayState()).toBe("online");
    await expectAlive(await open(await askForTicket()));
  });
});

async function scrape(): Promise<string> {
  const port = (await status()).ports?.health ?? 0;
  return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}
