/**
 * The clock: one Durable Object that runs the jobs when they are due. Its alarm rings by itself;
 * the cron trigger and the first request of each isolate only see to it that it is set. Jobs run
 * one after the other. What became of them is in its own storage, so that its memory may vanish at
 * any time.
 */
import { DurableObject } from "cloudflare:workers";
import { clockIsOn } from "../config.ts";
import { createServiceContext } from "../context.ts";
import type { Env } from "../env.ts";
import { dueJobs, type JobRun, nextRingMs, RING_AFTER_MS_MAX } from "./job-rules.ts";
import { JobStore } from "./job-store.ts";
import { type Job, JOBS } from "./jobs.ts";
import { runJob } from "./run-job.ts";

/** A job's last run, as it is told. */
export interface JobState {
  readonly name: string;
  readonly run: JobRun | null;
  readonly running: boolean;
}

export class JobClock extends DurableObject<Env> {
  readonly #store: JobStore;
  /** Jobs that run now; also those that nobody waits for any more. */
  readonly #running = new Set<string>();
  #turn: Promise<void> = Promise.resolve();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new JobStore(ctx.storage.sql);
  }

  /** RPC. Sees to it that the clock goes. */
  async wake(): Promise<void> {
    const [alarmAtMs, nowMs] = [await this.ctx.storage.getAlarm(), Date.now()];
    // One that is further away was set before the machine's clock was turned back.
    if (alarmAtMs === null || alarmAtMs > nowMs + RING_AFTER_MS_MAX) {
      await this.ctx.storage.setAlarm(nowMs);
    }
  }

  /** RPC. What is known of each job. */
  list(): JobState[] {
    const runs = this.#store.load();
    return JOBS.map(({ name }) => ({
      name,
      run: runs.get(name) ?? null,
      running: this.#running.has(name),
    }));
  }

  /** RPC. Runs a job now, when those that run have ended; false: there is none of that name. */
  async run(name: string): Promise<boolean> {
    const job = JOBS.find((listed) => listed.name === name);
    if (job !== undefined) {
      await this.#inTurn(async () => await this.#runOne(job));
    }
    return job !== undefined;
  }

  override async alarm(): Promise<void> {
    if (!clockIsOn(this.env)) {
      return;
    }
    await this.#inTurn(async () => {
      for (const job of dueJobs(this.#idleJobs(), this.#store.load(), Date.now())) {
        await this.#runOne(job);
      }
    });
    const nowMs = Date.now();
    const nextMs = nextRingMs(this.#idleJobs(), this.#store.load(), nowMs);
    await this.ctx.storage.setAlarm(Math.max(nextMs, nowMs + PAUSE_MS));
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    // A job's failure is its outcome, so this one is a bug; the next turn comes all the same.
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  /** One that still runs is not due, however long ago it began: ringing for it would never pause. */
  #idleJobs(): Job[] {
    return JOBS.filter(({ name }) => !this.#running.has(name));
  }

  /** A job whose last run outlasted its deadline and goes on is left alone. */
  async #runOne(job: Job): Promise<void> {
    if (this.#running.has(job.name)) {
      return;
    }
    this.#running.add(job.name);
    await runJob(job, this.#store.load().get(job.name), {
      openContext: () => ({
        ...createServiceContext(this.env),
        defer: (deferred) => this.ctx.waitUntil(deferred),
      }),
      nowMs: () => Date.now(),
      save: (name, run) => this.#store.save(name, run),
      settled: () => this.#running.delete(job.name),
    });
  }
}

/** Between two rounds, so that a job with endless work leaves others time. */
const PAUSE_MS = 100;
