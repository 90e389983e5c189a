import { describe, expect, it } from "vitest";
import { parseWorkerMessage } from "../../../relay/workers/messages.ts";
import { respawnDelayMs } from "../../../relay/workers/worker-pool.ts";
import { WORKER_ARGUMENT, workerEntry } from "../../../relay/workers/worker-entry.ts";

const END = { by: "client", code: "closed", detail: "", clientBytes: 0, serverBytes: 0 };

describe("what a worker says", () => {
  it.each([
    [{ type: "ready" }],
    [{ type: "admit", requestId: 1, presented: presented("x") }],
    [{ type: "ended", channelRef: "c", end: END }],
    [{ type: "ended", channelRef: "c", end: { ...END, by: "relay", code: "drained" } }],
    [{ type: "ended", channelRef: "c", end: { ...END, code: "message.size-unlawful" } }],
  ])("is taken: %j", (message) => {
    expect(parseWorkerMessage(message)).toEqual(message);
  });

  it.each([
    ["nothing", null],
    ["an unknown type", { type: "grant" }],
    ["an unknown code", { type: "ended", channelRef: "c", end: { ...END, code: "toString" } }],
    ["negative bytes", { type: "ended", channelRef: "c", end: { ...END, clientBytes: -1 } }],
    ["no channel", { type: "admit", requestId: 1, presented: { ...presented("x"), channel: "x" } }],
    ["a huge password", { type: "admit", requestId: 1, presented: presented("x".repeat(600)) }],
    ["a connection id out of range", { type: "learned", channelRef: "c", connectionId: 2 ** 32 }],
  ])("is not taken: %s", (_what, message) => {
    expect(parseWorkerMessage(message)).toBeNull();
  });

  it("may have a long detail, which is cut", () => {
    const end = { ...END, detail: "x".repeat(5_000) };
    const parsed = parseWorkerMessage({ type: "ended", channelRef: "c", end });
    expect(parsed).toMatchObject({ end: { detail: "x".repeat(1_024) } });
  });
});

describe("replacing a worker", () => {
  it("is immediate at first, then backs off to a bound", () => {
    expect([0, 1, 2, 3, 4].map(respawnDelayMs)).toEqual([0, 0, 250, 500, 1_000]);
    expect(respawnDelayMs(1_000)).toBe(10_000);
  });

  it("starts the file of a checkout, or the one-file relay with its argument", () => {
    expect(workerEntry("file:///k/relay/workers/worker-entry.ts")).toEqual({
      file: "/k/relay/workers/worker-main.ts",
      args: [],
    });
    expect(workerEntry("file:///opt/kerbside/relay.mjs")).toEqual({
      file: "/opt/kerbside/relay.mjs",
      args: [WORKER_ARGUMENT],
    });
  });
});

function presented(password: string) {
  return {
    password,
    connectionId: 0,
    channel: "main",
    channelId: 0,
    clientAddress: "192.0.2.1",
  };
}
