/**
 * What the platform hands to the Worker. The settings among it are read in config.ts. Secrets come
 * from the platform's secret store and never from the database.
 */
import type { RelayHub } from "./hub/relay-hub.ts";
import type { JobClock } from "./jobs/job-clock.ts";
import type { RateLimiter } from "./limits/rate-limiter.ts";
import type { SettingValues } from "./settings.ts";

/** The bindings as the platform hands them over: settings of settings.ts, objects of deployment.ts. */
export interface Env extends SettingValues {
  readonly HUB: DurableObjectNamespace<RelayHub>;
  readonly LIMITS: DurableObjectNamespace<RateLimiter>;
  readonly CLOCK: DurableObjectNamespace<JobClock>;
  /** A service that reaches public addresses only; absent: the Worker's own way out. */
  readonly WEBHOOK_EGRESS?: Fetcher;
}
