/** Sessions: which there are, and what they did. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { pageSessions, readSession } from "../services/sessions.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { newestCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json } from "./route-parts.ts";
import {
  formatSession,
  formatSessionDetail,
  sessionDetailSchema,
  sessionSchema,
} from "./session-fields.ts";
import { parseOptionalTime, timeSchema } from "./times.ts";

const listRoute = createRoute({
  method: "get",
  path: "/sessions",
  summary: "List the caller's sessions and those of consoles that they own, newest first",
  description:
    "Everybody's for who may read them. A page may hold fewer than `limit`, even none: `nextCursor` " +
    "says whether there are more.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sessions.read")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      state: z
        .enum(["pending", "active", "ended", "live"])
        .optional()
        .openapi({ description: "`live` is pending or active." }),
      consoleId: idSchema.optional(),
      userId: idSchema.optional(),
      relayId: idSchema.optional(),
      from: timeSchema.optional().openapi({ description: "Created then or later." }),
      to: timeSchema.optional().openapi({ description: "Created before." }),
    }),
  },
  responses: {
    200: json("A page.", pageSchema(sessionSchema).openapi("SessionPage")),
    ...problemResponses(),
  },
});

const readRoute = createRoute({
  method: "get",
  path: "/sessions/{id}",
  summary: "Read a session",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sessions.read")] as const,
  request: { params: idParams },
  responses: {
    200: json("The session, with its channels.", sessionDetailSchema),
    ...problemResponses("resource.not-found"),
  },
});

export const sessionRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor, from, to, ...rest } = context.req.valid("query");
    const after = readCursor(newestCursor, cursor);
    const filter = { ...rest, fromMs: parseOptionalTime(from), toMs: parseOptionalTime(to) };
    const page = await pageSessions(services, user, { filter, after, limit });
    const items = page.items.map(formatSession);
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(readRoute, async (context) => {
    const { services, user } = context.var;
    const found = valueOf(await readSession(services, user, context.req.valid("param").id));
    return context.json(formatSessionDetail(found), 200);
  });
