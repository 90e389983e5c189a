/** What policies end by the clock, with stock clients: the loss of the control plane, and hours. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DAYS } from "#shared/policy/hours.ts";
import { CONTROL_LOSS_S_MIN, type PartialPolicy } from "#shared/policy/policy.ts";
import { keyColour } from "../../worker/dev/demo/boot-sector.ts";
import { startTestQemu, type TestQemu } from "../harness/qemu.ts";
import { type SpiceGtkClient, startSpiceGtkClient } from "../harness/spice-gtk-client.ts";
import { TestStack } from "../harness/stack.ts";
import { openEntrance } from "../harness/ways-in.ts";

let stack: TestStack;

beforeEach(async () => {
  stack = await TestStack.start();
});

afterEach(async () => {
  await stack?.[Symbol.asyncDispose]();
});

describe("a control plane that is killed", () => {
  it("costs a strict session its life, which is told afterwards, and no other one", async () => {
    await using qemu = await startTestQemu();
    await using other = await startTestQemu();
    await using fragile = await startSpiceGtkClient();
    await using lasting = await startSpiceGtkClient();
    const strict = { controlLoss: { strict: CONTROL_LOSS_S_MIN } };
    const { ticket } = await enter(fragile, qemu, strict);
    const { ticket: kept } = await enter(lasting, other);
    await stack.control.stop("SIGKILL");
    await fragile.waitForChannel("main:0", ["closed"], (CONTROL_LOSS_S_MIN + 10) * 1_000);
    await lasting.sendKey(SCANCODE_A);
    await lasting.waitForPixel(PLACE, keyColour(SCANCODE_A, 1));

    await stack.control.start();
    expect((await stack.sessionIn(ticket.sessionId, "ended")).endReason).toBe("control-lost");
    const told = await stack.audit({ sessionId: ticket.sessionId, type: "session.ended" });
    expect(told.map(({ data }) => data["reason"])).toContain("control-lost");
    expect((await stack.sessionIn(kept.sessionId, "active")).endReason).toBeNull();
  });
});

describe("the hours of a policy", () => {
  it(
    "end an open session when they close, and refuse the next ticket",
    { timeout: 150_000 },
    async () => {
      await using qemu = await startTestQemu();
      await using client = await startSpiceGtkClient();
      const closesAtMs = Math.ceil((Date.now() + OPENING_MS) / 60_000) * 60_000;
      // The hour before it, so that it is closed afterwards.
      const window = {
        days: [...DAYS],
        from: timeOf(closesAtMs - 3_600_000),
        to: timeOf(closesAtMs),
      };
      const { consoleId, ticket } = await enter(client, qemu, {
        allowedHours: { timeZone: "UTC", windows: [window] },
      });
      await client.waitForChannel("main:0", ["closed"], 90_000);
      const ended = await stack.sessionIn(ticket.sessionId, "ended");
      expect(ended.endReason).toBe("outside-hours");
      const endedAtMs = Date.parse(String(ended["endedAt"]));
      expect(Math.abs(endedAtMs - closesAtMs)).toBeLessThan(5_000);
      const refused = await stack.call("POST", `/consoles/${consoleId}/tickets`, {});
      expect(refused.json).toMatchObject({ status: 403, code: "policy.outside-hours" });
    },
  );
});

let consoles = 0;

/** A client inside a console of its own. */
async function enter(client: SpiceGtkClient, qemu: TestQemu, policy: PartialPolicy = {}) {
  consoles += 1;
  await qemu.waitForGuest();
  const consoleId = await stack.createConsole(`bound-${consoles}`, { port: qemu.port, policy });
  const { ticket, options } = await openEntrance(stack, consoleId, "tls");
  await client.connect(options);
  await Promise.all(["main:0", "display:0", "inputs:0"].map((name) => client.waitForChannel(name)));
  await stack.sessionIn(ticket.sessionId, "active");
  return { consoleId, ticket };
}

const timeOf = (ms: number): string => new Date(ms).toISOString().slice(11, 16);

/** How long QEMU and a client may take before the hours close. */
const OPENING_MS = 20_000;
const SCANCODE_A = 0x1e;
const PLACE = { x: 300, y: 200 };
