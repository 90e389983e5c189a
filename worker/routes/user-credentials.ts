/** The logins and API tokens of a user, for those who manage people. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { endApiToken, pageApiTokens } from "../services/api-tokens.ts";
import { endLogin, endLogins, pageLogins } from "../services/logins.ts";
import { readUser } from "../services/users.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { newestCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import {
  apiTokenSchema,
  endedSchema,
  formatApiToken,
  formatLogin,
  loginSchema,
} from "./people-fields.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json } from "./route-parts.ts";

const listLoginsRoute = createRoute({
  method: "get",
  path: "/users/{id}/logins",
  summary: "List a user's logins, newest first",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.read")] as const,
  request: { params: idParams, query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(loginSchema).openapi("LoginPage")),
    ...problemResponses("resource.not-found"),
  },
});

const endLoginRoute = createRoute({
  method: "delete",
  path: "/users/{id}/logins/{loginId}",
  summary: "End one of a user's logins",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { params: idParams.extend({ loginId: idSchema }) },
  responses: {
    204: { description: "Ended." },
    ...problemResponses("resource.not-found"),
  },
});

const endLoginsRoute = createRoute({
  method: "delete",
  path: "/users/{id}/logins",
  summary: "End all of a user's logins",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { params: idParams },
  responses: {
    200: json("Ended.", endedSchema),
    ...problemResponses("resource.not-found"),
  },
});

const listTokensRoute = createRoute({
  method: "get",
  path: "/users/{id}/tokens",
  summary: "List a user's API tokens, newest first",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.read")] as const,
  request: { params: idParams, query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(apiTokenSchema).openapi("ApiTokenPage")),
    ...problemResponses("resource.not-found"),
  },
});

const revokeTokenRoute = createRoute({
  method: "delete",
  path: "/users/{id}/tokens/{tokenId}",
  summary: "Revoke one of a user's API tokens",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { params: idParams.extend({ tokenId: idSchema }) },
  responses: {
    204: { description: "Revoked." },
    ...problemResponses("resource.not-found"),
  },
});

export const userCredentialRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listLoginsRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor } = context.req.valid("query");
    const { id: userId } = valueOf(await readUser(services, context.req.valid("param").id));
    const after = readCursor(newestCursor, cursor);
    const page = await pageLogins(services, { userId, after, limit });
    const items = page.items.map((login) => formatLogin(login, user.credential.id));
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(endLoginRoute, async (context) => {
    const { services, user } = context.var;
    const { id: userId, loginId: id } = context.req.valid("param");
    valueOf(await endLogin(services, user, { id, userId }));
    return context.body(null, 204);
  })
  .openapi(endLoginsRoute, async (context) => {
    const { services, user } = context.var;
    const { id: userId } = valueOf(await readUser(services, context.req.valid("param").id));
    const ended = await endLogins(services, user, { userId, exceptLoginId: null });
    return context.json({ ended }, 200);
  })
  .openapi(listTokensRoute, async (context) => {
    const { services } = context.var;
    const { limit, cursor } = context.req.valid("query");
    const { id: userId } = valueOf(await readUser(services, context.req.valid("param").id));
    const after = readCursor(newestCursor, cursor);
    const page = await pageApiTokens(services, { userId, after, limit });
    const items = page.items.map(formatApiToken);
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(revokeTokenRoute, async (context) => {
    const { services, user } = context.var;
    const { id: userId, tokenId: id } = context.req.valid("param");
    valueOf(await endApiToken(services, user, { id, userId }));
    return context.body(null, 204);
  });
