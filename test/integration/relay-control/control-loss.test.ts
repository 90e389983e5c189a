/** A data plane with its real link, and a hub that falls silent: who ends, and who lives on. */
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ok } from "#shared/base/result.ts";
import type { NumberedEvent } from "#shared/control/contract.ts";
import { ControlLink } from "../../../relay/control/link.ts";
import { Spool } from "../../../relay/control/spool.ts";
import { startDataPlane } from "../../../relay/data-plane.ts";
import { RELAY_ENFORCES } from "../../../relay/sessions/enforcement.ts";
import {
  type FakeControl,
  makeControlWithWelcome,
  RELAY_ID,
} from "../../harness/relay/fake-control.ts";
import { FakeSpiceClient } from "../../harness/relay/fake-spice-client.ts";
import {
  type FakeSpiceServer,
  MAIN_INIT_MESSAGE_BYTES,
  SESSION_ID,
  startFakeServer,
} from "../../harness/relay/fake-spice-server.ts";
import { ManualClock } from "../../harness/relay/manual-clock.ts";
import { makeIdentity } from "../../harness/relay/test-identity.ts";
import { memoryDisk, silentLog } from "../../unit/relay-control/memory-disk.ts";
import { createLog } from "../../../relay/telemetry/log.ts";
import { type FakeHub, startFakeHub } from "./fake-hub.ts";

const strict = { controlLoss: { strict: 30 } };

/** One relay in the test's process, whose sessions and link go by the test's clock. */
async function startLinkedRelay(hub: FakeHub) {
  const { control, welcome } = await makeControlWithWelcome();
  const identity = await makeIdentity();
  const clock = new ManualClock(0);
  const spool = new Spool({
    disk: memoryDisk(),
    relayId: RELAY_ID,
    nowMs: Date.now,
    randomBytes,
    log: silentLog,
  });
  const link = new ControlLink({
    linkUrl: hub.url,
    about: {
      build: "test",
      instanceId: "one",
      channelsMax: 100,
      enforces: [...RELAY_ENFORCES],
    },
    signToken: () => Promise.resolve("token"),
    adopt: () => Promise.resolve(ok(null)),
    adoptKeys: () => Promise.resolve(ok(null)),
    spool,
    log: silentLog,
    nowMs: Date.now,
    chance: () => 0,
    monotonicMs: clock.nowMs,
  });
  const plane = await startDataPlane({
    tls: identity,
    listen: { host: "127.0.0.1", port: 0 },
    healthPort: null,
    events: spool,
    lookup: link,
    contact: link,
    keyRing: control.ring,
    isLinked: () => link.isLinked,
    log: createLog({ level: "silent", stream: { write: () => {} } }),
    nowMs: Date.now,
    steadyMs: clock.nowMs,
    startTimer: clock.startTimer,
    randomBytes,
  });
  link.start({ commands: plane.commands, snapshot: () => plane.snapshot() });
  const socket = await hub.nextSocket();
  const hello = await socket.welcome({ ...welcome });
  await socket.storeEvents();
  return {
    clock,
    control,
    plane,
    welcome,
    socket,
    hello,
    connect: () => FakeSpiceClient.connect(plane.address.port, identity.ca),
    [Symbol.asyncDispose]: async () => {
      await link.close();
      await plane.stop(2_000);
      spool.close();
    },
  };
}

type LinkedRelay = Awaited<ReturnType<typeof startLinkedRelay>>;

/** A linked channel. */
async function open(relay: LinkedRelay, ticket: string, options: object = {}) {
  const client = await relay.connect();
  expect(await client.link(ticket, options)).toBe("OK");
  return client;
}

/** A session that the hub granted. */
async function openSession(
  relay: LinkedRelay,
  server: FakeSpiceServer,
  wish: { readonly seq: number; readonly policy?: Parameters<FakeControl["issue"]>[0] },
) {
  const issued = await relay.control.issue({ ...wish.policy, target: { port: server.port } });
  const command = { kind: "grant", grant: issued.grant } as const;
  relay.socket.send({ type: "push", seq: wish.seq, command });
  expect(await relay.socket.until("ack")).toEqual({ type: "ack", seq: wish.seq, refusal: null });
  const main = await open(relay, issued.ticket);
  await server.nextChannel();
  await main.read(MAIN_INIT_MESSAGE_BYTES);
  return { ...issued, main };
}

describe("a hub that falls silent", () => {
  it("costs the strict session its life, which is told when it is back; the other lives on", async () => {
    await using hub = await startFakeHub();
    await using server = await startFakeServer();
    await using relay = await startLinkedRelay(hub);
    expect(relay.hello.enforces).toEqual(["controlLoss", "notAfter", "usb"]);
    const fragile = await openSession(relay, server, { seq: 1, policy: { policy: strict } });
    const lasting = await openSession(relay, server, { seq: 2 });
    const late = await relay.control.issue({ policy: strict, target: { port: server.port } });
    await relay.plane.commands.apply({ kind: "grant", grant: late.grant });

    relay.clock.advance(29_000);
    expect(relay.plane.snapshot()).toEqual([fragile.sessionId, lasting.sessionId]);
    relay.clock.advance(1_000);
    await fragile.main.untilClosed();
    expect(await (await relay.connect()).link(late.ticket)).toBe("ERROR");
    await open(relay, lasting.ticket, { channel: "display", connectionId: SESSION_ID });
    await server.nextChannel();
    expect(relay.plane.snapshot()).toEqual([lasting.sessionId]);

    relay.socket.socket.terminate();
    const back = await hub.nextSocket();
    await back.welcome({ ...relay.welcome });
    const told: NumberedEvent[] = [];
    while (!told.some(({ event }) => event.type === "session.ended")) {
      told.push(...(await back.storeEvents()).events);
    }
    expect(told.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({
        type: "session.ended",
        sessionId: fragile.sessionId,
        reason: "control-lost",
      }),
    );
    expect(await (await relay.connect()).link(late.ticket)).toBe("OK");
  });
});
