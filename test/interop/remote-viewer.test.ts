/** remote-viewer opens the console file as it was downloaded, and its keys reach the guest. */
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestQemu } from "../harness/qemu.ts";
import { startRemoteViewer } from "../harness/remote-viewer.ts";
import { TestStack } from "../harness/stack.ts";

let stack: TestStack;

beforeAll(async () => {
  stack = await TestStack.start();
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("remote-viewer with the downloaded console file", () => {
  it("shows the guest, types the key that was pressed, and ends the session on closing", async () => {
    await using qemu = await startTestQemu({ password: "for the relay alone" });
    const consoleId = await stack.createConsole("viewer", {
      port: qemu.port,
      password: "for the relay alone",
    });
    const ticket = await stack.requestTicket(consoleId);
    const vvFile = await stack.downloadVv(ticket);

    await using viewer = await startRemoteViewer(vvFile);
    await viewer.waitForGuestPixel({ x: 300, y: 200 }, IDLE_COLOUR);
    expect(existsSync(vvFile), "delete-this-file=1 is obeyed").toBe(false);
    const active = await stack.sessionIn(ticket.sessionId, "active");
    expect(active.clientAddress).toContain("127.0.0.1");

    await stack.auditEvent(
      { sessionId: ticket.sessionId, type: "channel.opened" },
      (event) => event.data["channel"] === "inputs",
    );

    await viewer.typeKey("c");
    await viewer.waitForGuestPixel({ x: 300, y: 200 }, keyColour(SCANCODE_C, 1));
    await viewer.typeKey("f");
    await viewer.waitForGuestPixel({ x: 300, y: 200 }, keyColour(SCANCODE_F, 2));

    await viewer.close();
    const ended = await stack.sessionIn(ticket.sessionId, "ended");
    expect(ended.endReason).toBe("client-closed");
    expect(ended.clientBytes).toBeGreaterThan(100);
    expect(ended.serverBytes).toBeGreaterThan(256_000);
    const closed = await stack.audit({ sessionId: ticket.sessionId, type: "channel.closed" });
    const sum = closed.reduce((total, event) => total + Number(event.data["serverBytes"]), 0);
    expect(sum).toBe(ended.serverBytes);
    const channels = closed.map((event) => event.data["channel"]);
    expect(new Set(channels)).toEqual(new Set(["main", "display", "inputs", "cursor"]));
  });
});

/** The boot sector's colours: see boot-sector.asm. */
const IDLE_COLOUR = 0x203040;
const SCANCODE_C = 0x2e;
const SCANCODE_F = 0x21;

function keyColour(scancode: number, count: number): number {
  return (scancode << 16) | (count << 8) | (~count & 0xff);
}
