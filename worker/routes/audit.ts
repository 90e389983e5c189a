/** The audit trail, for admins. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import {
  ACTOR_KINDS,
  type AuditEventType,
  type AuditRecord,
  auditEventSchema,
  firewallFindingSchema,
} from "#shared/audit/events.ts";
import { pageAuditTrail } from "../services/audit-trail.ts";
import { requirePermission } from "./caller.ts";
import { ID_CHARACTERS_MAX } from "./id-bounds.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { formatTime, timeSchema } from "./times.ts";

const eventTypes: AuditEventType[] = auditEventSchema.options.map(
  (option) => option.shape.type.value,
);

const auditSchema = z
  .object({
    id: z.string(),
    at: timeSchema,
    type: z.enum(eventTypes),
    actor: z.object({ kind: z.enum(ACTOR_KINDS), id: z.string().nullable() }),
    address: z.string().nullable(),
    requestId: z.string().nullable(),
    consoleId: z.string().nullable(),
    sessionId: z.string().nullable(),
    relayId: z.string().nullable(),
    data: z
      .record(
        z.string(),
        z.union([z.string(), z.number(), z.boolean(), z.array(firewallFindingSchema)]),
      )
      .openapi({ description: "What belongs to the type." }),
  })
  .openapi("AuditEvent");

const idFilter = z.string().min(1).max(ID_CHARACTERS_MAX).optional();

const listRoute = createRoute({
  method: "get",
  path: "/audit",
  summary: "Read the audit trail, newest first",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("audit.read")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      consoleId: idFilter,
      sessionId: idFilter,
      relayId: idFilter,
      type: z.enum(eventTypes).optional(),
    }),
  },
  responses: {
    200: {
      description: "A page.",
      content: { "application/json": { schema: pageSchema(auditSchema).openapi("AuditPage") } },
    },
    ...problemResponses("auth.required", "auth.forbidden", "request.invalid"),
  },
});

export const auditRoutes = new OpenAPIHono<RouteEnv>().openapi(listRoute, async (context) => {
  const { limit, cursor, ...filter } = context.req.valid("query");
  const after = readCursor(cursorSchema, cursor);
  const page = await pageAuditTrail(context.var.services, { filter, after, limit });
  const items = page.items.map(formatRecord);
  return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
});

function formatRecord(record: AuditRecord): z.infer<typeof auditSchema> {
  const { event, atMs, actorKind, actorId, ...rest } = record;
  return {
    ...rest,
    at: formatTime(atMs),
    type: event.type,
    actor: { kind: actorKind, id: actorId },
    data: { ...event.data },
  };
}

const cursorSchema = z.object({ atMs: z.int(), id: z.string() });
