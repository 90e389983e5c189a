/** Runs one job within its deadline and keeps what became of it; a failure is an outcome. */
import { withDeadline } from "../hub/with-deadline.ts";
import { describeFailure, logFailure } from "../log.ts";
import type { ServiceContext } from "../services/context.ts";
import type { JobRun } from "./job-rules.ts";
import type { Job } from "./jobs.ts";

export interface JobPorts {
  /** A new context: one for each run. */
  readonly openContext: () => ServiceContext;
  readonly nowMs: () => number;
  /** Keeps what is known of the run: once when it begins, once when it has ended. */
  readonly save: (name: string, run: JobRun) => void;
  /** The job has really ended, which may be long after its deadline. */
  readonly settled: () => void;
}

/** Ends with the job, or with its deadline. @param before its last run. */
export async function runJob(job: Job, before: JobRun | undefined, ports: JobPorts): Promise<void> {
  const startedAtMs = ports.nowMs();
  const succeededAtMs = before?.succeededAtMs ?? null;
  const error = before?.error ?? null;
  const run = { startedAtMs, durationMs: null, succeededAtMs, error, again: false };
  ports.save(job.name, run);
  let ended: Pick<JobRun, "succeededAtMs" | "error" | "again">;
  try {
    const outcome = await withDeadline(perform(job, ports), JOB_DEADLINE_MS);
    ended = { succeededAtMs: ports.nowMs(), error: null, again: outcome?.again ?? false };
  } catch (failure) {
    logFailure("job.failed", failure, { job: job.name });
    ended = { succeededAtMs, error: describeFailure(failure), again: false };
  }
  ports.save(job.name, { startedAtMs, ...ended, durationMs: ports.nowMs() - startedAtMs });
}

async function perform(job: Job, { openContext, settled }: JobPorts) {
  try {
    return (await job.run(openContext())) ?? null;
  } finally {
    settled();
  }
}

/** Each job is bounded far below; this is for a database or a webhook that answers nothing. */
const JOB_DEADLINE_MS = 60_000;
