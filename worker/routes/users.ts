/** People, as those who manage them see them. Their credentials are in user-credentials.ts. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { pageGroupsOfUser } from "../services/groups.ts";
import {
  changeUser,
  createUser,
  deleteUser,
  pageUsers,
  PASSWORD_CHARACTERS_MAX,
  readUser,
  setPassword,
  USERNAME_CHARACTERS_MAX,
} from "../services/users.ts";
import { refuseApiTokens, requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { idCursor, nameCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import {
  displayNameSchema,
  emailSchema,
  formatUser,
  roleSchema,
  userSchema,
} from "./people-fields.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, json, jsonBody } from "./route-parts.ts";

const newUserSchema = z
  .strictObject({
    username: z.string().min(1).max(USERNAME_CHARACTERS_MAX),
    password: z.string().min(1).max(PASSWORD_CHARACTERS_MAX),
    role: roleSchema.default("user"),
    displayName: displayNameSchema.nullish(),
    email: emailSchema.nullish(),
  })
  .openapi("NewUser");

const userChangesSchema = z
  .strictObject({
    role: roleSchema.optional(),
    displayName: displayNameSchema.nullish(),
    email: emailSchema.nullish(),
    disabled: z.boolean().optional().openapi({
      description: "Disabling ends the user's logins, API tokens and sessions at once.",
    }),
  })
  .openapi("UserChanges");

const listRoute = createRoute({
  method: "get",
  path: "/users",
  summary: "List people by user name",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.read")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      prefix: z
        .string()
        .min(1)
        .max(USERNAME_CHARACTERS_MAX)
        .optional()
        .openapi({ description: "Only names that begin so, in any case." }),
      role: roleSchema.optional(),
    }),
  },
  responses: {
    200: json("A page.", pageSchema(userSchema).openapi("UserPage")),
    ...problemResponses(),
  },
});

const createUserRoute = createRoute({
  method: "post",
  path: "/users",
  summary: "Add somebody who logs in by a password",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { body: jsonBody(newUserSchema) },
  responses: {
    201: json("Added.", userSchema),
    ...problemResponses("resource.conflict"),
  },
});

const readRoute = createRoute({
  method: "get",
  path: "/users/{id}",
  summary: "Read one of the people",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.read")] as const,
  request: { params: idParams },
  responses: {
    200: json("The user.", userSchema),
    ...problemResponses("resource.not-found"),
  },
});

const changeRoute = createRoute({
  method: "patch",
  path: "/users/{id}",
  summary: "Change a user; null takes a value away",
  description: "The last admin who is enabled can neither be disabled nor get another role.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { params: idParams, body: jsonBody(userChangesSchema) },
  responses: {
    200: json("As they are now.", userSchema),
    ...problemResponses("resource.not-found", "user.last-admin"),
  },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/users/{id}",
  summary: "Delete a user for good, with name, credentials and memberships; sessions end",
  description:
    "Sessions that were and the audit trail keep the user's id; the audit trail also keeps the " +
    "user name where it told of it.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Deleted." },
    ...problemResponses("resource.not-found", "user.last-admin"),
  },
});

const passwordRoute = createRoute({
  method: "put",
  path: "/users/{id}/password",
  summary: "Give a user another password; their logins end",
  description: "Not possible with an API token.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage"), refuseApiTokens] as const,
  request: {
    params: idParams,
    body: jsonBody(
      z
        .strictObject({ password: z.string().min(1).max(PASSWORD_CHARACTERS_MAX) })
        .openapi("NewPassword"),
    ),
  },
  responses: {
    204: { description: "Set." },
    ...problemResponses("resource.not-found"),
  },
});

const listGroupsRoute = createRoute({
  method: "get",
  path: "/users/{id}/groups",
  summary: "List the groups that a user is in",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.read")] as const,
  request: { params: idParams, query: z.object(pageQuery) },
  responses: {
    200: json(
      "A page.",
      pageSchema(
        z.object({
          id: z.string(),
          name: z.string(),
          origins: z.array(z.string()).openapi({
            description: "`local` when an admin says so, and the providers that do.",
          }),
        }),
      ).openapi("GroupOfUserPage"),
    ),
    ...problemResponses("resource.not-found"),
  },
});

export const userRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const { limit, cursor, prefix = null, role = null } = context.req.valid("query");
    const after = readCursor(nameCursor, cursor)?.name ?? null;
    const page = await pageUsers(context.var.services, { prefix, role, after, limit });
    const next = page.nextName === null ? null : { name: page.nextName };
    return context.json({ items: page.items.map(formatUser), nextCursor: writeCursor(next) }, 200);
  })
  .openapi(createUserRoute, async (context) => {
    const { services, user } = context.var;
    const created = valueOf(await createUser(services, context.req.valid("json"), user));
    return context.json(formatUser(created), 201);
  })
  .openapi(readRoute, async (context) => {
    const found = valueOf(await readUser(context.var.services, context.req.valid("param").id));
    return context.json(formatUser(found), 200);
  })
  .openapi(changeRoute, async (context) => {
    const { services, user } = context.var;
    const change = { id: context.req.valid("param").id, changes: context.req.valid("json") };
    return context.json(formatUser(valueOf(await changeUser(services, user, change))), 200);
  })
  .openapi(deleteRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await deleteUser(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  })
  .openapi(passwordRoute, async (context) => {
    const { services, user } = context.var;
    const { id } = context.req.valid("param");
    const { password } = context.req.valid("json");
    valueOf(await setPassword(services, user, { id, password }));
    return context.body(null, 204);
  })
  .openapi(listGroupsRoute, async (context) => {
    const { services } = context.var;
    const { limit, cursor } = context.req.valid("query");
    const { id: userId } = valueOf(await readUser(services, context.req.valid("param").id));
    const after = readCursor(idCursor, cursor)?.id ?? null;
    const page = await pageGroupsOfUser(services, { userId, after, limit });
    const next = page.nextId === null ? null : { id: page.nextId };
    const items = page.items.map((group) => ({ ...group, origins: [...group.origins] }));
    return context.json({ items, nextCursor: writeCursor(next) }, 200);
  });
