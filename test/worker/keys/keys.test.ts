/** Keys over the API and over a relay's link, on the real platform. */
import "reflect-metadata";
import { X509Certificate } from "@peculiar/x509";
import { describe, expect, it } from "vitest";
import { utf8 } from "#shared/base/bytes.ts";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { keyOfferStatement, type RelayRequest } from "#shared/control/relay-requests.ts";
import {
  auditOf,
  call,
  expectProblem,
  fetchWorker,
  makeUser,
  ORIGIN,
  read,
  services,
} from "../api/api-client.ts";
import {
  enrolTestRelay,
  HELLO,
  makeCsr,
  makeRelayKey,
  RelaySocket,
  requestLink,
  signRelayToken,
  type TestRelay,
} from "../relays/test-relay.ts";

const V2 = { versions: { min: 1, max: 2 } };

async function fetchJwks(): Promise<Response> {
  return await fetchWorker(`${ORIGIN}/.well-known/jwks.json`, {});
}

const listKeys = async (token: string) => {
  const { items } = await read(await call("/signing-keys", { token }), 200);
  return items as { kid: string; state: string; publicKey: string }[];
};

/** Asks over the link; pushes and keys that come meanwhile are nobody's. */
async function ask(socket: RelaySocket, request: RelayRequest) {
  socket.send({ type: "request", requestId: "r1", request });
  for (;;) {
    const message = await socket.next();
    if (message.type === "answer") {
      expect(message.requestId).toBe("r1");
      return message.result;
    }
  }
}

describe("the published keys", () => {
  it("can be kept by whoever fetches them, and hold public halves alone", async () => {
    const response = await fetchJwks();
    expect(response.headers.get("Cache-Control")).toBe("public, max-age=300");
    const { keys } = (await response.json()) as { keys: Record<string, string>[] };
    const admin = await makeUser("admin");
    const inUse = (await listKeys(admin.token)).filter(({ state }) => state !== "retired");
    expect(inUse.map(({ state }) => state).sort()).toEqual(["active", "next"]);
    for (const { kid, publicKey: x } of inUse) {
      const about = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig" };
      expect(keys).toContainEqual({ ...about, kid, x });
    }
  });

  it("are those that a relay is welcomed with", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.open(relay);
    socket.send({ ...HELLO, ...V2 });
    const welcome = await socket.next();
    const { keys } = (await (await fetchJwks()).json()) as { keys: { kid: string }[] };
    expect(welcome).toMatchObject({ type: "welcome", version: 2, renewCertificate: false });
    expect(welcome.type === "welcome" ? welcome.grantKeys.map(({ kid }) => kid) : []).toEqual(
      expect.arrayContaining(keys.map(({ kid }) => kid)),
    );
    socket.close();
  });

  it("are managed by admins alone; a rotation that was planned on another key is none", async () => {
    const user = await makeUser("user");
    for (const [path, method] of [
      ["/signing-keys", "GET"],
      ["/signing-keys/rotate", "POST"],
      ["/relays/rly_none/rotate-ticket-key", "POST"],
      ["/relays/rly_none/keys", "GET"],
      ["/secrets", "GET"],
      ["/secrets/reencrypt", "POST"],
    ] as const) {
      await expectProblem(await call(path, { method, token: user.token }), 403, "auth.forbidden");
    }
    const { token } = await makeUser("admin");
    const before = await listKeys(token);
    const json = { activeKid: "another" };
    const rotated = await call("/signing-keys/rotate", { token, json });
    await expectProblem(rotated, 409, "signing-key.changed");
    const mistyped = await call("/signing-keys/rotate", { token, json: { emergency: "yes" } });
    await expectProblem(mistyped, 422, "request.invalid");
    expect(await listKeys(token)).toEqual(before);
  });
});

