import "reflect-metadata";
import {
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Name,
  SubjectAlternativeNameExtension,
  X509Certificate,
} from "@peculiar/x509";
import { describe, expect, it } from "vitest";
import { RELAY_CLOCK_SKEW_SECONDS, RELAY_TOKEN_SECONDS } from "#shared/control/limits.ts";
import { permissionsOf } from "../../../worker/identity/permissions.ts";
import { issueJoinToken, JOIN_TOKEN_TTL_MS } from "../../../worker/services/join-tokens.ts";
import {
  auditOf,
  call,
  env,
  expectProblem,
  fieldsOf,
  makeUser,
  read,
  services,
  uniqueName,
} from "../api/api-client.ts";
import {
  enrolTestRelay,
  makeCsr,
  makeJoinToken,
  makeRelayKey,
  requestLink,
  signRelayToken,
} from "./test-relay.ts";

async function enrolment(changes: Record<string, unknown> = {}) {
  const { publicKey } = await makeRelayKey();
  const name = uniqueName("relay");
  return {
    joinToken: await makeJoinToken(),
    name,
    host: "relay.example",
    tlsPort: 5900,
    publicKey,
    csr: await makeCsr(),
    ...changes,
  };
}

const enrol = async (json: unknown): Promise<Response> => await call("/relays/enrol", { json });

describe("join tokens", () => {
  it("are made by admins alone", async () => {
    const user = await makeUser("user");
    const asUser = await call("/relays/join-tokens", { method: "POST", token: user.token });
    await expectProblem(asUser, 403, "auth.forbidden");
    await expectProblem(
      await call("/relays/join-tokens", { method: "POST" }),
      401,
      "auth.required",
    );
  });

  it("are in the audit trail with who made them and until when, and never themselves", async () => {
    const admin = await makeUser("admin");
    const made = await call("/relays/join-tokens", { method: "POST", token: admin.token });
    const { token, expiresAt } = await read(made, 201);
    const [record] = await auditOf(admin, { type: "join-token.created", actorId: admin.id });
    expect(record).toMatchObject({
      type: "join-token.created",
      actor: { kind: "user", id: admin.id },
      requestId: made.headers.get("X-Request-Id"),
      data: { expiresAt },
    });
    expect(JSON.stringify(record)).not.toContain(token);
  });

  it("enrol one relay, also when two come at once", async () => {
    const json = await enrolment();
    const answers = await Promise.all([enrol(json), enrol({ ...json, name: uniqueName("relay") })]);
    expect(answers.map(({ status }) => status)).toEqual(expect.arrayContaining([201, 401]));
    await expectProblem(
      await enrol({ ...json, name: uniqueName("relay") }),
      401,
      "join-token.invalid",
    );
  });

  it("are refused when they are unknown, malformed or expired", async () => {
    const unknown = `kjt1_${"A".repeat(43)}`;
    const admin = await makeUser("admin");
    const caller = {
      actorKind: "user" as const,
      actorId: admin.id,
      permissions: permissionsOf("admin"),
      address: null,
      requestId: null,
    };
    const past = { ...services(), nowMs: () => Date.now() - JOIN_TOKEN_TTL_MS };
    const issued = await issueJoinToken(past, caller);
    const expired = issued.ok ? issued.value.joinToken : "";
    for (const joinToken of [unknown, "secret", expired]) {
      const response = await enrol(await enrolment({ joinToken }));
      await expectProblem(response, 401, "join-token.invalid");
    }
  });
});

