/**
 * For those who watch over the process. `/healthz` says that it answers and asks nothing else;
 * `/readyz` says whether it can do its work. Both are public: strangers learn no more than names.
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { createServiceContext } from "../context.ts";
import { logFailure } from "../log.ts";
import type { ServiceContext } from "../services/context.ts";
import { findUnready, type Unready } from "../services/health.ts";
import { problemResponses, refuse } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { json } from "./route-parts.ts";

const healthRoute = createRoute({
  method: "get",
  path: "/healthz",
  operationId: "readHealth",
  summary: "Whether the control plane's process answers",
  description: "Asks neither the database nor a relay: restart the process where this fails.",
  responses: {
    200: json("It does.", z.object({ status: z.literal("ok") }).openapi("Health")),
  },
});

const readinessRoute = createRoute({
  method: "get",
  path: "/readyz",
  operationId: "readReadiness",
  summary: "Whether the control plane can do its work",
  description:
    "Its settings are complete, its database answers and has the schema that this build needs, " +
    "and grants can be signed. Send no requests to it while this fails.",
  responses: {
    200: json("It can.", z.object({ status: z.literal("ready") }).openapi("Readiness")),
    ...problemResponses("service.not-ready"),
  },
});

/** Mounted before what opens the services, which fails where the settings are incomplete. */
export const healthRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(healthRoute, (context) => context.json({ status: "ok" as const }, 200))
  .openapi(readinessRoute, async (context) => {
    const unready = await judge(context);
    if (unready !== null) {
      const { check, reason } = unready;
      logFailure("readiness.failed", reason, { requestId: context.var.requestId, check });
      refuse("service.not-ready", `Not ready: ${check}.`);
    }
    return context.json({ status: "ready" as const }, 200);
  });

async function judge(context: Context<RouteEnv>): Promise<Unready | null> {
  let services: ServiceContext;
  try {
    services = createServiceContext(context.env);
  } catch (error) {
    return { check: "settings", reason: error };
  }
  return await findUnready(services);
}
