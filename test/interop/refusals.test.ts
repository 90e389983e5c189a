/** Tickets that must not open anything, and a hypervisor that is down, as a stock client sees it. */
import { randomBytes } from "node:crypto";
import { createServer, type AddressInfo, type Server } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromBase64Url } from "#shared/base/bytes.ts";
import { deriveTicketKey, mintTicket } from "#shared/ticket/ticket.ts";
import { startTestQemu } from "../harness/qemu.ts";
import { type SpiceGtkState, startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import type { IssuedTicket } from "../harness/control-client.ts";
import { freePort, TestStack } from "../harness/stack.ts";

let stack: TestStack;
let hypervisor: Server;
let dialCount = 0;
let consoleId = "";

beforeAll(async () => {
  stack = await TestStack.start();
  hypervisor = createServer((socket) => {
    dialCount += 1;
    socket.destroy();
  });
  hypervisor.listen(0, "127.0.0.1");
  await once(hypervisor, "listening");
  const { port } = hypervisor.address() as AddressInfo;
  consoleId = await stack.createConsole("guarded", { port });
});

afterAll(async () => {
  hypervisor?.close();
  await stack?.[Symbol.asyncDispose]();
});

describe("a ticket that must not open anything", () => {
  it("a wrong one gets SPICE's permission error and nothing is dialled", async () => {
    expect(await linkWith("not a ticket at all")).toBe("error-auth");
    await expectRefusal("malformed");
  });

  it("a forged one gets SPICE's permission error and nothing is dialled", async () => {
    const genuine = await stack.ticketText(await stack.requestTicket(consoleId));
    const last = genuine.at(-1) === "A" ? "Q" : "A";
    expect(await linkWith(genuine.slice(0, -1) + last)).toBe("error-auth");
    await expectRefusal("forged");
  });

  it("an expired one gets SPICE's permission error and nothing is dialled", async () => {
    const secrets = await stack.state.secrets(Date.now());
    const root = fromBase64Url(secrets.TICKET_ROOT);
    expect(root).not.toBeNull();
    const key = await deriveTicketKey(root ?? new Uint8Array(32), stack.relayId, 1);
    const expired = await mintTicket(key, {
      ticketId: Uint8Array.from(randomBytes(12)),
      expiresAtS: Math.floor(Date.now() / 1000) - 1,
    });
    expect(await linkWith(expired)).toBe("error-auth");
    await expectRefusal("expired");
  });

  it("one that the control plane never made a grant for is refused", async () => {
    const secrets = await stack.state.secrets(Date.now());
    const root = fromBase64Url(secrets.TICKET_ROOT) ?? new Uint8Array(32);
    const key = await deriveTicketKey(root, stack.relayId, 1);
    const unknown = await mintTicket(key, {
      ticketId: Uint8Array.from(randomBytes(12)),
      expiresAtS: Math.floor(Date.now() / 1000) + 60,
    });
    expect(await linkWith(unknown)).toBe("error-auth");
    await expectRefusal("unknown");
  });

  it("a used one gets SPICE's permission error, and its living session goes on", async () => {
    await using qemu = await startTestQemu();
    await qemu.waitForGuest();
    const ticket = await ticketFor("used-once", qemu.port);
    const text = await stack.ticketText(ticket);
    await using first = await startSpiceGtkClient();
    await first.connect(clientOptions(text));
    await first.waitForChannel("display:0");

    expect(await linkWith(text)).toBe("error-auth");
    const refused = await stack.auditEvent({ type: "ticket.refused" }, hasReason("used"));
    expect(refused.sessionId).toBe(ticket.sessionId);

    await first.sendKey(0x1e);
    await first.waitForPixel({ x: 10, y: 10 }, 0x1e01fe);
  });
});

describe("a console that was deleted", () => {
  it("takes its console files with it", async () => {
    const doomed = await stack.createConsole("doomed", { port: 5900 });
    const ticket = await stack.requestTicket(doomed);
    expect((await stack.call("DELETE", `/consoles/${doomed}`)).status).toBe(204);
    const answer = await stack.call("GET", ticket.vvUrl);
    expect(answer.status).toBe(410);
    expect(answer.json).toMatchObject({ code: "vv.gone" });
  });
});

describe("a hypervisor that is down", () => {
  it("gives the client an error at link time, and the session says why", async () => {
    const ticket = await ticketFor("down", await freePort());
    // spice-gtk calls every error that answers a ticket an authentication error.
    expect(await linkWith(await stack.ticketText(ticket))).toBe("error-auth");
    const session = await stack.sessionIn(ticket.sessionId, "ended");
    expect(session.endReason).toBe("failed");
    expect(session.endDetail).toContain("server.unreachable");
  });
});

async function ticketFor(name: string, port: number): Promise<IssuedTicket> {
  return await stack.requestTicket(await stack.createConsole(name, { port }));
}

function clientOptions(password: string) {
  return {
    host: "127.0.0.1",
    tlsPort: stack.relayPort,
    password,
    caFile: stack.caFile,
    subject: "O=Kerbside,CN=test",
  };
}

/** What becomes of a stock client's main channel. */
async function linkWith(password: string): Promise<SpiceGtkState> {
  await using client = await startSpiceGtkClient();
  await client.connect(clientOptions(password));
  const event = await client.waitForChannel("main:0", [
    ...(["opened", "error-auth", "error-link", "error-io", "error-connect", "error-tls"] as const),
  ]);
  return event.state;
}

async function expectRefusal(reason: string): Promise<void> {
  const event = await stack.auditEvent({ type: "ticket.refused" }, hasReason(reason));
  expect(event.relayId).toBe(stack.relayId);
  expect(dialCount).toBe(0);
}

function hasReason(reason: string) {
  return (event: { readonly data: Record<string, unknown> }) => event.data["reason"] === reason;
}
