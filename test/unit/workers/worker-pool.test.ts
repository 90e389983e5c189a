/** What becomes of a worker's place, on processes that are event emitters. */
import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fail, ok } from "#shared/base/result.ts";
import { makeIdentity } from "../../harness/relay/test-identity.ts";
import { withLimits } from "../../../relay/limits.ts";
import { WorkerPool } from "../../../relay/workers/worker-pool.ts";

vi.mock("node:child_process", () => ({ fork: vi.fn() }));

class FakeChild extends EventEmitter {
  readonly pid = 1;
  readonly connected = true;

  send(): boolean {
    return true;
  }

  disconnect(): void {
    this.emit("exit", 0, null);
  }
}

const ignore = (): void => {};
const faults: unknown[] = [];

async function startPool(): Promise<WorkerPool> {
  const pool = new WorkerPool({
    tls: await makeIdentity(),
    limits: withLimits(),
    webOrigins: [],
    admissions: {
      foresee: async () => ok(null),
      admit: async () => fail({ code: "relay.full", detail: "", holdMs: 0 } as const),
    },
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    nowMs: () => 0,
    onLinked: ignore,
    onClosed: ignore,
    workerCount: 1,
    environment: {},
    logLevel: "info",
    onWorkerLost: ignore,
    onFault: (error) => void faults.push(error),
  });
  const starting = pool.start();
  last().emit("message", { type: "ready" });
  await starting;
  return pool;
}

let children: FakeChild[];

function last(): FakeChild {
  const child = children.at(-1);
  if (child === undefined) {
    throw new Error("no process was started");
  }
  return child;
}

function makeChild(): ChildProcess {
  children.push(new FakeChild());
  return last() as unknown as ChildProcess;
}

beforeEach(() => {
  children = [];
  faults.length = 0;
  vi.mocked(fork).mockReset().mockImplementation(makeChild);
});
afterEach(() => void vi.useRealTimers());

describe("a worker's place", () => {
  it("is filled again also when no process could be made at first", async () => {
    const pool = await startPool();
    vi.useFakeTimers();
    const noMemory = new Error("spawn ENOMEM");
    vi.mocked(fork).mockImplementationOnce(() => {
      throw noMemory;
    });
    last().emit("exit", null, "SIGKILL");
    await vi.advanceTimersByTimeAsync(0);
    expect([faults, children.length]).toEqual([[noMemory], 1]);
    expect(pool.workers()).toMatchObject([{ isReady: false }]);
    await vi.advanceTimersByTimeAsync(250);
    last().emit("message", { type: "ready" });
    expect(pool.workers()).toMatchObject([{ name: "worker-0-3", isReady: true }]);
    await pool.destroy();
  });
});
