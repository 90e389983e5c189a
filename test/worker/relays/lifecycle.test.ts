/** What an administrator does with a relay, seen from the API and from the relay's end of its link. */
import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { CONTROL_VERSIONS, type Hello } from "#shared/control/contract.ts";
import { RELAY_CLOCK_SKEW_SECONDS } from "#shared/control/limits.ts";
import { relays } from "../../../worker/repositories/schema/relays.ts";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  makeUser,
  read,
  services,
  type TestUser,
  uniqueName,
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
} from "./test-relay.ts";

const NEWEST: Partial<Hello> = { versions: CONTROL_VERSIONS };

let admin: TestUser;

beforeAll(async () => {
  admin = await makeUser("admin");
});

const ask = async (relay: TestRelay, verb = "", json?: unknown): Promise<Response> =>
  await call(`/relays/${relay.relayId}${verb}`, {
    method: "POST",
    token: admin.token,
    ...(json === undefined ? {} : { json }),
  });

const health = async (relay: TestRelay): Promise<Record<string, unknown>> =>
  await read(await call(`/relays/${relay.relayId}`, { token: admin.token }), 200);

/** Takes the next push and acknowledges it. */
async function takePush(socket: RelaySocket) {
  const message = await socket.next();
  if (message.type !== "push") {
    throw new Error(`expected a push, got ${message.type}`);
  }
  socket.send({ type: "ack", seq: message.seq, refusal: null });
  return message.command;
}

async function makeSite(name = uniqueName("site")): Promise<string> {
  const json = { name };
  const site = await read(await call("/sites", { token: admin.token, json }), 201);
  return String(site["id"]);
}

describe("a relay's name and site", () => {
  it("are changed, with what was before and is now in the audit trail", async () => {
    const relay = await enrolTestRelay();
    const siteId = await makeSite();
    const name = uniqueName("renamed");
    const json = { name, siteId };
    const path = `/relays/${relay.relayId}`;
    const changed = await read(
      await call(path, { method: "PATCH", token: admin.token, json }),
      200,
    );
    expect(changed).toMatchObject({ name, site: { id: siteId }, hostSubject: relay.hostSubject });
    const again = await call(path, { method: "PATCH", token: admin.token, json });
    expect(again.status).toBe(200);
    const records = await auditOf(admin, { relayId: relay.relayId, type: "relay.changed" });
    expect(records).toMatchObject([
      {
        data: {
          before: { name: relay.name, siteId: "sit_default" },
          after: { name, siteId },
        },
      },
    ]);
  });

  it("are refused when they are taken, unlawful or unknown", async () => {
    const [one, other] = [await enrolTestRelay(), await enrolTestRelay()];
    const patch = async (json: unknown): Promise<Response> =>
      await call(`/relays/${one.relayId}`, { method: "PATCH", token: admin.token, json });
    await expectProblem(await patch({ name: other.name }), 409, "resource.conflict");
    const unlawful = await expectProblem(await patch({ name: "A,CN=b" }), 422, "request.invalid");
    expect(fieldsOf(unlawful)).toEqual(["name"]);
    const unknown = await expectProblem(await patch({ siteId: "sit_x" }), 422, "request.invalid");
    expect(fieldsOf(unknown)).toEqual(["siteId"]);
  });

  it("narrow the list, as does its state", async () => {
    const relay = await enrolTestRelay();
    const siteId = await makeSite();
    await call(`/relays/${relay.relayId}`, {
      method: "PATCH",
      token: admin.token,
      json: { siteId },
    });
    const idsOf = async (query: string): Promise<unknown[]> => {
      const page = await read(await call(`/relays?${query}`, { token: admin.token }), 200);
      return (page["items"] as { id: string }[]).map(({ id }) => id);
    };
    expect(await idsOf(`siteId=${siteId}`)).toEqual([relay.relayId]);
    expect(await idsOf(`name=${relay.name}`)).toEqual([relay.relayId]);
    expect(await idsOf(`siteId=${siteId}&state=offline`)).toEqual([relay.relayId]);
    expect(await idsOf(`siteId=${siteId}&state=online`)).toEqual([]);
    const socket = await RelaySocket.link(relay, { draining: true });
    expect(await idsOf(`siteId=${siteId}&state=draining`)).toEqual([relay.relayId]);
    await ask(relay, "/disable");
    await socket.closed;
    expect(await idsOf(`siteId=${siteId}&state=disabled`)).toEqual([relay.relayId]);
  });
});

