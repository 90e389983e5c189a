/** Runs jobs, each by itself: one that fails keeps no other from running. */
import { logFailure } from "../log.ts";
import type { ServiceContext } from "../services/context.ts";
import type { Job } from "./jobs.ts";

/** Runs the jobs one after the other, and tells the log which of them failed. */
export async function runJobs(context: ServiceContext, jobs: readonly Job[]): Promise<void> {
  for (const { name, run } of jobs) {
    try {
      await run(context);
    } catch (error) {
      logFailure("job.failed", error, { job: name });
    }
  }
}
