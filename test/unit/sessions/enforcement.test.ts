/** What a relay cannot enforce it does not take, whatever the control plane thinks of it. */
import { beforeEach, describe, expect, it } from "vitest";
import { ok } from "#shared/base/result.ts";
import { RELAY_ENFORCES } from "../../../relay/sessions/enforcement.ts";
import { type FakeControl, makeControl } from "../../harness/relay/fake-control.ts";
import { BENCH_START_MS, RegistryBench } from "../../harness/relay/registry-bench.ts";

let control: FakeControl;
let bench: RegistryBench;

beforeEach(async () => {
  control = await makeControl(() => BENCH_START_MS);
  bench = new RegistryBench(control);
});

describe("a grant whose policy the relay cannot enforce", () => {
  it.each([
    [{ clipboard: "to-guest" }, "clipboard"],
    [{ fileTransfer: "deny" }, "fileTransfer"],
    [{ input: "deny", clipboard: "deny" }, "clipboard, input"],
  ] as const)("is refused when it is pushed: %j", async (policy, named) => {
    const { grant, ticket } = await control.issue({ policy });
    expect(await bench.push(grant)).toEqual({
      code: "policy.unenforceable",
      detail: `this relay cannot keep: ${named}`,
    });
    expect(await bench.code(ticket)).toBe("ticket.unknown");
  });

  it("is refused when it is looked up", async () => {
    const { grant, ticket } = await control.issue({ policy: { input: "deny" } });
    bench.answer = async () => ok(grant);
    expect(await bench.code(ticket)).toBe("ticket.unverifiable");
  });

  it("is not what it announces", () => {
    expect(RELAY_ENFORCES).toEqual(["controlLoss", "notAfter", "usb"]);
  });
});

describe("a session without USB redirection", () => {
  it("opens every channel but that one", async () => {
    const { ticket } = await bench.issue({ policy: { usb: "deny" } });
    await bench.openMain(ticket);
    const usb = { channel: "usbredir", connectionId: 7 } as const;
    expect(await bench.code(ticket, usb)).toBe("channel.not-permitted");
    expect(await bench.code(ticket, { ...usb, channel: "smartcard" })).toBe("admitted");
  });
});
