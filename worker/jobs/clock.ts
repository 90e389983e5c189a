/**
 * The way to the clock's Durable Object, of which there is one: waking it, and asking it. Waking is
 * for hosts without cron triggers, where nothing else would ever make the object.
 */
import { clockIsOn } from "../config.ts";
import type { Env } from "../env.ts";
import { withDeadline } from "../hub/with-deadline.ts";
import { logFailure } from "../log.ts";
import type { JobState } from "./job-clock.ts";

type ClockEnv = Pick<Env, "CLOCK" | "KERBSIDE_JOBS">;

/** Sees to it that jobs are run by the clock; does nothing where the settings say otherwise. */
export async function wakeClock(env: ClockEnv): Promise<void> {
  if (clockIsOn(env)) {
    await withDeadline(clockOf(env).wake(), ANSWER_DEADLINE_MS);
  }
}

/** As {@link wakeClock}, with the first request of each isolate; later ones cost nothing. */
export function wakeClockOnce(env: ClockEnv, defer: (work: Promise<unknown>) => void): void {
  if (awake) {
    return;
  }
  awake = true;
  const waking = wakeClock(env).catch((error: unknown) => {
    awake = false;
    logFailure("clock.asleep", error, {});
  });
  defer(waking);
}

/** What is known of each job. */
export async function listJobs(env: ClockEnv): Promise<readonly JobState[]> {
  return await withDeadline(clockOf(env).list() as Promise<JobState[]>, ANSWER_DEADLINE_MS);
}

/** Has a job run when those that run have ended. Resolves when it has ended, or at its deadline. */
export async function runJobNow(env: ClockEnv, name: string): Promise<void> {
  await clockOf(env).run(name);
}

function clockOf(env: ClockEnv) {
  return env.CLOCK.get(env.CLOCK.idFromName(CLOCK_NAME));
}

/** Whether this isolate has woken the clock: a hint that outlives requests, and nothing else. */
let awake = false;

const CLOCK_NAME = "clock";
/** The object answers at once; this is for one that is being moved. */
const ANSWER_DEADLINE_MS = 5_000;
