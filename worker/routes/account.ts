/** The caller's own account: who they are, their password, their logins and their API tokens. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { PERMISSIONS } from "../identity/permissions.ts";
import { changeOwnPassword, readAccount } from "../services/account.ts";
import {
  createApiToken,
  endApiToken,
  pageApiTokens,
  TOKEN_LIFE_DAYS_MAX,
  TOKEN_NAME_CHARACTERS_MAX,
} from "../services/api-tokens.ts";
import { endLogin, endLogins, pageLogins } from "../services/logins.ts";
import { PASSWORD_CHARACTERS_MAX } from "../services/users.ts";
import { requireLogin, requirePermission } from "./caller.ts";
import { printableSchema } from "./console-fields.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { newestCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import {
  apiTokenSchema,
  endedSchema,
  formatApiToken,
  formatLogin,
  formatUser,
  loginSchema,
  roleSchema,
  userSchema,
} from "./people-fields.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, json, jsonBody } from "./route-parts.ts";

const accountSchema = z
  .object({
    user: userSchema,
    role: roleSchema,
    permissions: z
      .array(z.enum(PERMISSIONS))
      .openapi({ description: "What this credential may do: of a token, less than the role." }),
    groups: z
      .array(z.object({ id: z.string(), name: z.string() }))
      .openapi({ description: "200 at most." }),
    credential: z.object({ kind: z.enum(["login", "token"]), id: z.string() }),
  })
  .openapi("Account");

const readRoute = createRoute({
  method: "get",
  path: "/account",
  summary: "Who the caller is, and what they may do",
  security: LOGIN_SECURITY,
  middleware: [requireLogin] as const,
  responses: { 200: json("The caller.", accountSchema), ...problemResponses() },
});

const passwordRoute = createRoute({
  method: "post",
  path: "/account/password",
  operationId: "changeOwnPassword",
  summary: "Change the own password; the other logins end",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("account.manage")] as const,
  request: {
    body: jsonBody(
      z
        .strictObject({
          currentPassword: z.string().max(PASSWORD_CHARACTERS_MAX),
          newPassword: z.string().max(PASSWORD_CHARACTERS_MAX),
        })
        .openapi("PasswordChange"),
    ),
  },
  responses: {
    204: { description: "Changed." },
    ...problemResponses("auth.busy", "request.rate-limited"),
  },
});

const listLoginsRoute = createRoute({
  method: "get",
  path: "/account/logins",
  summary: "List the own logins, newest first",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("account.manage")] as const,
  request: { query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(loginSchema).openapi("LoginPage")),
    ...problemResponses(),
  },
});

const endLoginRoute = createRoute({
  method: "delete",
  path: "/account/logins/{id}",
  summary: "End one of the own logins",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("account.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Ended." },
    ...problemResponses("resource.not-found"),
  },
});

const endOthersRoute = createRoute({
  method: "post",
  path: "/account/logins/end-others",
  operationId: "endOtherLogins",
  summary: "End the own logins except the one that this request came with",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("account.manage")] as const,
  responses: { 200: json("Ended.", endedSchema), ...problemResponses() },
});

const createTokenRoute = createRoute({
  method: "post",
  path: "/account/tokens",
  summary: "Make an API token",
  description:
    "For programs. It holds permissions that the caller holds, except `account.manage`, and is " +
    "worth less as soon as its user's role is.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("account.manage")] as const,
  request: {
    body: jsonBody(
      z
        .strictObject({
          name: printableSchema(TOKEN_NAME_CHARACTERS_MAX),
          scopes: z.array(z.enum(PERMISSIONS)).min(1).max(PERMISSIONS.length),
          lifeDays: z.int().min(1).max(TOKEN_LIFE_DAYS_MAX),
        })
        .openapi("NewApiToken"),
    ),
  },
  responses: {
    201: json(
      "The token; it is not shown again.",
      apiTokenSchema.extend({ token: z.string() }).openapi("IssuedApiToken"),
    ),
    ...problemResponses("resource.limit-reached"),
  },
});

const listTokensRoute = createRoute({
  method: "get",
  path: "/account/tokens",
  summary: "List the own API tokens, newest first",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("account.manage")] as const,
  request: { query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(apiTokenSchema).openapi("ApiTokenPage")),
    ...problemResponses(),
  },
});

const revokeTokenRoute = createRoute({
  method: "delete",
  path: "/account/tokens/{id}",
  summary: "Revoke one of the own API tokens",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("account.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Revoked." },
    ...problemResponses("resource.not-found"),
  },
});

export const accountRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(readRoute, async (context) => {
    const { services, user: caller } = context.var;
    const { user, groups } = await readAccount(services, caller);
    const answer = {
      user: formatUser(user),
      role: caller.role,
      permissions: [...caller.permissions].sort(),
      groups: groups.map(({ id, name }) => ({ id, name })),
      credential: { ...caller.credential },
    };
    return context.json(answer, 200);
  })
  .openapi(passwordRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await changeOwnPassword(services, user, context.req.valid("json")));
    return context.body(null, 204);
  })
  .openapi(listLoginsRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(newestCursor, cursor);
    const page = await pageLogins(services, { userId: user.actorId, after, limit });
    const items = page.items.map((login) => formatLogin(login, user.credential.id));
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(endLoginRoute, async (context) => {
    const { services, user } = context.var;
    const login = { id: context.req.valid("param").id, userId: user.actorId };
    valueOf(await endLogin(services, user, login));
    return context.body(null, 204);
  })
  .openapi(endOthersRoute, async (context) => {
    const { services, user } = context.var;
    const ending = { userId: user.actorId, exceptLoginId: user.credential.id };
    return context.json({ ended: await endLogins(services, user, ending) }, 200);
  })
  .openapi(createTokenRoute, async (context) => {
    const { services, user } = context.var;
    const issued = valueOf(await createApiToken(services, user, context.req.valid("json")));
    return context.json({ ...formatApiToken(issued), token: issued.token }, 201);
  })
  .openapi(listTokensRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(newestCursor, cursor);
    const page = await pageApiTokens(services, { userId: user.actorId, after, limit });
    const items = page.items.map(formatApiToken);
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(revokeTokenRoute, async (context) => {
    const { services, user } = context.var;
    const token = { id: context.req.valid("param").id, userId: user.actorId };
    valueOf(await endApiToken(services, user, token));
    return context.body(null, 204);
  });