describe("enrolment", () => {
  it("signs a certificate with our subject, the relay's address and server use only", async () => {
    const { csr, ...json } = await enrolment();
    const answer = await read(await enrol({ ...json, csr }), 201);
    const certificate = new X509Certificate(String(answer["certificate"]));
    const ca = new X509Certificate(env.CA_CERTIFICATE);
    expect(answer["ca"]).toBe(env.CA_CERTIFICATE);
    expect(await certificate.verify({ publicKey: ca.publicKey })).toBe(true);
    expect(certificate.issuer).toBe(ca.subject);
    expect(new Name(certificate.subjectName.toJSON()).toJSON()).toEqual([
      { O: ["Kerbside"] },
      { CN: [json.name] },
    ]);
    expect(answer["hostSubject"]).toBe(`O=Kerbside,CN=${json.name}`);
    const names = certificate.getExtension(SubjectAlternativeNameExtension);
    expect(names?.names.toJSON()).toEqual([{ type: "dns", value: "relay.example" }]);
    const usages = certificate.getExtension(ExtendedKeyUsageExtension)?.usages;
    expect(usages).toEqual([ExtendedKeyUsage.serverAuth]);
    expect(certificate.notBefore.getTime()).toBeLessThan(Date.now());
    expect(certificate.notAfter.getTime()).toBeLessThanOrEqual(ca.notAfter.getTime());
  });

  it.each(["192.0.2.7", "2001:db8::7", "fd00::1:2:3"])(
    "names the address %s as an address",
    async (host) => {
      const answer = await read(await enrol(await enrolment({ host })), 201);
      const certificate = new X509Certificate(String(answer["certificate"]));
      const names = certificate.getExtension(SubjectAlternativeNameExtension);
      expect(names?.names.toJSON()).toEqual([{ type: "ip", value: host }]);
    },
  );

  it("takes an RSA key of 2048 bits", async () => {
    const csr = await makeCsr(rsa(2048));
    expect((await enrol(await enrolment({ csr }))).status).toBe(201);
  });

  it("refuses a weak key, a foreign signature and what is no request", async () => {
    const weak = await makeCsr(rsa(1024));
    const p384 = await makeCsr({ name: "ECDSA", namedCurve: "P-384" });
    const json = await enrolment();
    for (const csr of [weak, p384, tamper(json.csr), "-----BEGIN NOTHING-----", ""]) {
      await expectProblem(await enrol({ ...json, csr }), 422, "relay.csr-invalid");
    }
    // A refusal costs no token.
    expect((await enrol(json)).status).toBe(201);
  });

  it.each([
    ["name", "a,CN=b"],
    ["name", "Relay"],
    ["name", "-relay"],
    ["host", "relay.example\nca=evil"],
    ["host", ""],
    ["host", "999.1.1.1"],
    ["host", "1.2.3"],
    ["host", "::::"],
    ["host", "::ffff:192.0.2.7"],
    ["host", "12:34"],
    ["host", "relay..example"],
    ["tlsPort", 0],
    ["publicKey", "short"],
  ])("refuses the %s %j and names the field", async (field, value) => {
    const problem = await expectProblem(
      await enrol(await enrolment({ [field]: value })),
      422,
      "request.invalid",
    );
    expect(fieldsOf(problem)).toEqual([field]);
  });

  it("refuses a name that is taken, and leaves the token good", async () => {
    const first = await enrolTestRelay();
    const json = await enrolment({ name: first.name });
    await expectProblem(await enrol(json), 409, "resource.conflict");
    expect((await enrol({ ...json, name: uniqueName("relay") })).status).toBe(201);
  });

  it("is listed, readable and in the audit trail, for admins alone", async () => {
    const relay = await enrolTestRelay();
    const admin = await makeUser("admin");
    const user = await makeUser("user");
    const path = `/relays/${relay.relayId}`;
    expect(await read(await call(path, { token: admin.token }), 200)).toMatchObject({
      id: relay.relayId,
      name: relay.name,
      state: "offline",
      tlsPort: 5900,
      hostSubject: relay.hostSubject,
      lastSeenAt: null,
    });
    await expectProblem(await call(path, { token: user.token }), 403, "auth.forbidden");
    await expectProblem(
      await call("/relays/rly_none", { token: admin.token }),
      404,
      "resource.not-found",
    );
    const [enrolled] = await auditOf(admin, { relayId: relay.relayId });
    expect(JSON.stringify(enrolled)).toContain("relay.enrolled");
  });

  it("shows every relay once, over pages", async () => {
    const relays = [await enrolTestRelay(), await enrolTestRelay()];
    const admin = await makeUser("admin");
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const query = cursor === null ? "" : `&cursor=${cursor}`;
      const page = await read(await call(`/relays?limit=1${query}`, { token: admin.token }), 200);
      seen.push(...(page["items"] as { id: string }[]).map(({ id }) => id));
      cursor = page["nextCursor"] as string | null;
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(relays.map(({ relayId }) => relayId)));
  });
});

describe("the link's address", () => {
  it("takes the relay's own token, within the clocks' skew", async () => {
    const relay = await enrolTestRelay();
    const iat = Math.floor(Date.now() / 1000) + RELAY_CLOCK_SKEW_SECONDS - 5;
    const response = await requestLink(await signRelayToken(relay, { iat }));
    expect(response.status).toBe(101);
    expect(response.headers.get("Sec-WebSocket-Protocol")).toBe("kerbside-relay");
    response.webSocket?.accept();
    response.webSocket?.close();
  });

  it("refuses tokens that are foreign, old, long-lived or for somebody else", async () => {
    const relay = await enrolTestRelay();
    const other = await makeRelayKey();
    const nowS = Math.floor(Date.now() / 1000);
    const tokens = [
      "",
      "nonsense",
      await signRelayToken({ relayId: relay.relayId, key: other.key }),
      await signRelayToken({ relayId: "rly_AAAAAAAAAAAAAAAAAAAAAA", key: relay.key }),
      await signRelayToken(relay, { aud: "https://other.example" }),
      await signRelayToken(relay, {
        iat: nowS - RELAY_TOKEN_SECONDS - RELAY_CLOCK_SKEW_SECONDS - 2,
      }),
      await signRelayToken(relay, { iat: nowS + RELAY_CLOCK_SKEW_SECONDS + 60 }),
      await signRelayToken(relay, { lifeS: RELAY_TOKEN_SECONDS + 1 }),
    ];
    for (const token of tokens) {
      await expectProblem(await requestLink(token), 401, "relay.unauthorized");
    }
  });

  it("refuses other subprotocols and plain requests", async () => {
    const relay = await enrolTestRelay();
    const token = await signRelayToken(relay);
    await expectProblem(await requestLink(token, "chat"), 422, "request.invalid");
    await expectProblem(await call("/relays/link", { token }), 422, "request.invalid");
  });
});

function rsa(modulusLength: number): SubtleCryptoGenerateKeyAlgorithm {
  return {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256",
  };
}

/** Changes a character in the middle of the request's base64, which is in its key. */
function tamper(pem: string): string {
  const lines = pem.split("\n");
  const middle = Math.floor(lines.length / 2);
  const line = lines[middle] ?? "";
  lines[middle] = (line.startsWith("A") ? "B" : "A") + line.slice(1);
  return lines.join("\n");
}
