/**
 * What the control plane does by the clock: one row a job. A job may run twice, late, or at the
 * same time as another run of itself, so each is idempotent and bounded: what it does not finish
 * is left for its next run.
 */
import { makeCheckpoint } from "../services/audit-checkpoints.ts";
import { applyRetention } from "../services/audit-retention.ts";
import { confirmRelays } from "../services/confirm-relays.ts";
import { expireCredentials } from "../services/expire-credentials.ts";
import { deliverWebhooks } from "../services/webhook-delivery.ts";
import { chainOlderEvents } from "../services/audit-legacy.ts";
import type { ServiceContext } from "../services/context.ts";
import { tendDenials } from "../services/denials.ts";
import { expireAllSessions } from "../services/unopened-sessions.ts";
import { sweepSessionFeed } from "../services/session-feed.ts";
import { KEY_JOBS } from "./key-jobs.ts";

export interface Job {
  /** Stable: its last run is kept under this name. */
  readonly name: string;
  /** The least time between two runs, in milliseconds. */
  readonly everyMs: number;
  /** What it does, for people who read the list of jobs. */
  readonly summary?: string;
  readonly run: (context: ServiceContext) => Promise<JobOutcome | void>;
}

/** What a run may tell besides that it is over. */
export interface JobOutcome {
  /** It stopped at its bound, with more to do: it is run again at once. */
  readonly again: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export const JOBS: readonly Job[] = [
  {
    name: "deliver-webhooks",
    everyMs: 10_000,
    summary: "sends audit events to webhooks",
    run: deliverWebhooks,
  },
  {
    name: "chain-older-events",
    everyMs: 5 * MINUTE_MS,
    summary: "puts audit events that a version without chains stored into one",
    run: chainOlderEvents,
  },
  {
    name: "sign-audit-checkpoint",
    everyMs: 5 * MINUTE_MS,
    summary: "checks the audit trail's new links and signs where its chains end",
    run: makeCheckpoint,
  },
  {
    name: "apply-audit-retention",
    everyMs: 60 * MINUTE_MS,
    summary: "deletes audit events that retention does not keep, and thins out old checkpoints",
    run: applyRetention,
  },
  {
    name: "expire-sessions",
    everyMs: MINUTE_MS,
    summary: "ends sessions that nobody opened in time, also where no hub looks after them",
    run: expireAllSessions,
  },
  {
    // A denial that a relay could not be told of is told again as soon as the clock lets it.
    name: "tend-denials",
    everyMs: MINUTE_MS,
    summary: "tells relays of denials that they missed, and forgets those that are over",
    run: tendDenials,
  },
  ...KEY_JOBS,
  {
    name: "sweep-session-feed",
    everyMs: HOUR_MS,
    summary: "forgets changes of sessions that nobody follows any more",
    run: sweepSessionFeed,
  },
  {
    name: "expire-credentials",
    everyMs: 10 * MINUTE_MS,
    summary:
      "deletes logins, tokens, tickets, links, idempotency keys and deliveries that are over",
    run: expireCredentials,
  },
  {
    name: "confirm-relays",
    everyMs: 15 * MINUTE_MS,
    summary: "asks the hub of every relay that is shown online whether it is",
    run: confirmRelays,
  },
];
