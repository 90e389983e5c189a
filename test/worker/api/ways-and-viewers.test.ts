/** Ways in, second viewers and drains, from the API through the real hubs to relays and back. */
// First, as in the Worker: schemas that are made before it has run cannot be described.
import "@hono/zod-openapi";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { hashTicket } from "#shared/ticket/ticket.ts";
import { pseudoHost, sessionLabel } from "#shared/ticket/session-label.ts";
import { parseVvFile } from "#shared/ticket/vv-file.ts";
import {
  auditOf,
  call,
  expectProblem,
  fieldsOf,
  grant,
  makeSite,
  makeUser,
  ORIGIN,
  read,
  type TestUser,
  uniqueName,
} from "./api-client.ts";
import { FakeRelay } from "./fake-relay.ts";

let admin: TestUser;
let user: TestUser;
/** Of this file's relays and consoles. */
let siteId: string;
const joined: FakeRelay[] = [];
/** On this file's consoles. */
const TAG = uniqueName("tag");

beforeAll(async () => {
  admin = await makeUser("admin");
  siteId = (await makeSite(admin)).id;
  user = await makeOpener();
});

/** A user who may open this file's consoles. */
async function makeOpener(): Promise<TestUser> {
  const opener = await makeUser("user");
  await grant(admin, opener, { tag: TAG });
  return opener;
}

afterEach(async () => {
  for (const relay of joined.splice(0)) {
    relay.close();
    await expect.poll(async () => (await relayView(relay))["state"]).toBe("offline");
  }
});

/** A relay with a CONNECT port. */
async function joinRelay(draining = false): Promise<FakeRelay> {
  const host = `${uniqueName("gate")}.example`;
  const advertised = { host, tlsPort: 5901, connectPort: 3128 };
  const relay = await FakeRelay.join(admin, { siteId, advertised, draining });
  joined.push(relay);
  return relay;
}

async function relayView(relay: FakeRelay): Promise<Record<string, unknown>> {
  return await read(await call(`/relays/${relay.id}`, { token: admin.token }), 200);
}

async function makeConsole(policy: object = {}): Promise<string> {
  const json = {
    name: uniqueName("console"),
    host: "10.0.0.5",
    port: 5900,
    policy,
    tags: [TAG],
    siteId,
  };
  const { id } = await read(await call("/consoles", { token: admin.token, json }), 201);
  return String(id);
}

async function ask(consoleId: string, by: TestUser = user, json: object = { way: "connect" }) {
  return await call(`/consoles/${consoleId}/tickets`, { token: by.token, json });
}

async function issue(consoleId: string, by: TestUser = user) {
  const { sessionId, vvUrl } = await read(await ask(consoleId, by), 201);
  return { sessionId: String(sessionId), vvUrl: String(vvUrl) };
}

async function open(relay: FakeRelay, sessionId: string): Promise<void> {
  relay.report({ type: "session.opened", sessionId, clientAddress: "192.0.2.5" });
  const path = `/sessions/${sessionId}`;
  await expect
    .poll(async () => (await read(await call(path, { token: admin.token }), 200))["state"])
    .toBe("active");
}

describe("a ticket by HTTP CONNECT", () => {
  it("gives a console file that goes through the relay's port", async () => {
    const relay = await joinRelay();
    expect(await relayView(relay)).toMatchObject({ connectPort: 3128, draining: false });
    const { vvUrl } = await issue(await makeConsole());
    const text = new TextDecoder().decode(await (await call(vvUrl)).arrayBuffer());
    const file = parseVvFile(text);
    const { password = "", ...fields } = file.ok ? file.value : {};
    const { host } = await relayView(relay);
    expect(fields).toMatchObject({
      host: pseudoHost(await sessionLabel(await hashTicket(password))),
      tlsPort: 5901,
      proxy: `http://${String(host)}:3128`,
    });
  });

  it("is refused without such a relay, and for a way that there is not", async () => {
    const relay = await FakeRelay.join(admin, { siteId });
    joined.push(relay);
    const consoleId = await makeConsole();
    const none = await expectProblem(await ask(consoleId), 503, "console.no-relay");
    expect(none["detail"]).toContain(`1 without a --connect-port (${relay.name})`);
    const unknown = await ask(consoleId, user, { way: "tunnel" });
    expect(fieldsOf(await expectProblem(unknown, 422, "request.invalid"))).toEqual(["way"]);
  });
});

describe("a web console", () => {
  it("gets where to connect and its token from the one-time address, instead of the file", async () => {
    const relay = await joinRelay();
    expect(relay.welcome.webOrigins).toEqual([ORIGIN]);
    const { vvUrl, sessionId } = await issue(await makeConsole());
    const headers = { Accept: "application/json" };
    const response = await call(vvUrl, { headers });
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(response.headers.get("Vary")).toContain("Accept");
    const access = await read(response, 200);
    const { host } = await relayView(relay);
    expect(access).toEqual({
      host,
      port: 5901,
      webSocketUrl: `wss://${String(host)}:5901/console`,
      token: expect.stringMatching(/^kst1_/),
      expiresAt: expect.stringMatching(/Z$/),
    });
    await expectProblem(await call(vvUrl, { headers }), 410, "vv.gone");
    await expectProblem(await call(vvUrl), 410, "vv.gone");
    const trail = await auditOf(admin, { sessionId, type: "ticket.downloaded" });
    expect(trail).toHaveLength(1);
  });

  it.each(["*/*", "application/json, application/x-virt-viewer", "text/html,*/*;q=0.8"])(
    "is not what a program wants that accepts %s",
    async (accept) => {
      await joinRelay();
      const { vvUrl } = await issue(await makeConsole());
      const response = await call(vvUrl, { headers: { Accept: accept } });
      expect(response.headers.get("Content-Type")).toBe("application/x-virt-viewer");
      await response.arrayBuffer();
    },
  );
});

