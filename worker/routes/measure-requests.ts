/** Counts and times every request by its route. */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { routePath } from "hono/route";
import { httpDurations, httpRequests, tickets } from "../telemetry/measures.ts";
import { ProblemError } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";

/** The outermost middleware. The clock of Workers stands still while nothing is waited for. */
export const measureRequests = createMiddleware<RouteEnv>(
  async function measureRequests(context, next) {
    const startMs = Date.now();
    await next();
    const method = METHODS.has(context.req.method) ? context.req.method : "other";
    const route = routeOf(context);
    httpRequests.add({ method, route, status: String(context.res.status) });
    httpDurations.observe({ method, route }, (Date.now() - startMs) / 1000);
    if (method === "POST" && route === TICKET_ROUTE) {
      countTicket(context);
    }
  },
);

/** The pattern that matched; a path of nobody's choosing never becomes a label. */
function routeOf(context: Context<RouteEnv>): string {
  const path = routePath(context);
  return path.includes("*") || path === "" ? "none" : path;
}

function countTicket(context: Context<RouteEnv>): void {
  const { error, res } = context;
  if (res.headers.has("Idempotency-Replayed")) {
    return;
  }
  const refused = error instanceof ProblemError ? error.failure.code : String(res.status);
  tickets.add({ outcome: res.status === 201 ? "issued" : refused });
}

const TICKET_ROUTE = "/api/v1/consoles/:id/tickets";
const METHODS: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
]);
