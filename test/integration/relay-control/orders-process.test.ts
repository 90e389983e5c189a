/** What the control plane orders a relay's process: to drain, to deny, to stay away. */
import { describe, expect, it } from "vitest";
import { CONTROL_CLOSE } from "#shared/control/close-codes.ts";
import { CONTROL_VERSIONS, type Welcome } from "#shared/control/contract.ts";
import { errorRow } from "#shared/errors/catalogue.ts";
import { askRelay } from "../../../relay/operator/operator-client.ts";
import { makeControlWithWelcome } from "../../harness/relay/fake-control.ts";
import { startFakeServer } from "../../harness/relay/fake-spice-server.ts";
import { makeTempFolder, type TempFolder } from "../../harness/temp-folder.ts";
import { enrol, RelayProcess } from "./enrolled-relay.ts";
import { startFakeHub } from "./fake-hub.ts";
import {
  connectTo,
  kerbside,
  openSession,
  startLinkedProcess,
  untilEvent,
} from "./session-fixture.ts";

const NEWEST: Partial<Welcome> = { version: CONTROL_VERSIONS.max, drain: null };
const WAIT_MS = 10_000;
const USER = "usr_AAAAAAAAAAAAAAAAAAAAAA";

const statusOf = async (folder: TempFolder) => {
  const status = await askRelay(folder.path, { method: "GET", path: "/status" });
  return status.ok ? status.value : status.error;
};

describe("a relay that the control plane drains", () => {
  it("takes no new session, keeps the living one, and serves again when that is lifted", async () => {
    await using linked = await startLinkedProcess(NEWEST);
    const { control, server, folder, socket, tlsPort } = linked;
    const { client } = await openSession({ socket, control, server, tlsPort });

    const order = { endsAtMs: null };
    socket.send({ type: "push", seq: 2, command: { kind: "drain", order } });
    expect(await socket.until("ack")).toMatchObject({ seq: 2, refusal: null });
    expect(await statusOf(folder)).toMatchObject({
      status: "draining",
      drain: null,
      ordered: order,
      sessions: 1,
    });
    const late = await control.issue({ target: { port: server.port } });
    socket.send({ type: "push", seq: 3, command: { kind: "grant", grant: late.grant } });
    await socket.until("ack");
    const refused = await connectTo(tlsPort);
    expect(await refused.link(late.ticket)).not.toBe("OK");
    const resumed = await kerbside("relay", "resume", "--state-dir", folder.path);
    expect(resumed).toMatchObject({ code: 1 });
    expect(resumed.said).toContain("the control plane drains it too");
    const shown = await kerbside("relay", "status", "--state-dir", folder.path);
    expect(shown.said).toContain("draining: sessions go on, by the control plane");
    expect(shown.said).toContain("linked, contract version 2");

    socket.send({ type: "push", seq: 4, command: { kind: "drain", order: null } });
    await socket.until("ack");
    expect(await statusOf(folder)).toMatchObject({ status: "serving", ordered: null });
    const again = await connectTo(tlsPort);
    expect(await again.link(late.ticket)).toBe("OK");
    client.stream.end();
    again.stream.end();
  });

  it("is told so by each welcome, through restarts, and ends its sessions at the deadline", async () => {
    const { control, welcome } = await makeControlWithWelcome();
    await using server = await startFakeServer();
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    const drain = { endsAtMs: null };
    {
      await using before = new RelayProcess(folder.path);
      const socket = await hub.nextSocket();
      await socket.welcome({ ...welcome, ...NEWEST, drain });
      await socket.storeEvents();
      await before.ready();
      expect(await statusOf(folder)).toMatchObject({ status: "draining", ordered: drain });
    }
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    await socket.welcome({ ...welcome, ...NEWEST });
    await socket.storeEvents();
    const { tlsPort } = await relay.ready();
    expect(await statusOf(folder)).toMatchObject({ status: "serving", ordered: null });
    const { client } = await openSession({ socket, control, server, tlsPort });
    // By the control plane's clock, which need not be the relay's.
    const now = { endsAtMs: 0 };
    socket.send({ type: "push", seq: 2, command: { kind: "drain", order: now } });
    await client.untilClosed();
    expect(await untilEventAfterAck(socket)).toMatchObject({ reason: "relay-drained" });
  });
});

