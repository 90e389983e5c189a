/** Sessions: which there are, and what they did. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { pageSessions, readSession } from "../services/sessions.ts";
import { requirePermission } from "./caller.ts";
import { ID_CHARACTERS_MAX } from "./id-bounds.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import {
  formatSession,
  formatSessionDetail,
  sessionDetailSchema,
  sessionSchema,
} from "./session-fields.ts";
import { parseOptionalTime, timeSchema } from "./times.ts";

const idFilter = z.string().min(1).max(ID_CHARACTERS_MAX).optional();

const idParams = z.object({ id: z.string().max(ID_CHARACTERS_MAX) });

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
      consoleId: idFilter,
      userId: idFilter,
      relayId: idFilter,
      from: timeSchema.optional().openapi({ description: "Created then or later." }),
      to: timeSchema.optional().openapi({ description: "Created before." }),
    }),
  },
  responses: {
    200: {
      description: "A page.",
      content: {
        "application/json": { schema: pageSchema(sessionSchema).openapi("SessionPage") },
      },
    },
    ...problemResponses("auth.required", "request.invalid"),
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
    200: {
      description: "The session, with its channels.",
      content: { "application/json": { schema: sessionDetailSchema } },
    },
    ...problemResponses("auth.required", "resource.not-found", "request.invalid"),
  },
});

export const sessionRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor, from, to, ...rest } = context.req.valid("query");
    const after = readCursor(cursorSchema, cursor);
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

const cursorSchema = z.object({ createdAtMs: z.int(), id: z.string() });
