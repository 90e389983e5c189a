/** Jobs by the clock: when they run, and what one that fails does to others. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Job } from "../../../worker/jobs/jobs.ts";
import { JOBS } from "../../../worker/jobs/jobs.ts";
import { runJobs } from "../../../worker/jobs/run-jobs.ts";
import { readMetrics } from "../../../worker/services/metrics.ts";
import { renderMetrics } from "../../../worker/telemetry/metric.ts";
import { startControlServices } from "../../harness/control-services.ts";

const MINUTE_MS = 60_000;

afterEach(() => {
  vi.restoreAllMocks();
});

function countingJob(name: string, everyMs: number, work: () => Promise<void> = async () => {}) {
  const ran: number[] = [];
  const job: Job = {
    name,
    everyMs,
    run: async (context) => {
      ran.push(context.nowMs());
      await work();
    },
  };
  return { job, ran };
}

describe("jobs", () => {
  it("have names of their own", () => {
    const names = JOBS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("sweep-idempotency-keys");
  });

  it("run when they are due, and not before, also by a clock that is a little early", async () => {
    await using services = await startControlServices();
    const { job, ran } = countingJob("often", 10 * MINUTE_MS);
    for (let minute = 0; minute <= 20; minute += 1) {
      await runJobs(services.context, [job]);
      services.moveClock(MINUTE_MS - 50);
    }
    expect(ran).toHaveLength(3);
  });

  it("run once when two clocks call at the same time", async () => {
    await using services = await startControlServices();
    const { job, ran } = countingJob("once", MINUTE_MS);
    await Promise.all([runJobs(services.context, [job]), runJobs(services.context, [job])]);
    expect(ran).toHaveLength(1);
  });

  it("that fail are told to the log, keep no other from running, and show in the metrics", async () => {
    await using services = await startControlServices();
    const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const failing = countingJob("failing", MINUTE_MS, async () => {
      throw new Error("no luck");
    });
    const working = countingJob("working", MINUTE_MS);
    const { context } = services;
    await runJobs(context, [failing.job, working.job]);
    expect(logged.mock.calls.join()).toContain('"job":"failing"');
    expect(working.ran).toHaveLength(1);
    const text = renderMetrics(await readMetrics(context));
    const name = "kerbside_job_last_success_timestamp_seconds";
    expect(text).toContain(`${name}{job="failing"} 0`);
    expect(text).toContain(`${name}{job="working"} ${context.nowMs() / 1000}`);
    services.moveClock(MINUTE_MS);
    await runJobs(context, [failing.job]);
    expect(failing.ran).toHaveLength(2);
  });
});
