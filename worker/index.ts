/** The Worker: what the platform calls. */
import { createApp } from "./app.ts";
import { createServiceContext } from "./context.ts";
import type { Env } from "./env.ts";
import { JOBS } from "./jobs/jobs.ts";
import { runJobs } from "./jobs/run-jobs.ts";

export { RelayHub } from "./hub/relay-hub.ts";
export { RateLimiter } from "./limits/rate-limiter.ts";

const app = createApp();

// oxlint-disable-next-line import/no-default-export -- the platform calls the default export
export default {
  fetch: app.fetch,
  scheduled: async (_event: ScheduledController, env: Env): Promise<void> => {
    await runJobs(createServiceContext(env), JOBS);
  },
};
