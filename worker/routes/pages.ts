/** What is served besides the API: a page that says what this is, and whether it works. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { checkHealth } from "../services/health.ts";
import { problemResponses } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";

const healthRoute = createRoute({
  method: "get",
  path: "/healthz",
  summary: "Whether the control plane and its database answer",
  responses: {
    200: {
      description: "Both do.",
      content: { "application/json": { schema: z.object({ status: z.literal("ok") }) } },
    },
    ...problemResponses("database.unavailable"),
  },
});

export const pageRoutes = new OpenAPIHono<RouteEnv>().openapi(healthRoute, async (context) => {
  await checkHealth(context.var.services);
  return context.json({ status: "ok" as const }, 200);
});

pageRoutes.get("/", (context) => context.html(FRONT_PAGE));

const FRONT_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Kerbside</title>
  </head>
  <body>
    <main>
      <h1>Kerbside</h1>
      <p>A control plane that gives people the SPICE consoles of their virtual machines.</p>
      <p>Its API is described in <a href="/api/v1/openapi.json">/api/v1/openapi.json</a> (OpenAPI 3.1).</p>
    </main>
  </body>
</html>
`;