describe("a drain that is ordered here", () => {
  it("is pushed to the relay, told by its next welcome, and lifted", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay, NEWEST);
    const asked = ask(relay, "/drain", { deadlineS: 600 });
    const command = await takePush(socket);
    const drained = await read(await asked, 200);
    const { endsAt } = drained["drain"] as { endsAt: string };
    expect(command).toEqual({ kind: "drain", order: { endsAtMs: Date.parse(endsAt) } });
    expect(drained).toMatchObject({ serving: false, draining: false, state: "online" });

    const again = await RelaySocket.open(relay);
    again.send({ ...HELLO, ...NEWEST });
    expect(await again.next()).toMatchObject({ drain: { endsAtMs: Date.parse(endsAt) } });

    const resumed = ask(relay, "/resume");
    expect(await takePush(again)).toEqual({ kind: "drain", order: null });
    expect(await read(await resumed, 200)).toMatchObject({ serving: true, drain: null });
    const types = (await auditOf(admin, { relayId: relay.relayId })).map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(["relay.drain-ordered", "relay.drain-lifted"]));
  });

  it("stands for a relay that is away, and has no end when that is asked for", async () => {
    const relay = await enrolTestRelay();
    await read(await ask(relay, "/drain", { deadlineS: null }), 200);
    const socket = await RelaySocket.open(relay);
    socket.send({ ...HELLO, ...NEWEST });
    expect(await socket.next()).toMatchObject({ type: "welcome", drain: { endsAtMs: null } });
    expect(await health(relay)).toMatchObject({ drain: { endsAt: null }, serving: false });
  });
});

describe("a disabled relay", () => {
  it("is told why, loses its link, is refused by name, and links again once enabled", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay, NEWEST);
    await read(await ask(relay, "/disable"), 200);
    expect(await socket.next()).toMatchObject({ type: "refuse", code: "relay.disabled" });
    const { closeCode, reason } = CONTROL_CLOSE.disabled;
    expect(await socket.closed).toEqual({ code: closeCode, reason });
    await expectProblem(await requestLink(await signRelayToken(relay)), 403, "relay.disabled");
    await expect.poll(async () => (await health(relay))["state"]).toBe("offline");
    expect(await health(relay)).toMatchObject({ disabled: true, serving: false });

    await read(await ask(relay, "/enable"), 200);
    const again = await RelaySocket.link(relay, NEWEST);
    expect(await health(relay)).toMatchObject({ disabled: false, serving: true });
    again.close();
  });

  it("is not told by who does not hold its key", async () => {
    const relay = await enrolTestRelay();
    await ask(relay, "/disable");
    const { key } = await makeRelayKey();
    await expectProblem(
      await requestLink(await signRelayToken({ relayId: relay.relayId, key })),
      401,
      "relay.unauthorized",
    );
  });

  it("is refused at its hello when it was disabled behind the connection", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.open(relay);
    const { database } = services();
    await database.update(relays).set({ disabledAtMs: 1 }).where(eq(relays.id, relay.relayId));
    socket.send(HELLO);
    expect(await socket.next()).toMatchObject({ type: "refuse", code: "relay.disabled" });
    expect((await health(relay))["state"]).toBe("offline");
  });

  it("ends its sessions first when that is asked for", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay, NEWEST);
    const asked = ask(relay, "/disable", { endSessions: true });
    expect(await takePush(socket)).toMatchObject({
      kind: "drain",
      order: { endsAtMs: expect.any(Number) },
    });
    await read(await asked, 200);
    expect(await socket.next()).toMatchObject({ type: "refuse", code: "relay.disabled" });
    const [record] = await auditOf(admin, { relayId: relay.relayId, type: "relay.disabled" });
    expect(record).toMatchObject({ data: { endsSessions: true } });
  });
});

describe("a deleted relay", () => {
  it("must not be in service", async () => {
    const relay = await enrolTestRelay();
    const socket = await RelaySocket.link(relay);
    const path = `/relays/${relay.relayId}`;
    const refused = await call(path, { method: "DELETE", token: admin.token });
    await expectProblem(refused, 409, "relay.in-service");
    socket.close();
  });

  it("is void for ever: its key is refused, it is not found, its name is free", async () => {
    const relay = await enrolTestRelay();
    const path = `/relays/${relay.relayId}`;
    const deleted = await call(path, { method: "DELETE", token: admin.token });
    expect(deleted.status).toBe(204);
    await expectProblem(await requestLink(await signRelayToken(relay)), 410, "relay.deleted");
    await expectProblem(await call(path, { token: admin.token }), 404, "resource.not-found");
    await expectProblem(await ask(relay, "/enable"), 404, "resource.not-found");
    const page = await read(await call(`/relays?name=${relay.name}`, { token: admin.token }), 200);
    expect(page["items"]).toEqual([]);
    const token = await read(
      await call("/relays/join-tokens", { method: "POST", token: admin.token }),
      201,
    );
    const { publicKey } = await makeRelayKey();
    const json = {
      joinToken: token["token"],
      name: relay.name,
      host: "relay.example",
      tlsPort: 5900,
      publicKey,
      csr: await makeCsr(),
    };
    expect((await call("/relays/enrol", { json })).status).toBe(201);
    const [record] = await auditOf(admin, { relayId: relay.relayId, type: "relay.deleted" });
    expect(record).toMatchObject({ data: { name: relay.name } });
  });
});

