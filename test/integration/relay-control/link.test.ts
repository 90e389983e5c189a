/** The control link over real sockets, against a hub that a test speaks for. */
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { ok, type Result } from "#shared/base/result.ts";
import { type Command, CONTROL_SUBPROTOCOL, CONTROL_VERSIONS } from "#shared/control/contract.ts";
import { CONTROL_MESSAGE_BYTES_MAX } from "#shared/control/limits.ts";
import { ControlLink } from "../../../relay/control/link.ts";
import { signRelayToken } from "../../../relay/control/relay-token.ts";
import { Spool } from "../../../relay/control/spool.ts";
import { openSpoolDisk, type SpoolDisk } from "../../../relay/control/spool-disk.ts";
import { withDeadline } from "../../harness/deadline.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { countingBytes, keepingLog, memoryDisk } from "../../unit/relay-control/memory-disk.ts";
import { startFakeHub, WELCOME } from "./fake-hub.ts";

const KEYS = generateKeyPairSync("ed25519");
const RELAY_ID = "rly_AAAAAAAAAAAAAAAAAAAAAA";
const AUDIENCE = "https://kerbside.test";
const HASH = "h".repeat(43);

/** A link with a spool, a command handler that notes what it is given, and no wait to reconnect. */
class TestRelay implements AsyncDisposable {
  readonly log = keepingLog();
  readonly commands: Command[] = [];
  sessionIds: string[] = [];
  refusal: { code: "control.grant-invalid"; detail: string } | null = null;
  adopt = (_isPresent: () => boolean): Promise<Result<null, string>> => Promise.resolve(ok(null));
  readonly spool: Spool;
  readonly link: ControlLink;

  constructor(linkUrl: string, disk: SpoolDisk = memoryDisk()) {
    const { log } = this;
    const randomBytes = countingBytes();
    this.spool = new Spool({
      disk,
      relayId: RELAY_ID,
      nowMs: Date.now,
      randomBytes,
      log,
    });
    const identity = { relayId: RELAY_ID, controlUrl: AUDIENCE, identityKey: KEYS.privateKey };
    this.link = new ControlLink({
      linkUrl,
      about: { build: "test", instanceId: "instance-1", channelsMax: 5, enforces: ["usb"] },
      signToken: () => signRelayToken(identity, Date.now(), randomBytes),
      adopt: (_welcome, isPresent) => this.adopt(isPresent),
      adoptKeys: () => this.adopt(() => true),
      spool: this.spool,
      log,
      nowMs: Date.now,
      chance: () => 0,
    });
    this.link.start({
      commands: {
        apply: (command) => {
          this.commands.push(command);
          return Promise.resolve(this.refusal);
        },
      },
      snapshot: () => this.sessionIds,
    });
  }

