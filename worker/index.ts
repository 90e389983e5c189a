/** The Worker: what the platform calls. */
import { createApp } from "./app.ts";
import type { Env } from "./env.ts";
import { wakeClock } from "./jobs/clock.ts";

export { RelayHub } from "./hub/relay-hub.ts";
export { JobClock } from "./jobs/job-clock.ts";
export { RateLimiter } from "./limits/rate-limiter.ts";

const app = createApp();

// oxlint-disable-next-line import/no-default-export -- the platform calls the default export
export default {
  fetch: app.fetch,
  scheduled: async (_event: ScheduledController, env: Env): Promise<void> => {
    await wakeClock(env);
  },
};
