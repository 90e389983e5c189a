/** The audit trail, for who may read it. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { auditLineSchema, writeAuditLine } from "#shared/audit/audit-line.ts";
import { pageAuditTrail } from "../services/audit-trail.ts";
import { auditFilterQuery, readAuditFilter } from "./audit-filter.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { json } from "./route-parts.ts";

export const auditEventSchema = auditLineSchema
  .extend({
    data: z
      .record(z.string(), z.unknown())
      .openapi({ description: "What belongs to the type (docs/audit-events.md)." }),
  })
  .openapi("AuditEvent");

const listRoute = createRoute({
  method: "get",
  path: "/audit",
  summary: "Read the audit trail, newest first",
  description:
    "A page that was asked for with several filters may hold fewer events than its limit, or " +
    "none, though there are more: go on while there is a `nextCursor`.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("audit.read")] as const,
  request: { query: z.object({ ...pageQuery, ...auditFilterQuery }) },
  responses: {
    200: json("A page.", pageSchema(auditEventSchema).openapi("AuditPage")),
    ...problemResponses(),
  },
});

export const auditRoutes = new OpenAPIHono<RouteEnv>().openapi(listRoute, async (context) => {
  const { limit, cursor, ...query } = context.req.valid("query");
  const after = readCursor(cursorSchema, cursor);
  const filter = readAuditFilter(query);
  const page = await pageAuditTrail(context.var.services, { filter, after, limit });
  const items = page.items.map(writeAuditLine);
  return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
});

const cursorSchema = z.object({ atMs: z.int(), id: z.string() });