  opened(id: number): void {
    this.spool.record({ type: "session.opened", sessionId: `ses_${id}`, clientAddress: "" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link.close();
    this.spool.close();
  }
}

const terminate = (sessionId: string): Command => ({
  kind: "terminate",
  sessionId,
  reason: "test",
  cause: "terminated",
});

describe("the control link", () => {
  it("proves who it is, greets, and reports its sessions after the welcome", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    relay.sessionIds = ["ses_a"];
    const socket = await hub.nextSocket();
    expect(socket.socket.protocol).toBe(CONTROL_SUBPROTOCOL);
    const token = socket.request.headers.authorization?.replace("Bearer ", "") ?? "";
    const { payload, protectedHeader } = await jwtVerify(token, KEYS.publicKey, {
      audience: AUDIENCE,
      issuer: RELAY_ID,
      subject: RELAY_ID,
      typ: "kerbside-relay+jwt",
    });
    expect(protectedHeader).toMatchObject({ alg: "EdDSA", kid: RELAY_ID });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
    expect(payload.jti).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(await socket.welcome()).toEqual({
      type: "hello",
      versions: CONTROL_VERSIONS,
      nowMs: expect.any(Number),
      build: "test",
      instanceId: "instance-1",
      epoch: null,
      appliedSeq: 0,
      channelsMax: 5,
      draining: false,
      enforces: ["usb"],
    });
    const { events } = await socket.storeEvents();
    expect(events.map(({ event }) => event)).toEqual([
      { type: "relay.snapshot", sessionIds: ["ses_a"] },
    ]);
    expect(relay.link.isLinked).toBe(true);
  });

  it("delivers the backlog before the snapshot, in messages of at most 64, each after an ack", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    for (let id = 1; id <= 100; id += 1) {
      relay.opened(id);
    }
    const socket = await hub.nextSocket();
    await socket.welcome();
    const first = await socket.next("events");
    expect(first.events.map(({ seq }) => seq)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
    relay.opened(101);
    socket.send({ type: "events-ack", stream: first.stream, seq: 64 });
    const second = await socket.storeEvents();
    const types = second.events.map(({ event }) => event.type);
    expect(types.indexOf("relay.snapshot")).toBe(36);
    expect(types).toHaveLength(38);
    expect(await relay.link.flush(5_000)).toBe(true);
  });

  it("sends again after a loss only what was not stored, and applies no push twice", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const first = await hub.nextSocket();
    await first.welcome();
    await first.storeEvents();
    first.send({ type: "push", seq: 3, command: terminate("ses_a") });
    expect(await first.next("ack")).toEqual({ type: "ack", seq: 3, refusal: null });
    relay.opened(1);
    const lost = await first.next("events");
    relay.opened(2);
    first.socket.terminate();
    const second = await hub.nextSocket();
    // The hub has stored the first of them; its ack was lost.
    const hello = await second.welcome({ stream: lost.stream, storedSeq: 2 });
    expect(hello).toMatchObject({ epoch: "epoch-a", appliedSeq: 3 });
    const again = await second.storeEvents();
    expect(again.stream).toBe(lost.stream);
    expect(again.events.map(({ event }) => event.type)).toEqual([
      "session.opened",
      "relay.snapshot",
    ]);
    second.send({ type: "push", seq: 3, command: terminate("ses_a") });
    second.send({ type: "push", seq: 4, command: terminate("ses_b") });
    expect((await second.next("ack")).seq).toBe(3);
    expect((await second.next("ack")).seq).toBe(4);
    expect(relay.commands).toEqual([terminate("ses_a"), terminate("ses_b")]);
  });

  it("comes back when the control plane was down and starts again", async () => {
    let hub = await startFakeHub();
    const { port, url } = hub;
    await using relay = new TestRelay(url);
    const first = await hub.nextSocket();
    await first.welcome();
    await first.storeEvents();
    await hub[Symbol.asyncDispose]();
    relay.opened(1);
    hub = await startFakeHub({ port });
    await using restarted = hub;
    const second = await restarted.nextSocket();
    await second.welcome({ epoch: "epoch-b" });
    const { events } = await second.storeEvents();
    expect(events.map(({ event }) => event.type)).toEqual(["session.opened", "relay.snapshot"]);
  });

  it("delivers after a restart of the process what a torn spool still holds, and nothing twice", async () => {
    await using folder = await makeTempFolder();
    const path = folder.file("spool.ndjson");
    await using hub = await startFakeHub();
    const killed = new TestRelay(hub.url, openSpoolDisk(path));
    const first = await hub.nextSocket();
    await first.welcome();
    const { stream } = await first.storeEvents();
    killed.opened(1);
    const stored = await first.next("events");
    killed.opened(2);
    await killed.link.close();
    const disk = openSpoolDisk(path);
    disk.append('{"seq":4,"atMs":1,"event":{"type":"sess');
    disk.close();
    await using relay = new TestRelay(hub.url, openSpoolDisk(path));
    expect(relay.log.names()).toContain("spool.torn-line-dropped");
    const second = await hub.nextSocket();
    const hello = await second.welcome({ stream, storedSeq: stored.events.at(-1)?.seq ?? 0 });
    expect(hello).toMatchObject({ epoch: null, appliedSeq: 0 });
    const rest = await second.storeEvents();
    expect(rest.stream).toBe(stream);
    expect(rest.events.map(({ seq, event }) => [seq, event.type])).toEqual([
      [3, "session.opened"],
      [4, "relay.snapshot"],
    ]);
  });

  it("answers a push that cannot be applied with why", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    relay.refusal = { code: "control.grant-invalid", detail: "another relay's" };
    const socket = await hub.nextSocket();
    await socket.welcome();
    await socket.storeEvents();
    socket.send({ type: "push", seq: 1, command: { kind: "grant", grant: "jws" } });
    expect(await socket.next("ack")).toEqual({
      type: "ack",
      seq: 1,
      refusal: "control.grant-invalid",
    });
  });