describe("a relay's ticket key", () => {
  it("is told to the linked relay at once, with the one before", async () => {
    const admin = await makeUser("admin");
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.open(relay);
    socket.send({ ...HELLO, ...V2 });
    const welcome = await socket.next();
    const path = `/relays/${relay.relayId}/rotate-ticket-key`;
    const answer = await read(await call(path, { method: "POST", token: admin.token }), 200);
    expect(answer).toEqual({ ticketEpoch: 2 });
    const keys = await socket.next();
    if (welcome.type !== "welcome" || keys.type !== "keys") {
      throw new Error(`${welcome.type}, ${keys.type}`);
    }
    const [newest, older] = keys.ticketKeys;
    expect(older).toEqual({ ...welcome.ticketKeys[0], untilMs: expect.any(Number) });
    expect(newest?.keyId).not.toBe(older?.keyId);
    const again = await call(path, { method: "POST", token: admin.token });
    await expectProblem(again, 409, "relay.ticket-key-too-young");
    socket.close();
  });

  it("makes a relay of version 1 connect again, and its welcome has both", async () => {
    const admin = await makeUser("admin");
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const path = `/relays/${relay.relayId}/rotate-ticket-key`;
    await read(await call(path, { method: "POST", token: admin.token }), 200);
    const { closeCode: code, reason } = CONTROL_CLOSE.keysChanged;
    expect(await socket.closed).toEqual({ code, reason });
    const again = await RelaySocket.open(relay);
    again.send(HELLO);
    const welcome = await again.next();
    expect(welcome.type === "welcome" ? welcome.ticketKeys : []).toHaveLength(2);
    again.close();
  });
});

describe("what a relay asks over its link", () => {
  it("gets it a certificate for a key that it has made", async () => {
    const admin = await makeUser("admin");
    const relay = await enrolTestRelay();
    const advertised = { host: "moved.example", tlsPort: 5901 };
    const socket = await RelaySocket.open(relay);
    socket.send({ ...HELLO, ...V2, advertised });
    expect(await socket.next()).toMatchObject({ type: "welcome", renewCertificate: true });
    const renewed = await ask(socket, { kind: "renew-certificate", csr: await makeCsr() });
    if (!renewed.ok || renewed.value.kind !== "certificate") {
      throw new Error(JSON.stringify(renewed));
    }
    expect(renewed.value.hostSubject).toBe(relay.hostSubject);
    const { serialNumber: serial, notAfter } = new X509Certificate(renewed.value.certificate);
    const about = { relayId: relay.relayId, type: "relay.certificate-renewed" };
    expect(await auditOf(admin, about)).toMatchObject([
      { data: { serial, notAfter: notAfter.toISOString() } },
    ]);
    const keys = await read(
      await call(`/relays/${relay.relayId}/keys`, { token: admin.token }),
      200,
    );
    expect(keys["certificate"]).toEqual({
      kind: "issued",
      hostSubject: relay.hostSubject,
      endsAt: notAfter.toISOString(),
    });
    const refused = await ask(socket, { kind: "renew-certificate", csr: "none" });
    expect(refused).toMatchObject({ ok: false, error: { code: "relay.csr-invalid" } });
    socket.close();
  });

  it("changes its key: the new one gets in, the old one does not any more", async () => {
    const admin = await makeUser("admin");
    const relay = await enrolTestRelay();
    const next = await makeRelayKey();
    const socket = await RelaySocket.link(relay, V2);
    const offered = await ask(socket, await offer(relay, next));
    expect(offered).toEqual({ ok: true, value: { kind: "done" } });
    const token = await signRelayToken({ relayId: relay.relayId, key: next.key });
    expect(await ask(socket, { kind: "use-key", token })).toMatchObject({ ok: true });
    const byOld = await requestLink(await signRelayToken(relay));
    await expectProblem(byOld, 401, "relay.unauthorized");
    const reborn = await RelaySocket.link({ ...relay, key: next.key }, V2);
    const types = (await auditOf(admin, { relayId: relay.relayId })).map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(["relay.key-offered", "relay.key-rotated"]));
    reborn.close();
  });
});

async function offer(
  relay: TestRelay,
  next: { readonly key: CryptoKey; readonly publicKey: string },
): Promise<RelayRequest> {
  const { publicKey: oldKey } = await publicHalf(relay.key);
  const about = { audience: ORIGIN, relayId: relay.relayId, oldKey, newKey: next.publicKey };
  const statement = utf8(keyOfferStatement(about));
  const signedBy = async (key: CryptoKey): Promise<string> => {
    const signature = await crypto.subtle.sign("Ed25519", key, statement);
    return btoa(String.fromCharCode(...new Uint8Array(signature)))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");
  };
  return {
    kind: "offer-key",
    publicKey: next.publicKey,
    oldSignature: await signedBy(relay.key),
    newSignature: await signedBy(next.key),
  };
}

