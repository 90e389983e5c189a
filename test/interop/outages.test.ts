/** The control plane dies, the relay dies: what goes on, what is reported, and that it comes back. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../harness/deadline.ts";
import { EVERY_CHANNEL, startTestQemu, type TestQemu } from "../harness/qemu.ts";
import { type SpiceGtkClient, startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import type { IssuedTicket } from "../harness/control-client.ts";
import { TestStack } from "../harness/stack.ts";

let stack: TestStack;

beforeEach(async () => {
  stack = await TestStack.start();
});

afterEach(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("the control plane is killed while a console is open", () => {
  it("the console goes on, a new channel opens, and the events arrive afterwards, each once", async () => {
    await using qemu = await startTestQemu({ extraArguments: EVERY_CHANNEL });
    await using client = await startSpiceGtkClient();
    const ticket = await openConsole(client, qemu, ["cursor:0", "usbredir:0"]);
    await client.open("usbredir:0");
    await client.waitForChannel("usbredir:0");
    await stack.auditEvent({ sessionId: ticket.sessionId, type: "channel.opened" }, isUsb);

    await stack.control.stop("SIGKILL");
    await client.sendKey(0x1e);
    await client.waitForPixel({ x: 10, y: 10 }, 0x1e01fe);
    await client.open("cursor:0");
    await client.waitForChannel("cursor:0");
    await client.close("usbredir:0");
    await client.sendKey(0x1f);
    await client.waitForPixel({ x: 10, y: 10 }, 0x1f02fd);

    await stack.control.start();
    await stack.auditEvent({ sessionId: ticket.sessionId, type: "channel.closed" }, isUsb);
    const session = await stack.session(ticket.sessionId);
    expect(session.state).toBe("active");
    const opened = await stack.audit({ sessionId: ticket.sessionId, type: "channel.opened" });
    const cursors = opened.filter((event) => event.data["channel"] === "cursor");
    expect(cursors).toHaveLength(1);
    const closed = await stack.audit({ sessionId: ticket.sessionId, type: "channel.closed" });
    expect(closed).toHaveLength(1);

    await client.sendKey(0x20);
    await client.waitForPixel({ x: 10, y: 10 }, 0x2003fc);
    await client.disconnect();
    const ended = await stack.sessionIn(ticket.sessionId, "ended");
    expect(ended.endReason).toBe("client-closed");
    const ends = await stack.audit({ sessionId: ticket.sessionId, type: "session.ended" });
    expect(ends).toHaveLength(1);
  });

  it("a session that ends in that time is told afterwards with its true reason", async () => {
    await using qemu = await startTestQemu();
    await using client = await startSpiceGtkClient();
    const ticket = await openConsole(client, qemu);
    await stack.control.stop("SIGKILL");
    await client.disconnect();
    await stack.control.start();
    const ended = await stack.sessionIn(ticket.sessionId, "ended");
    expect(ended.endReason).toBe("client-closed");
    expect(ended.serverBytes).toBeGreaterThan(256_000);
  });
});

describe("the relay is killed", () => {
  it("is shown offline within seconds, its sessions as ended, and resumes when started", async () => {
    await using qemu = await startTestQemu();
    await using client = await startSpiceGtkClient();
    const ticket = await openConsole(client, qemu);

    await stack.relay.stop("SIGKILL");
    await eventually("the relay is offline", async () =>
      (await stack.relayState()) === "offline" ? true : null,
    );
    const ended = await stack.sessionIn(ticket.sessionId, "ended");
    expect(ended.endReason).toBe("relay-lost");
    const consoleId = await stack.createConsole("nobody-carries-it", { port: qemu.port });
    const refused = await stack.call("POST", `/consoles/${consoleId}/tickets`, {});
    expect(refused.status).toBe(503);
    expect(refused.json).toMatchObject({ code: "console.no-relay" });

    await stack.relay.start();
    expect(await stack.relayState()).toBe("online");
    await using another = await startTestQemu();
    await using second = await startSpiceGtkClient();
    await openConsole(second, another);
  });

  it("ends its sessions with a reason when it is asked to stop", async () => {
    await using qemu = await startTestQemu();
    await using client = await startSpiceGtkClient();
    const ticket = await openConsole(client, qemu);
    await stack.relay.stop("SIGTERM");
    const ended = await stack.sessionIn(ticket.sessionId, "ended");
    expect(ended.endReason).toBe("relay-stopped");
  });
});

describe("a session that somebody terminates", () => {
  it("loses every channel at once, and the trail says who asked", async () => {
    await using qemu = await startTestQemu();
    await using client = await startSpiceGtkClient();
    const ticket = await openConsole(client, qemu);
    const answer = await stack.call("POST", `/sessions/${ticket.sessionId}/terminate`, {});
    expect(answer.status).toBeLessThan(300);
    for (const channel of ["main:0", "display:0", "inputs:0", "cursor:0"]) {
      await client.waitForChannel(channel, ["closed"]);
    }
    const ended = await stack.sessionIn(ticket.sessionId, "ended");
    expect(ended.endReason).toBe("terminated");
    const asked = await stack.auditEvent({
      sessionId: ticket.sessionId,
      type: "session.terminate-requested",
    });
    expect(asked["actor"]).toMatchObject({ kind: "user" });
  });
});

let consoles = 0;

async function openConsole(
  client: SpiceGtkClient,
  qemu: TestQemu,
  deferred: readonly string[] = [],
): Promise<IssuedTicket> {
  consoles += 1;
  // A key that comes while the firmware still runs is the firmware's.
  await qemu.waitForGuest();
  const consoleId = await stack.createConsole(`outage-${consoles}`, { port: qemu.port });
  const ticket = await stack.requestTicket(consoleId);
  await client.connect({ vvFile: await stack.downloadVv(ticket), deferredChannels: [...deferred] });
  await client.waitForChannel("display:0");
  await client.waitForChannel("inputs:0");
  await stack.sessionIn(ticket.sessionId, "active");
  return ticket;
}

function isUsb(event: { readonly data: Record<string, unknown> }): boolean {
  return event.data["channel"] === "usbredir";
}
