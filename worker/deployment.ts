/**
 * What every host of the Worker has to know alike: wrangler.toml for Cloudflare (a test compares),
 * Miniflare for `npm start`, plain workerd for `npm run selfhost`.
 */

/** Durable Objects are stored under this name and their class's; another one would lose them. */
export const WORKER_NAME = "kerbside";

/** The runtime's behaviour that the code was written against. */
export const COMPATIBILITY_DATE = "2026-10-23";

/**
 * The Durable Object classes that worker/index.ts exports, each with its binding in `Env`. All keep
 * their storage in SQLite. Cloudflare also wants each new class in a migration of wrangler.toml.
 */
export const DURABLE_OBJECTS = [
  { binding: "HUB", className: "RelayHub" },
  { binding: "LIMITS", className: "RateLimiter" },
  { binding: "CLOCK", className: "JobClock" },
] as const;

/**
 * The binding of `Env` for a service that reaches public addresses only, whatever a name resolves
 * to. Hosts whose own network lets private addresses be reached have to give it.
 */
export const PUBLIC_EGRESS_BINDING = "WEBHOOK_EGRESS";
