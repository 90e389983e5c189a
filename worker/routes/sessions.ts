/** Sessions: what they did, and ending one. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { pageSessions, readSession, terminateSession } from "../services/sessions.ts";
import { requirePermission } from "./caller.ts";
import { ID_CHARACTERS_MAX } from "./id-bounds.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { formatOptionalTime, formatTime, timeSchema } from "./times.ts";

const named = z.object({ id: z.string(), name: z.string() });

const sessionSchema = z
  .object({
    id: z.string(),
    state: z.enum(["pending", "active", "ended"]),
    console: named,
    user: z.object({ id: z.string(), username: z.string() }),
    relay: named.nullable(),
    clientAddress: z.string().nullable(),
    createdAt: timeSchema,
    openedAt: timeSchema.nullable(),
    endedAt: timeSchema.nullable(),
    endReason: z.string().nullable(),
    endDetail: z.string().nullable().openapi({ description: "Admins only; null for others." }),
    refusedCode: z
      .string()
      .nullable()
      .openapi({
        description:
          "Why its relay refused its main channel last, or why it had to end as soon as it was " +
          "open: a code; null when neither was so.",
      }),
    clientBytes: z.int().openapi({ description: "Bytes from the client." }),
    serverBytes: z.int().openapi({ description: "Bytes from the console." }),
  })
  .openapi("Session");

const idParams = z.object({ id: z.string().max(ID_CHARACTERS_MAX) });

const listRoute = createRoute({
  method: "get",
  path: "/sessions",
  summary: "List the caller's sessions, newest first; everybody's for who may read them",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sessions.read")] as const,
  request: { query: z.object(pageQuery) },
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
      description: "The session.",
      content: { "application/json": { schema: sessionSchema } },
    },
    ...problemResponses("auth.required", "resource.not-found", "request.invalid"),
  },
});

const terminationSchema = z
  .object({ sessionId: z.string(), state: z.enum(["ending", "ended"]) })
  .openapi("Termination");

const terminateRoute = createRoute({
  method: "post",
  path: "/sessions/{id}/terminate",
  summary: "End a session",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sessions.end")] as const,
  request: { params: idParams },
  responses: {
    200: {
      description: "It has ended already.",
      content: { "application/json": { schema: terminationSchema } },
    },
    202: {
      description: "Its relay was told to end it.",
      content: { "application/json": { schema: terminationSchema } },
    },
    ...problemResponses(
      "auth.required",
      "auth.forbidden",
      "request.cross-origin",
      "request.invalid",
      "resource.not-found",
      "control.offline",
      "control.hub-silent",
      "control.ack-timeout",
      "control.queue-full",
    ),
  },
});

export const sessionRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(cursorSchema, cursor);
    const page = await pageSessions(services, user, { after, limit });
    const items = page.items.map(formatSession);
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(readRoute, async (context) => {
    const { services, user } = context.var;
    const found = valueOf(await readSession(services, user, context.req.valid("param").id));
    return context.json(formatSession(found), 200);
  })
  .openapi(terminateRoute, async (context) => {
    const { services, user } = context.var;
    const { id } = context.req.valid("param");
    const outcome = valueOf(await terminateSession(services, user, id));
    return outcome === "ended"
      ? context.json({ sessionId: id, state: "ended" as const }, 200)
      : context.json({ sessionId: id, state: "ending" as const }, 202);
  });

type SessionView = Awaited<ReturnType<typeof pageSessions>>["items"][number];

function formatSession(row: SessionView): z.infer<typeof sessionSchema> {
  const { relayId, relayName } = row;
  return {
    id: row.id,
    state: row.state,
    console: { id: row.consoleId, name: row.consoleName },
    user: { id: row.userId, username: row.username },
    relay: relayId === null || relayName === null ? null : { id: relayId, name: relayName },
    clientAddress: row.clientAddress,
    createdAt: formatTime(row.createdAtMs),
    openedAt: formatOptionalTime(row.openedAtMs),
    endedAt: formatOptionalTime(row.endedAtMs),
    endReason: row.endReason,
    endDetail: row.endDetail,
    refusedCode: row.refusedCode,
    clientBytes: row.clientBytes,
    serverBytes: row.serverBytes,
  };
}

const cursorSchema = z.object({ createdAtMs: z.int(), id: z.string() });
