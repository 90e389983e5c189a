/**
 * Metrics for Prometheus. A scraper sends the token of the setting KERBSIDE_METRICS_TOKEN; people
 * need the right to read them. Where there is no such setting, strangers do not learn that there is
 * anything here.
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { createMiddleware } from "hono/factory";
import type { Env } from "../env.ts";
import { isSameSecret } from "../identity/same-secret.ts";
import { listJobs } from "../jobs/clock.ts";
import { type JobSuccess, readMetrics } from "../services/metrics.ts";
import { renderMetrics } from "../telemetry/metric.ts";
import { bearerToken, hasCredential, requirePermission } from "./caller.ts";
import { problemResponses, refuse } from "./problem.ts";
import type { RouteEnv, UserRouteEnv } from "./route-env.ts";

const requireReader = requirePermission("metrics.read");

const guardMetrics = createMiddleware<UserRouteEnv>(async function guardMetrics(context, next) {
  const { metricsToken } = context.var.services.settings;
  const token = bearerToken(context);
  if (metricsToken !== null && token !== null && (await isSameSecret(token, metricsToken))) {
    await next();
    return;
  }
  if (metricsToken === null && !hasCredential(context)) {
    refuse("resource.not-found");
  }
  await requireReader(context, next);
});

const metricsRoute = createRoute({
  method: "get",
  path: "/metrics",
  operationId: "readMetrics",
  summary: "Metrics for Prometheus",
  description:
    "Counts of relays and sessions are the whole control plane's. Everything that is counted or " +
    "timed is one isolate's, which is whichever answers, and begins at zero with it. Needs the " +
    "permission `metrics.read`, or the scraper's own token.",
  security: [{ bearer: [] }, { cookie: [] }, { scraper: [] }],
  middleware: [guardMetrics] as const,
  responses: {
    200: {
      description: "In Prometheus' text form.",
      content: { "text/plain": { schema: z.string() } },
    },
    ...problemResponses("auth.forbidden", "resource.not-found"),
  },
});

export const metricsRoutes = new OpenAPIHono<RouteEnv>().openapi(metricsRoute, async (context) => {
  const text = renderMetrics(await readMetrics(context.var.services, await readJobs(context.env)));
  return context.text(text, 200, {
    "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
    "Cache-Control": "no-store",
  });
});

/** Without an answer of the clock's nothing is told of them: "never" would raise an alarm. */
async function readJobs(env: Env): Promise<readonly JobSuccess[]> {
  const states = await listJobs(env).catch(() => []);
  return states.map(({ name, run }) => ({ name, succeededAtMs: run?.succeededAtMs ?? null }));
}
