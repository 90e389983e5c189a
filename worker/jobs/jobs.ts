/**
 * What the control plane does by the clock: one row a job. A job may run twice, late, or at the
 * same time as another run of itself, so each is idempotent and bounded: what it does not finish
 * is left for its next run.
 */
import type { ServiceContext } from "../services/context.ts";
import { expireAllSessions } from "../services/expire-sessions.ts";
import { forgetExpiredCredentials, forgetPastTickets } from "../services/forget-credentials.ts";
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
  { name: "expire-sessions", everyMs: MINUTE_MS, run: expireAllSessions },
  ...KEY_JOBS,
  { name: "forget-credentials", everyMs: 10 * MINUTE_MS, run: forgetExpiredCredentials },
  { name: "forget-tickets", everyMs: 10 * MINUTE_MS, run: forgetPastTickets },
  { name: "sweep-session-feed", everyMs: HOUR_MS, run: sweepSessionFeed },
];
