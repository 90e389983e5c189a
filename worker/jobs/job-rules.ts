/** Which jobs are due, and when the clock has to ring next, pure. */
import type { Job } from "./jobs.ts";

/** What is kept of a job between its runs; times in milliseconds since 1970. */
export interface JobRun {
  readonly startedAtMs: number;
  /** How long it took; null while it runs, or when the clock was ended in the middle of it. */
  readonly durationMs: number | null;
  readonly succeededAtMs: number | null;
  /** Why the last run failed; null when it did not. */
  readonly error: string | null;
  /** It stopped at its bound, with more to do. */
  readonly again: boolean;
}

type JobRuns = ReadonlyMap<string, JobRun>;

/** The jobs whose time has come, in the order of the table. */
export function dueJobs(jobs: readonly Job[], runs: JobRuns, nowMs: number): Job[] {
  return jobs.filter((job) => comesAtMs(job, runs.get(job.name), nowMs) <= nowMs);
}

/** When the clock looks next: when the first of the jobs is due, or before. */
export function nextRingMs(jobs: readonly Job[], runs: JobRuns, nowMs: number): number {
  const next = Math.min(...jobs.map((job) => comesAtMs(job, runs.get(job.name), nowMs)));
  return Math.min(Math.max(next, nowMs), nowMs + RING_AFTER_MS_MAX);
}

/** A job that never ran is due at once. */
export function dueAtMs(job: Job, run: JobRun | undefined): number {
  if (run === undefined) {
    return 0;
  }
  return run.again ? run.startedAtMs : run.startedAtMs + job.everyMs;
}

/** One that ran after now is due at once too: the machine's clock was turned back. */
function comesAtMs(job: Job, run: JobRun | undefined, nowMs: number): number {
  return run !== undefined && run.startedAtMs > nowMs ? nowMs : dueAtMs(job, run);
}

/** The clock looks at least so often: a job that runs past its deadline tells nobody when it ends. */
export const RING_AFTER_MS_MAX = 10_000;