describe("a console that somebody has open", () => {
  it("is refused to the next one with 409, and audited", async () => {
    const relay = await joinRelay();
    const consoleId = await makeConsole();
    const { sessionId } = await issue(consoleId);
    await open(relay, sessionId);
    const other = await makeOpener();
    const refused = await expectProblem(await ask(consoleId, other), 409, "console.in-use");
    expect(refused["detail"]).toMatch(/^Somebody else has it open since [-\d]+T[\d:.]+Z\.$/);
    const own = await expectProblem(await ask(consoleId), 409, "console.in-use");
    expect(own["detail"]).toContain(`kerbside terminate ${sessionId}`);
    const toAdmin = await expectProblem(await ask(consoleId, admin), 409, "console.in-use");
    expect(toAdmin["detail"]).toContain(user.username);
    const trail = await auditOf(admin, { consoleId, type: "ticket.denied" });
    expect(trail).toHaveLength(3);
    expect(trail[0]).toMatchObject({ data: { code: "console.in-use", heldBy: sessionId } });
  });

  it("is taken over by policy: the other relay is told once to end the first session", async () => {
    const relays = [await joinRelay(), await joinRelay()];
    const consoleId = await makeConsole({ secondViewer: "take-over" });
    const { sessionId: first } = await issue(consoleId);
    const [from] = relays.filter(({ pushes }) => pushes.length > 0);
    const [to] = relays.filter((relay) => relay !== from);
    if (from === undefined || to === undefined) {
      throw new Error("one relay has got the grant");
    }
    await open(from, first);
    from.say({ type: "serving", draining: true });
    await expect.poll(async () => (await relayView(from))["draining"]).toBe(true);
    const { sessionId: second } = await issue(consoleId, await makeOpener());
    await open(to, second);
    const orders = () => from.pushes.filter(({ command }) => command.kind === "terminate");
    await expect.poll(() => orders().length).toBe(1);
    expect(orders()[0]?.command).toMatchObject({ sessionId: first, cause: "taken-over" });
    from.report({
      type: "session.ended",
      sessionId: first,
      reason: "taken-over",
      detail: "",
      clientBytes: 1,
      serverBytes: 1,
    });
    const path = `/sessions/${first}`;
    await expect
      .poll(async () => await read(await call(path, { token: user.token }), 200))
      .toMatchObject({ state: "ended", endReason: "taken-over", relay: { id: from.id } });
    const trail = await auditOf(admin, { sessionId: first, type: "session.superseded" });
    expect(trail).toMatchObject([{ relayId: from.id, data: { by: second, cause: "taken-over" } }]);
    expect(orders()).toHaveLength(1);
  });
});

describe("a relay that drains", () => {
  it("gets no tickets from the moment that it says so until it serves again", async () => {
    const relay = await joinRelay();
    const consoleId = await makeConsole();
    relay.say({ type: "serving", draining: true });
    await expect.poll(async () => (await relayView(relay))["draining"]).toBe(true);
    const problem = await expectProblem(await ask(consoleId), 503, "console.no-relay");
    expect(problem["detail"]).toContain(`1 draining (${relay.name})`);
    expect(relay.pushes).toEqual([]);
    relay.say({ type: "serving", draining: false });
    await expect.poll(async () => (await relayView(relay))["draining"]).toBe(false);
    await issue(consoleId);
    const trail = await auditOf(admin, { relayId: relay.id });
    const turns = trail
      .map(({ type }) => type)
      .filter((type) => /draining|serving/.test(String(type)));
    expect(turns).toEqual(["relay.serving", "relay.draining"]);
  });

  it("may say so in its hello", async () => {
    const relay = await joinRelay(true);
    expect(await relayView(relay)).toMatchObject({ state: "online", draining: true });
    await expectProblem(await ask(await makeConsole()), 503, "console.no-relay");
  });
});

describe("what the firewall found", () => {
  it("is told whole in the audit trail", async () => {
    const relay = await joinRelay();
    const { sessionId } = await issue(await makeConsole());
    await open(relay, sessionId);
    const findings = [
      { direction: "client" as const, rule: "size" as const, messageType: 101, count: 3 },
      { direction: "server" as const, rule: "rate" as const, messageType: null, count: 1 },
    ];
    const about = { channel: "inputs" as const, channelId: 0, mode: "observe" as const };
    relay.report({ type: "channel.firewall", sessionId, ...about, findings });
    await expect
      .poll(() => auditOf(admin, { sessionId, type: "channel.firewall" }))
      .toMatchObject([{ data: { ...about, findings } }]);
  });
});
