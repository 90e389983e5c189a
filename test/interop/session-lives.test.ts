/**
 * How long a session lives and who may watch, by its console's policy, with stock clients: a second
 * viewer, a client that comes back, idleness, duration, and a relay that is drained.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Policy } from "#shared/policy/policy.ts";
import { askRelay } from "../../relay/operator/operator-client.ts";
import { IDLE_COLOUR, keyColour } from "../../worker/dev/demo/boot-sector.ts";
import { eventually } from "../harness/deadline.ts";
import { EVERY_CHANNEL, startTestQemu, type TestQemu } from "../harness/qemu.ts";
import { type SpiceGtkClient, startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import { TestStack } from "../harness/stack.ts";
import { type Entrance, openEntrance } from "../harness/ways-in.ts";

let stack: TestStack;

beforeAll(async () => {
  stack = await TestStack.start();
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("a second viewer", () => {
  it("is refused by default, and the first one goes on", async () => {
    await using qemu = await startTestQemu();
    const consoleId = await makeConsole(qemu);
    await using first = await startSpiceGtkClient();
    await enter(first, consoleId);
    const refused = await stack.call("POST", `/consoles/${consoleId}/tickets`, {});
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({ code: "console.in-use" });
    await first.sendKey(SCANCODE_A);
    await first.waitForPixel(PLACE, keyColour(SCANCODE_A, 1));
  });

  it("is refused by the relay when both had tickets before", async () => {
    await using qemu = await startTestQemu();
    const consoleId = await makeConsole(qemu);
    await using entrances = await twoEntrances(consoleId);
    await using first = await startSpiceGtkClient();
    await connect(first, entrances.first);
    await using second = await startSpiceGtkClient();
    await second.connect(entrances.second.options);
    await second.waitForChannel("main:0", ["error-auth"]);
    await first.sendKey(SCANCODE_A);
    await first.waitForPixel(PLACE, keyColour(SCANCODE_A, 1));
  });

  it("takes the console over where its policy says so, and the first one loses every channel", async () => {
    await using qemu = await startTestQemu();
    const consoleId = await makeConsole(qemu, { secondViewer: "take-over" });
    await using first = await startSpiceGtkClient();
    const taken = await enter(first, consoleId);
    await using second = await startSpiceGtkClient();
    await enter(second, consoleId);
    await Promise.all(CHANNELS.map((name) => first.waitForChannel(name, ["closed"])));
    const ended = await stack.sessionIn(taken.ticket.sessionId, "ended");
    expect(ended.endReason).toBe("taken-over");
    await second.sendKey(SCANCODE_A);
    await second.waitForPixel(PLACE, keyColour(SCANCODE_A, 1));
  });
});

describe("a console whose policy permits some channels", () => {
  it("opens these, and the others are refused one by one", async () => {
    await using qemu = await startTestQemu({ extraArguments: EVERY_CHANNEL });
    const channels: Policy["channels"] = ["main", "display", "inputs", "cursor"];
    const consoleId = await makeConsole(qemu, { channels });
    await using client = await startSpiceGtkClient();
    const { ticket } = await enter(client, consoleId);
    const refused = await stack.auditEvent(
      { sessionId: ticket.sessionId, type: "channel.refused" },
      (event) => event.data["channel"] === "usbredir",
    );
    expect(refused.data["code"]).toBe("channel.not-permitted");
    await client.sendKey(SCANCODE_A);
    await client.waitForPixel(PLACE, keyColour(SCANCODE_A, 1));
    const seen = (await qemu.querySpice()).channels.map((channel) => channel["channel-type"]);
    expect(new Set(seen)).toEqual(new Set([1, 2, 3, 4]));
  });
});

describe("a client that is lost", () => {
  it("comes back within its window with the same console file, into the same session", async () => {
    await using qemu = await startTestQemu();
    const consoleId = await makeConsole(qemu, { reconnectWindowS: 60 });
    await using first = await startSpiceGtkClient();
    const { ticket, options } = await enter(first, consoleId);
    await first.kill();
    await eventually("the hypervisor has lost its client", async () =>
      (await qemu.querySpice()).channels.length === 0 ? true : null,
    );
    await using second = await startSpiceGtkClient();
    await second.connect(options);
    await second.waitForChannel("inputs:0");
    await second.waitForPixel(PLACE, IDLE_COLOUR);
    const session = await stack.session(ticket.sessionId);
    expect(session.state).toBe("active");
    await second.sendKey(SCANCODE_A);
    await second.waitForPixel(PLACE, keyColour(SCANCODE_A, 1));
  });

  it("does not come back without a window", async () => {
    await using qemu = await startTestQemu();
    const consoleId = await makeConsole(qemu);
    await using first = await startSpiceGtkClient();
    const { ticket, options } = await enter(first, consoleId);
    await first.kill();
    await stack.sessionIn(ticket.sessionId, "ended");
    await using second = await startSpiceGtkClient();
    await second.connect(options);
    await second.waitForChannel("main:0", ["error-auth"]);
  });
});

describe("a session with a bound", () => {
  it("ends when nothing moves for as long as its policy allows", async () => {
    await using qemu = await startTestQemu();
    const consoleId = await makeConsole(qemu, { idleS: 1 });
    await using client = await startSpiceGtkClient();
    const { ticket } = await enter(client, consoleId);
    await client.waitForChannel("main:0", ["closed"]);
    expect((await stack.sessionIn(ticket.sessionId, "ended")).endReason).toBe("idle");
  });

  it("is kept from idleness by keys, and ends after its duration all the same", async () => {
    await using qemu = await startTestQemu();
    const consoleId = await makeConsole(qemu, { idleS: 3, durationS: 5 });
    await using client = await startSpiceGtkClient();
    const { ticket } = await enter(client, consoleId);
    const keys = setInterval(() => {
      client.sendKey(SCANCODE_A).catch(() => {});
    }, 200);
    try {
      await client.waitForChannel("main:0", ["closed"]);
    } finally {
      clearInterval(keys);
    }
    const ended = await stack.sessionIn(ticket.sessionId, "ended");
    expect(ended.endReason).toBe("duration-exceeded");
  });
});

describe("a relay that is drained", () => {
  it("lets its session go on until the deadline, takes no other, and resumes", async () => {
    await using qemu = await startTestQemu();
    await using other = await startTestQemu();
    const consoleId = await makeConsole(qemu);
    const otherId = await makeConsole(other);
    await using client = await startSpiceGtkClient();
    const { ticket } = await enter(client, consoleId);
    await drain(60);
    await eventually("the control plane routes nothing to it", async () => {
      const refused = await stack.call("POST", `/consoles/${otherId}/tickets`, {});
      return refused.status === 503 ? true : null;
    });
    await client.sendKey(SCANCODE_A);
    await client.waitForPixel(PLACE, keyColour(SCANCODE_A, 1));
    await drain(0);
    await client.waitForChannel("main:0", ["closed"]);
    const ended = await stack.sessionIn(ticket.sessionId, "ended");
    expect(ended.endReason).toBe("relay-drained");

    const resumed = await askRelay(stack.state.relayFolder, { method: "POST", path: "/resume" });
    expect(resumed).toMatchObject({ ok: true });
    await eventually("the control plane routes to it again", async () => {
      const answer = await stack.call("POST", `/consoles/${otherId}/tickets`, {});
      return answer.status === 201 ? true : null;
    });
  });
});

let consoles = 0;

async function makeConsole(qemu: TestQemu, policy: Partial<Policy> = {}): Promise<string> {
  consoles += 1;
  await qemu.waitForGuest();
  return await stack.createConsole(`life-${consoles}`, { port: qemu.port, policy });
}

/** A client inside, with the channels that these tests look at. */
async function enter(client: SpiceGtkClient, consoleId: string): Promise<Entrance> {
  const entrance = await openEntrance(stack, consoleId, "tls");
  await connect(client, entrance);
  return entrance;
}

async function connect(client: SpiceGtkClient, entrance: Entrance): Promise<void> {
  await client.connect(entrance.options);
  await Promise.all(CHANNELS.map((name) => client.waitForChannel(name)));
  await stack.sessionIn(entrance.ticket.sessionId, "active");
}

async function twoEntrances(consoleId: string) {
  const first = await openEntrance(stack, consoleId, "tls");
  const second = await openEntrance(stack, consoleId, "tls");
  return { first, second, [Symbol.asyncDispose]: async () => {} };
}

async function drain(deadlineSeconds: number): Promise<void> {
  const body = { deadlineSeconds };
  const asked = await askRelay(stack.state.relayFolder, { method: "POST", path: "/drain", body });
  expect(asked).toMatchObject({ ok: true });
}

const CHANNELS = ["main:0", "display:0", "inputs:0", "cursor:0"];
const SCANCODE_A = 0x1e;
const PLACE = { x: 300, y: 200 };