async function publicHalf(key: CryptoKey): Promise<{ publicKey: string }> {
  const jwk = (await crypto.subtle.exportKey("jwk", key)) as JsonWebKey;
  return { publicKey: String(jwk.x) };
}

describe("secrets", () => {
  it("are counted by key, and sealed again in batches", async () => {
    const { token } = await makeUser("admin");
    const counted = await read(await call("/secrets", { token }), 200);
    const [{ id }] = services().settings.secretsKeys;
    expect(counted["currentKeyId"]).toBe(id);
    let cursor: unknown = null;
    do {
      const json = cursor === null ? {} : { cursor };
      const batch = await read(await call("/secrets/reencrypt", { token, json }), 200);
      expect(batch).toMatchObject({ reencrypted: expect.any(Number), unreadable: [] });
      cursor = batch["nextCursor"];
    } while (cursor !== null);
    const odd = await call("/secrets/reencrypt", { token, json: { cursor: "odd" } });
    await expectProblem(odd, 422, "request.invalid");
  });

  it("are in no answer that an admin can GET", async () => {
    const { token } = await makeUser("admin");
    const password = "planted-hypervisor-password";
    const json = { name: "planted", host: "10.0.0.5", port: 5900, password };
    const { id: consoleId } = await read(await call("/consoles", { token, json }), 201);
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay, V2);
    const ticket = await call(`/consoles/${String(consoleId)}/tickets`, { method: "POST", token });
    await ticket.text();
    const hook = { url: "https://hooks.example.com/", events: ["relay.online"] };
    const made = await read(await call("/webhooks", { token, json: hook }), 201);
    const stored = await plantedSecrets(password, relay);
    const planted = { ...stored, webhookSecret: String(made["secret"]) };
    const description = await read(await call("/openapi.json"), 200);
    const paths = Object.entries(description["paths"] as Record<string, object>);
    const gets = paths.filter(([, methods]) => "get" in methods).map(([path]) => path);
    expect(gets).toEqual(expect.arrayContaining(["/api/v1/consoles/{id}", "/api/v1/signing-keys"]));
    const webhook = made["webhook"] as { readonly id: string };
    const ids = { consoleId: String(consoleId), relayId: relay.relayId, webhookId: webhook.id };
    for (const path of gets.flatMap((template) => addressesOf(template, ids))) {
      const response = await call(`${ORIGIN}${path}`, { token });
      const text = await textOf(response);
      for (const [name, secret] of Object.entries(planted)) {
        expect([path, name, text.includes(secret)]).toEqual([path, name, false]);
      }
    }
    socket.close();
  });
});

/** What is answered; of what never ends, the first of it. */
async function textOf(response: Response): Promise<string> {
  if (response.headers.get("Content-Type")?.startsWith("text/event-stream") !== true) {
    return await response.text();
  }
  const reader = response.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return new TextDecoder().decode(first?.value);
}

/** What must be in no answer: what was put in, what it became at rest, and what is kept beside it. */
async function plantedSecrets(password: string, relay: TestRelay): Promise<Record<string, string>> {
  const { database, settings } = services();
  const columns = [
    "sealed_password",
    "sealed_private_key",
    "grant_jws",
    "ticket_hash",
    "sealed_secret",
  ];
  const tables = ["consoles", "signing_keys", "tickets", "tickets", "webhooks"];
  const stored: Record<string, string> = {};
  for (const [index, column] of columns.entries()) {
    const rows = await database.all<{ text: string }>(
      `SELECT ${column} AS text FROM ${tables[index]} WHERE ${column} IS NOT NULL LIMIT 1`,
    );
    expect(rows, `${tables[index]}.${column}`).toHaveLength(1);
    stored[column] = rows[0]?.text ?? "";
  }
  const caKey = (settings.caKey ?? "").split("\n")[1] ?? "";
  expect(caKey.length).toBeGreaterThan(40);
  expect(relay.ca).toContain("BEGIN CERTIFICATE");
  return { ...stored, password, caKey, signingKey: settings.grantSigningKey?.d ?? "none" };
}

/** The template with ids of every kind in its places, and bare of them when it has none. */
function addressesOf(template: string, ids: Readonly<Record<string, string>>): string[] {
  return template.includes("{")
    ? Object.values(ids).map((id) => template.replaceAll(/\{[^}]+\}/g, id))
    : [template];
}
