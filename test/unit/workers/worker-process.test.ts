/** What the control process takes from a worker, on a process that is an event emitter. */
import { fork, type ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { Socket } from "node:net";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { withLimits } from "../../../relay/limits.ts";
import type { WorkerMessage } from "../../../relay/workers/messages.ts";
import { WorkerProcess } from "../../../relay/workers/worker-process.ts";

vi.mock("node:child_process", () => ({ fork: vi.fn() }));

class FakeChild extends EventEmitter {
  readonly pid = 1;
  readonly connected = true;
  readonly exitCode = null;
  readonly signalCode = null;
  readonly killed: string[] = [];

  send(): boolean {
    return true;
  }

  kill(signal: string): boolean {
    this.killed.push(signal);
    return true;
  }
}

let child: FakeChild;
let told: WorkerMessage[];
let ends: string[];
let worker: WorkerProcess;

beforeEach(() => {
  child = new FakeChild();
  vi.mocked(fork).mockReturnValue(child as unknown as ChildProcess);
  told = [];
  ends = [];
  worker = new WorkerProcess({
    name: "worker-0-1",
    environment: {},
    configuration: {
      tls: { cert: "", key: "" },
      limits: withLimits(),
      webOrigins: [],
      logLevel: "info",
    },
    onMessage: (message) => void told.push(message),
    onGone: (cause) => void ends.push(cause),
  });
});

describe("a worker", () => {
  it("has nothing to say any more when it is gone", async () => {
    child.emit("message", { type: "ready" });
    child.emit("exit", null, "SIGKILL");
    await worker.gone;
    const clue = { kind: "connection-id", connectionId: 7 };
    child.emit("message", { type: "foresee", requestId: 1, clue });
    expect(told).toEqual([{ type: "ready" }]);
    expect(ends).toEqual(["crashed"]);
  });

  it("closes its own connections only, each once", () => {
    child.emit("message", { type: "ready" });
    worker.give("tls", new Socket(), { ref: "c1", clientAddress: "192.0.2.1" });
    for (const ref of ["c2", "c1", "c1"]) {
      child.emit("message", { type: "closed", ref });
    }
    expect(told).toEqual([{ type: "ready" }, { type: "closed", ref: "c1" }]);
    child.emit("exit", 0, null);
  });

  it("is killed for nonsense", () => {
    child.emit("message", { type: "admit", requestId: -1 });
    expect([child.killed, told]).toEqual([["SIGKILL"], []]);
    child.emit("exit", null, "SIGKILL");
    expect(ends).toEqual(["malformed"]);
  });
});