/** The end of the session; the ack of the order comes before it or behind it. */
async function untilEventAfterAck(
  socket: Awaited<ReturnType<Awaited<ReturnType<typeof startFakeHub>>["nextSocket"]>>,
) {
  await socket.until("ack");
  return await untilEvent(socket, "session.ended");
}

describe("a relay that is told of a denial", () => {
  it("ends the living session at once, and takes no grant of before any more", async () => {
    await using linked = await startLinkedProcess(NEWEST);
    const { control, server, folder, socket, tlsPort } = linked;
    const issue = { userId: USER };
    const { client } = await openSession({ socket, control, server, tlsPort, issue });
    const denial = {
      subject: "user" as const,
      id: USER,
      atMs: Date.now() + 1_000,
      untilMs: Date.now() + 600_000,
    };
    socket.send({
      type: "push",
      seq: 2,
      command: { kind: "deny", revision: 5, denials: [denial] },
    });
    await client.untilClosed();
    expect(await untilEventAfterAck(socket)).toMatchObject({ reason: "terminated" });
    const late = await control.issue({ ...issue, target: { port: server.port } });
    socket.send({ type: "push", seq: 3, command: { kind: "grant", grant: late.grant } });
    expect(await socket.until("ack")).toMatchObject({ seq: 3, refusal: "control.denied" });
    expect(await statusOf(folder)).toMatchObject({ denials: { count: 1, revision: 5 } });
  });

  it("by its welcome knows it before any grant, and ends what lived meanwhile", async () => {
    await using linked = await startLinkedProcess(NEWEST);
    const { control, welcome, server, hub, socket: first, tlsPort } = linked;
    const issue = { userId: USER };
    const { client } = await openSession({ socket: first, control, server, tlsPort, issue });
    first.socket.terminate();
    const second = await hub.nextSocket();
    const denial = { subject: "user" as const, id: USER, atMs: Date.now(), untilMs: 1e15 };
    await second.welcome({
      ...welcome,
      ...NEWEST,
      denials: { revision: 9, denials: [denial] },
    });
    await client.untilClosed();
    expect(await untilEvent(second, "session.ended")).toMatchObject({ reason: "terminated" });
  });
});

describe("a relay that is not wanted", () => {
  it("says why in its log and its status", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    await socket.welcome(NEWEST);
    await socket.storeEvents();
    await relay.ready();
    const { closeCode, reason } = CONTROL_CLOSE.disabled;
    const detail = errorRow("relay.disabled").hint;
    socket.send({ type: "refuse", code: reason, detail });
    socket.socket.close(closeCode, reason);
    await expect
      .poll(() => statusOf(folder), { timeout: WAIT_MS })
      .toMatchObject({ linked: false, refusal: { code: reason, detail } });
    const shown = await kerbside("relay", "status", "--state-dir", folder.path);
    expect(shown.said).toContain(`not linked: refused with ${reason}: ${detail}`);
    expect(relay.output).toContain('"msg":"control.refused"');
  });

  it("refuses a control plane that it does not understand, and both are told the ranges", async () => {
    await using folder = await makeTempFolder();
    await using hub = await startFakeHub();
    await enrol(folder.path, hub);
    await using relay = new RelayProcess(folder.path);
    const socket = await hub.nextSocket();
    await socket.welcome({ version: 8, versions: { min: 8, max: 9 } });
    const { min, max } = CONTROL_VERSIONS;
    const sentence = `the relay speaks ${min} to ${max}, the control plane 8 to 9: upgrade the relay`;
    expect(await socket.closed).toEqual({
      code: 1008,
      reason: `relay.version-unsupported: ${sentence}`,
    });
    const shown = await kerbside("relay", "status", "--state-dir", folder.path);
    expect(shown.said).toContain(`not linked: refused with relay.version-unsupported: ${sentence}`);
    await expect.poll(() => relay.output, { timeout: WAIT_MS }).toContain(sentence);
  });
});
