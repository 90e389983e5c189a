/**
 * What the control plane does by the clock: one row a job. A job may run twice, late, or at the
 * same time as another run of itself, so each is idempotent and bounded: what it does not finish
 * is left for its next run.
 */
import { forgetExpiredCredentials } from "../services/forget-credentials.ts";
import type { ServiceContext } from "../services/context.ts";
import { sweepIdempotencyKeys } from "../services/idempotency.ts";
import { sweepSessionFeed } from "../services/session-feed.ts";
import { KEY_JOBS } from "./key-jobs.ts";

export interface Job {
  /** Stable: its last run is kept under this name. */
  readonly name: string;
  /** The least time between two runs, in milliseconds. */
  readonly everyMs: number;
  readonly run: (context: ServiceContext) => Promise<void>;
}

const MINUTE_MS = 60 * 1000;
const HOUR_MS = 60 * MINUTE_MS;

export const JOBS: readonly Job[] = [
  ...KEY_JOBS,
  { name: "sweep-idempotency-keys", everyMs: 10 * MINUTE_MS, run: sweepIdempotencyKeys },
  { name: "forget-credentials", everyMs: 10 * MINUTE_MS, run: forgetExpiredCredentials },
  { name: "sweep-session-feed", everyMs: HOUR_MS, run: sweepSessionFeed },
];
