/** What the audit trail is verified with: its links in order, the chains' heads, the checkpoints. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { writeAuditLine } from "#shared/audit/audit-line.ts";
import { checkpointLineSchema, headLineSchema, trailKeysSchema } from "#shared/audit/trail-file.ts";
import {
  CHECKPOINTS_AT_ONCE,
  pageCheckpoints,
  pageHeads,
  readTrailKeys,
} from "../services/audit-chains.ts";
import { pageChainLinks } from "../services/audit-trail.ts";
import { auditEventSchema } from "./audit.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { json } from "./route-parts.ts";

const route = <Path extends string, Query extends z.ZodRawShape, Answer extends z.ZodType>(
  { path, ...texts }: { path: Path; summary: string; description?: string },
  query: z.ZodObject<Query>,
  schema: Answer,
) =>
  createRoute({
    method: "get",
    path,
    ...texts,
    security: LOGIN_SECURITY,
    middleware: [requirePermission("audit.read")] as const,
    request: { query },
    responses: {
      200: json("A page.", schema),
      ...problemResponses(),
    },
  });

const linksRoute = route(
  {
    path: "/audit/links",
    summary: "Read the audit trail in the order of its chains, each from its first link on",
  },
  z.object(pageQuery),
  pageSchema(auditEventSchema).openapi("AuditLinkPage"),
);

const headsRoute = route(
  { path: "/audit/heads", summary: "List where the audit trail's chains end" },
  z.object(pageQuery),
  pageSchema(headLineSchema.extend({}).openapi("AuditHead")),
);

const checkpointsRoute = route(
  {
    path: "/audit/checkpoints",
    summary: "List the signed checkpoints of the audit trail, oldest first",
    description:
      `A page holds at most ${CHECKPOINTS_AT_ONCE}, whatever its limit, because a checkpoint ` +
      "has a line for each chain.",
  },
  z.object(pageQuery),
  pageSchema(checkpointLineSchema.extend({}).openapi("AuditCheckpoint")),
);

const keysRoute = route(
  {
    path: "/audit/keys",
    summary: "Read the public keys that checkpoints are signed with, as a JWK set",
  },
  z.object({}),
  trailKeysSchema.extend({}).openapi("AuditKeys"),
);

export const auditChainRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(linksRoute, async (context) => {
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(linkCursor, cursor);
    const page = await pageChainLinks(context.var.services, { after, limit });
    const items = page.items.map(writeAuditLine);
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(headsRoute, async (context) => {
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(headCursor, cursor)?.writer ?? null;
    const { items, next } = await pageHeads(context.var.services, after, limit);
    const nextCursor = writeCursor(next === null ? null : { writer: next });
    return context.json({ items: [...items], nextCursor }, 200);
  })
  .openapi(checkpointsRoute, async (context) => {
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(checkpointCursor, cursor)?.number ?? null;
    const { items, next } = await pageCheckpoints(context.var.services, after, limit);
    const nextCursor = writeCursor(next === null ? null : { number: next });
    return context.json({ items: [...items], nextCursor }, 200);
  })
  .openapi(keysRoute, async (context) =>
    context.json(await readTrailKeys(context.var.services), 200),
  );

const linkCursor = z.object({ writer: z.string(), seq: z.int() });
const headCursor = z.object({ writer: z.string() });
const checkpointCursor = z.object({ number: z.int() });