describe("a relay's health", () => {
  const LOAD = { sessions: 3, channels: 30, bytesPerS: 1_000, cpuShare: 0.95, loopDelayMs: 2 };

  it("has its load, its contract, its clock and what its hub knows", async () => {
    const relay = await enrolTestRelay();
    const skewMs = (RELAY_CLOCK_SKEW_SECONDS + 10) * 1000;
    const nowMs = Date.now() - skewMs;
    const socket = await RelaySocket.link(relay, { ...NEWEST, load: LOAD, nowMs });
    const found = await health(relay);
    expect(found).toMatchObject({
      controlVersion: CONTROL_VERSIONS.max,
      load: { level: 9, full: false },
      clockOff: true,
      link: { linked: true, load: LOAD, waiting: 0, heardAt: expect.any(String) },
      lastErrors: [],
    });
    expect(Math.abs(Number(found["clockSkewMs"]) + skewMs)).toBeLessThan(10_000);
    const calm = { ...LOAD, cpuShare: 0.1 };
    socket.send({ type: "load", load: calm });
    await expect.poll(async () => (await health(relay))["link"]).toMatchObject({ load: calm });
    // Too soon after the last one for the database.
    expect(await health(relay)).toMatchObject({ load: { level: 9 } });
    socket.close();
  });

  it("has its last errors, the newest first, and eight of them at most", async () => {
    const relay = await enrolTestRelay();
    for (let count = 0; count < 9; count += 1) {
      const socket = await RelaySocket.open(relay);
      socket.send({ ...HELLO, versions: { min: 7 + count, max: 20 } });
      await socket.closed;
    }
    const errors = async (): Promise<Record<string, unknown>[]> =>
      (await health(relay))["lastErrors"] as Record<string, unknown>[];
    await expect
      .poll(async () => (await errors())[0])
      .toMatchObject({
        code: "relay.version-unsupported",
        detail: expect.stringContaining("speaks 15 to 20"),
      });
    expect(await errors()).toHaveLength(8);
  });
});

describe("join tokens that are bound", () => {
  const make = async (json: unknown): Promise<Record<string, unknown>> =>
    await read(await call("/relays/join-tokens", { token: admin.token, json }), 201);

  async function enrol(joinToken: unknown, name: string): Promise<Response> {
    const { publicKey } = await makeRelayKey();
    const csr = await makeCsr();
    const json = { joinToken, name, host: "relay.example", tlsPort: 5900, publicKey, csr };
    return await call("/relays/enrol", { json });
  }

  it("enrol a relay of that name, into that site", async () => {
    const siteId = await makeSite();
    const name = uniqueName("bound");
    const { token } = await make({ name, siteId, minutes: 1 });
    const other = await enrol(token, uniqueName("other"));
    expect(fieldsOf(await expectProblem(other, 422, "request.invalid"))).toEqual(["name"]);
    const { relayId } = await read(await enrol(token, name), 201);
    const path = `/relays/${String(relayId)}`;
    expect(await read(await call(path, { token: admin.token }), 200)).toMatchObject({
      name,
      site: { id: siteId },
    });
  });

  it("are listed while they are good, and revoked", async () => {
    const name = uniqueName("pending");
    const { id, token } = await make({ name });
    const list = async (): Promise<Record<string, unknown>[]> => {
      const path = "/relays/join-tokens?limit=200";
      const page = await read(await call(path, { token: admin.token }), 200);
      return page["items"] as Record<string, unknown>[];
    };
    expect(await list()).toContainEqual(
      expect.objectContaining({
        id,
        name,
        site: null,
        createdBy: { id: admin.id, username: admin.username },
      }),
    );
    const path = `/relays/join-tokens/${String(id)}`;
    const revoke = async (): Promise<Response> =>
      await call(path, { method: "DELETE", token: admin.token });
    expect((await revoke()).status).toBe(204);
    await expectProblem(await revoke(), 404, "resource.not-found");
    expect((await list()).map((item) => item["id"])).not.toContain(id);
    await expectProblem(await enrol(token, name), 401, "join-token.invalid");
  });

  it.each([{ minutes: 0 }, { minutes: 1_441 }, { name: "A" }, { siteId: "sit_none" }, { x: 1 }])(
    "are refused with %o",
    async (json) => {
      const response = await call("/relays/join-tokens", { token: admin.token, json });
      await expectProblem(response, 422, "request.invalid");
    },
  );
});

describe("people without the right", () => {
  it("change nothing about relays, sites and tokens, and see none", async () => {
    const user = await makeUser("user");
    const relay = await enrolTestRelay();
    const { token } = user;
    const attempts: [string, string][] = [
      ["GET", "/sites"],
      ["GET", "/relays/join-tokens"],
      ["POST", "/sites"],
      ["DELETE", "/sites/sit_default"],
      ["PATCH", `/relays/${relay.relayId}`],
      ["DELETE", `/relays/${relay.relayId}`],
      ...["drain", "resume", "disable", "enable"].map((verb): [string, string] => [
        "POST",
        `/relays/${relay.relayId}/${verb}`,
      ]),
      ["PUT", "/sources/static/site"],
    ];
    for (const [method, path] of attempts) {
      const response = await call(path, {
        method,
        token,
        ...(method === "GET" ? {} : { json: {} }),
      });
      expect([path, response.status]).toEqual([path, 403]);
    }
  });
});
