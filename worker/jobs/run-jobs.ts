/** Runs jobs that are due, each by itself: one that fails keeps no other from running. */
import { logFailure } from "../log.ts";
import { beginJobRun, recordJobSuccess } from "../repositories/job-runs.ts";
import type { ServiceContext } from "../services/context.ts";
import type { Job } from "./jobs.ts";

/**
 * Runs the jobs that are due one after the other, and tells the log which of them failed. A job
 * that failed is due again when its time has passed, like one that did not.
 */
export async function runJobs(context: ServiceContext, jobs: readonly Job[]): Promise<void> {
  const { database } = context;
  for (const { name, everyMs, run } of jobs) {
    try {
      const startedAtMs = context.nowMs();
      const lastBeforeMs = startedAtMs - everyMs + PUNCTUALITY_MS;
      if (await beginJobRun(database, { name, startedAtMs, lastBeforeMs })) {
        await run(context);
        await recordJobSuccess(database, { name, succeededAtMs: context.nowMs() });
      }
    } catch (error) {
      logFailure("job.failed", error, { job: name });
    }
  }
}

/** The clock that calls this is no more exact; a job of a minute must not run every other one. */
const PUNCTUALITY_MS = 5_000;
