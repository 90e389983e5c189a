/** Join tokens: each lets one new relay enrol. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import {
  issueJoinToken,
  JOIN_TOKEN_MINUTES_MAX,
  JOIN_TOKEN_TTL_MS,
  pageJoinTokens,
  revokeJoinToken,
} from "../services/join-tokens.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { newestCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, valueOf } from "./problem.ts";
import { dropEmptyBody } from "./request-guards.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, optionalJsonBody, relayNameSchema } from "./route-parts.ts";
import { formatTime, timeSchema } from "./times.ts";

const wishSchema = z
  .strictObject({
    name: relayNameSchema
      .optional()
      .openapi({ description: "The name that the relay must have; absent: any." }),
    siteId: idSchema
      .optional()
      .openapi({ description: "The site that the relay will belong to; absent: the default." }),
    minutes: z
      .int()
      .min(1)
      .max(JOIN_TOKEN_MINUTES_MAX)
      .optional()
      .openapi({ description: `How long it is good; absent: ${JOIN_TOKEN_TTL_MS / 60_000}.` }),
  })
  .default({})
  .openapi("JoinTokenRequest");

const createTokenRoute = createRoute({
  method: "post",
  path: "/relays/join-tokens",
  summary: "Make a join token: it lets one new relay enrol, within minutes",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage"), dropEmptyBody] as const,
  request: { body: optionalJsonBody(wishSchema) },
  responses: {
    201: json(
      "The token; it is not shown again.",
      z.object({ id: z.string(), token: z.string(), expiresAt: timeSchema }).openapi("JoinToken"),
    ),
    ...problemResponses(),
  },
});

const pendingSchema = z
  .object({
    id: z.string(),
    name: z.string().nullable().openapi({ description: "The name that the relay must have." }),
    site: z
      .object({ id: z.string(), name: z.string() })
      .nullable()
      .openapi({ description: "The site that the relay will belong to; null: the default." }),
    createdBy: z.object({ id: z.string(), username: z.string() }),
    createdAt: timeSchema,
    expiresAt: timeSchema,
  })
  .openapi("PendingJoinToken");

const listTokensRoute = createRoute({
  method: "get",
  path: "/relays/join-tokens",
  summary: "List the join tokens that can still be used, newest first",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.read")] as const,
  request: { query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(pendingSchema).openapi("JoinTokenPage")),
    ...problemResponses(),
  },
});

const revokeTokenRoute = createRoute({
  method: "delete",
  path: "/relays/join-tokens/{id}",
  summary: "Revoke a join token that was not used yet",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "No relay can enrol with it any more." },
    ...problemResponses("resource.not-found"),
  },
});

export const joinTokenRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(createTokenRoute, async (context) => {
    const { services, user } = context.var;
    // Without a body the validator leaves an empty object, and not the schema's default.
    const wish = context.req.valid("json");
    const issued = valueOf(await issueJoinToken(services, user, wish));
    const { id, joinToken: token, expiresAtMs } = issued;
    return context.json({ id, token, expiresAt: formatTime(expiresAtMs) }, 201);
  })
  .openapi(listTokensRoute, async (context) => {
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(newestCursor, cursor);
    const page = await pageJoinTokens(context.var.services, { after, limit });
    const items = page.items.map(formatPending);
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(revokeTokenRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await revokeJoinToken(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  });

function formatPending(
  row: Awaited<ReturnType<typeof pageJoinTokens>>["items"][number],
): z.infer<typeof pendingSchema> {
  const { siteId, siteName } = row;
  return {
    id: row.id,
    name: row.name,
    site: siteId === null || siteName === null ? null : { id: siteId, name: siteName },
    createdBy: { id: row.createdBy, username: row.createdByName },
    createdAt: formatTime(row.createdAtMs),
    expiresAt: formatTime(row.expiresAtMs),
  };
}