  it("comes back soon when the hub asks for another try", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const first = await hub.nextSocket();
    await first.welcome();
    await first.storeEvents();
    first.socket.close(1013, "database.unavailable");
    const second = await hub.nextSocket();
    await second.welcome();
    await second.storeEvents();
    expect(relay.log.names()).not.toContain("control.refused");
  });

  it("survives a refusal whose code is longer than a WebSocket's close can say", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const socket = await hub.nextSocket();
    await socket.next("hello");
    const code = "x".repeat(200);
    socket.send({ type: "refuse", code, detail: "" });
    expect((await withDeadline(socket.closed, 5_000, "the close")).code).toBe(1008);
    expect(relay.log.lines).toContainEqual(
      expect.objectContaining({ name: "control.refused", fields: { code, detail: "" } }),
    );
  });

  it("takes no notice of keys that were adopted for a link that is gone", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const adoptions: ((result: Result<null, string>) => void)[] = [];
    const presence: (() => boolean)[] = [];
    const adopting = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    relay.adopt = (isPresent) => {
      presence.push(isPresent);
      adopting[adoptions.length]?.resolve();
      return new Promise((resolve) => {
        adoptions.push(resolve);
      });
    };
    const first = await hub.nextSocket();
    await first.welcome();
    await adopting[0]?.promise;
    first.socket.terminate();
    const second = await hub.nextSocket();
    await second.welcome();
    await adopting[1]?.promise;
    expect(presence.map((isPresent) => isPresent())).toEqual([false, true]);
    adoptions[0]?.(ok(null));
    await Promise.resolve();
    expect(relay.link.isLinked).toBe(false);
    adoptions[1]?.(ok(null));
    await second.storeEvents();
    expect(relay.link.isLinked).toBe(true);
  });

  it("gives a grant that was looked up once the keys which were told before it are in use", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const socket = await hub.nextSocket();
    await socket.welcome({ version: 2 });
    await socket.storeEvents();
    const order: string[] = [];
    const adopting = Promise.withResolvers<Result<null, string>>();
    const isAdopting = Promise.withResolvers<void>();
    relay.adopt = () => {
      isAdopting.resolve();
      return adopting.promise;
    };
    const found = relay.link
      .lookup(HASH)
      .then((answer) => order.push(answer.ok ? answer.value : ""));
    const { requestId } = await socket.next("lookup");
    const { ticketKeys, grantKeys } = WELCOME;
    socket.send({ type: "keys", ticketKeys, grantKeys });
    await isAdopting.promise;
    socket.send({ type: "lookup-answer", requestId, grant: "jws", reason: null });
    // Answers are heard in order: behind the second one's the first has come, too.
    const refused = relay.link.lookup(HASH).then((answer) => order.push(answer.ok ? "" : "none"));
    const next = await socket.next("lookup");
    socket.send({
      type: "lookup-answer",
      requestId: next.requestId,
      grant: null,
      reason: "unknown",
    });
    await refused;
    order.push("keys");
    adopting.resolve(ok(null));
    await found;
    expect(order).toEqual(["none", "keys", "jws"]);
  });

  it("keeps away for long when another process took its place", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const socket = await hub.nextSocket();
    await socket.welcome();
    await socket.storeEvents();
    const refused = nextLog(relay, "control.refused");
    socket.socket.close(4000, "control.replaced");
    expect(await refused).toMatchObject({ fields: { code: "control.replaced" } });
    expect(relay.link.isLinked).toBe(false);
    // With these dice an ordinary loss would be followed by a connection at once.
    expect(relay.log.names().at(-1)).not.toBe("control.connecting");
  });

  it.each([
    ["is no JSON", "{"],
    ["is none of the contract", '{"type":"surprise"}'],
    ["is binary", Buffer.from([1, 2, 3])],
    ["is too long", "x".repeat(CONTROL_MESSAGE_BYTES_MAX + 1)],
  ])("gives a hub up whose message %s, and connects again", async (_what, text) => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const first = await hub.nextSocket();
    await first.welcome();
    await first.storeEvents();
    first.socket.send(text);
    const second = await hub.nextSocket();
    await second.welcome();
    await second.storeEvents();
    expect(relay.log.names()).toContain("control.malformed");
    await first.closed;
  });

  it.each([
    [401, { code: "relay.unauthorized", title: "Enrol again." }, "control.refused"],
    [503, { code: "database.unavailable", title: "Later." }, "control.lost"],
    [404, "not a control plane", "control.refused"],
  ])("tells an upgrade answered with %i apart", async (status, problem, name) => {
    const server = createServer();
    server.on("upgrade", (_request, socket) => {
      const body = typeof problem === "string" ? problem : JSON.stringify(problem);
      socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    {
      await using relay = new TestRelay(`ws://127.0.0.1:${port}/`);
      const line = await nextLog(relay, name);
      const code = typeof problem === "string" ? "" : problem.code;
      expect(line.fields).toMatchObject(status === 503 ? { phase: "connecting" } : { code });
    }
    server.close();
  });

  it("asks for a grant and gets the answer, whichever comes first", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const socket = await hub.nextSocket();
    await socket.welcome();
    await socket.storeEvents();
    const answers = [relay.link.lookup(HASH), relay.link.lookup("i".repeat(43))];
    const one = await socket.next("lookup");
    const two = await socket.next("lookup");
    expect([one.ticketHash, two.ticketHash]).toEqual([HASH, "i".repeat(43)]);
    socket.send({ type: "lookup-answer", requestId: two.requestId, grant: null, reason: "used" });
    socket.send({ type: "lookup-answer", requestId: one.requestId, grant: "jws", reason: null });
    expect(await Promise.all(answers)).toEqual([
      { ok: true, value: "jws" },
      { ok: false, error: "used" },
    ]);
  });

  it("asks only after the events of the relay's earlier process were stored", async () => {
    await using hub = await startFakeHub();
    const disk = memoryDisk();
    const earlier = new Spool({
      disk,
      relayId: RELAY_ID,
      nowMs: Date.now,
      randomBytes: countingBytes(),
      log: keepingLog(),
    });
    earlier.record({ type: "session.opened", sessionId: "ses_used", clientAddress: "" });
    await using relay = new TestRelay(hub.url, disk);
    const socket = await hub.nextSocket();
    await socket.welcome();
    await relay.link.whenLinked();
    const answer = relay.link.lookup(HASH);
    const events = await socket.next("events");
    expect(events.events[0]?.event).toMatchObject({ sessionId: "ses_used" });
    // The next thing that the relay says is its answer to this, and no look-up.
    socket.send({ type: "push", seq: 1, command: terminate("ses_any") });
    await socket.next("ack");
    const seq = events.events.at(-1)?.seq ?? 0;
    socket.send({ type: "events-ack", stream: events.stream, seq });
    const { requestId } = await socket.next("lookup");
    socket.send({ type: "lookup-answer", requestId, grant: null, reason: "used" });
    expect(await answer).toEqual({ ok: false, error: "used" });
  });

  it("answers look-ups at once when there is no link, and when it is lost meanwhile", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    expect(await relay.link.lookup(HASH)).toEqual({ ok: false, error: "unverifiable" });
    const socket = await hub.nextSocket();
    await socket.welcome();
    await socket.storeEvents();
    const answer = relay.link.lookup(HASH);
    await socket.next("lookup");
    socket.socket.terminate();
    expect(await answer).toEqual({ ok: false, error: "unverifiable" });
  });

  it("closes in order and does not come back", async () => {
    await using hub = await startFakeHub();
    const relay = new TestRelay(hub.url);
    const socket = await hub.nextSocket();
    await socket.welcome();
    await socket.storeEvents();
    await relay.link.close();
    expect(await socket.closed).toEqual({ code: 1000, reason: "" });
    expect(relay.log.names().filter((name) => name === "control.connecting")).toHaveLength(1);
  });

  it("flushes nothing without a link, and says so", async () => {
    await using relay = new TestRelay("ws://127.0.0.1:1/");
    relay.opened(1);
    expect(await relay.link.flush(60_000)).toBe(false);
  });

  it("notes when the clocks differ by more than a token allows", async () => {
    await using hub = await startFakeHub();
    await using relay = new TestRelay(hub.url);
    const socket = await hub.nextSocket();
    await socket.welcome({ nowMs: WELCOME.nowMs - 3_600_000 });
    await socket.storeEvents();
    expect(relay.log.names()).toContain("control.clock-skew");
  });
});

/** The first line of that name, now or later. */
async function nextLog(relay: TestRelay, name: string) {
  const found = Promise.withResolvers<(typeof relay.log.lines)[number]>();
  const look = (): void => {
    const line = relay.log.lines.find((candidate) => candidate.name === name);
    if (line !== undefined) {
      found.resolve(line);
    }
  };
  const push = relay.log.lines.push.bind(relay.log.lines);
  relay.log.lines.push = (...lines) => {
    const length = push(...lines);
    look();
    return length;
  };
  look();
  return withDeadline(found.promise, 8_000, `log line ${name}`);
}
