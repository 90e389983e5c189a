/** When jobs are due, and what is kept of their runs. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { dueJobs, type JobRun, nextRingMs } from "../../../worker/jobs/job-rules.ts";
import { type Job, JOBS } from "../../../worker/jobs/jobs.ts";
import { runJob } from "../../../worker/jobs/run-job.ts";
import type { ServiceContext } from "../../../worker/services/context.ts";

const job = (name: string, everyMs: number, run: Job["run"] = async () => {}): Job => ({
  name,
  everyMs,
  run,
});

const ran = (startedAtMs: number, more: Partial<JobRun> = {}): JobRun => ({
  startedAtMs,
  durationMs: 1,
  succeededAtMs: startedAtMs,
  error: null,
  again: false,
  ...more,
});

const HOURLY = job("hourly", 3_600_000);
const OFTEN = job("often", 10_000);
const names = (jobs: readonly Job[]): string[] => jobs.map(({ name }) => name);

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("the table of jobs", () => {
  it("has each name once, with a summary and a sane pace", () => {
    expect(new Set(names(JOBS)).size).toBe(JOBS.length);
    for (const { name, everyMs } of JOBS) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(everyMs).toBeGreaterThanOrEqual(1_000);
    }
  });
});

describe("a job", () => {
  it("is due when it never ran, when its time has come, and when it stopped at its bound", () => {
    const jobs = [HOURLY, OFTEN];
    expect(names(dueJobs(jobs, new Map(), 5))).toEqual(["hourly", "often"]);
    const runs = new Map([
      ["hourly", ran(0)],
      ["often", ran(0)],
    ]);
    expect(names(dueJobs(jobs, runs, 9_999))).toEqual([]);
    expect(names(dueJobs(jobs, runs, 10_000))).toEqual(["often"]);
    expect(names(dueJobs(jobs, runs.set("hourly", ran(0, { again: true })), 1))).toEqual([
      "hourly",
    ]);
  });

  it("is due at once when the clock was turned back", () => {
    const runs = new Map([["hourly", ran(5_000)]]);
    expect(names(dueJobs([HOURLY], runs, 5_000))).toEqual([]);
    expect(names(dueJobs([HOURLY], runs, 4_999))).toEqual(["hourly"]);
    expect(nextRingMs([HOURLY], runs, 4_999)).toBe(4_999);
  });

  it("is due as well after one that failed or was cut off", () => {
    const failed = ran(0, { error: "x", succeededAtMs: null });
    expect(names(dueJobs([OFTEN], new Map([["often", failed]]), 10_000))).toEqual(["often"]);
    const cut = ran(0, { durationMs: null });
    expect(names(dueJobs([OFTEN], new Map([["often", cut]]), 10_000))).toEqual(["often"]);
  });
});

describe("the clock", () => {
  it("rings for the job that is due first, and within ten seconds", () => {
    const runs = new Map([
      ["hourly", ran(0)],
      ["often", ran(5)],
    ]);
    expect(nextRingMs([HOURLY, OFTEN], runs, 6)).toBe(10_005);
    expect(nextRingMs([HOURLY, OFTEN], new Map(), 6)).toBe(6);
    expect(nextRingMs([HOURLY], runs, 6)).toBe(10_006);
    expect(nextRingMs([], new Map(), 6)).toBe(10_006);
  });
});

/** Runs a job on a clock of the test's own; gives what was kept, and whether it has settled. */
async function runOnce(run: Job["run"], before?: JobRun) {
  const saved: JobRun[] = [];
  let nowMs = 1_000;
  let settled = 0;
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  await runJob(job("one", 1_000, run), before, {
    openContext: () => ({}) as ServiceContext,
    nowMs: () => (nowMs += 5),
    save: (_name, kept) => saved.push(kept),
    settled: () => (settled += 1),
  });
  return { saved, settled };
}

describe("a run", () => {
  it("is kept when it begins and when it has ended", async () => {
    const { saved, settled } = await runOnce(async () => ({ again: true }));
    expect(saved).toEqual([
      ran(1_005, { durationMs: null, succeededAtMs: null }),
      ran(1_005, { durationMs: 10, succeededAtMs: 1_010, again: true }),
    ]);
    expect(settled).toBe(1);
  });

  it("that fails says why, and when it last did not", async () => {
    const failing = async (): Promise<void> => {
      throw new Error("the database is away");
    };
    const { saved, settled } = await runOnce(failing, ran(7));
    expect(saved.at(-1)).toMatchObject({ error: "the database is away", succeededAtMs: 7 });
    expect(settled).toBe(1);
  });

  it("that fails before it begins is a failed run as well", async () => {
    const { saved } = await runOnce(() => {
      throw new Error("no such setting");
    });
    expect(saved.at(-1)).toMatchObject({ error: "no such setting" });
  });

  it("that outlasts its deadline is over for the others, and told when it has really ended", async () => {
    vi.useFakeTimers();
    const { promise, resolve } = Promise.withResolvers<void>();
    let settled = false;
    const running = runJob(
      job("slow", 1_000, () => promise),
      undefined,
      {
        openContext: () => ({}) as ServiceContext,
        nowMs: () => Date.now(),
        save: () => undefined,
        settled: () => (settled = true),
      },
    );
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    await vi.advanceTimersByTimeAsync(60_000);
    await running;
    expect(settled).toBe(false);
    resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(settled).toBe(true);
  });
});
