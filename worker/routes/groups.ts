/** Groups of people. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import {
  addMember,
  changeGroup,
  createGroup,
  deleteGroup,
  pageGroups,
  pageMembers,
  readGroup,
  removeMember,
} from "../services/groups.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { idCursor, nameCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { displayNameSchema } from "./people-fields.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody } from "./route-parts.ts";
import { formatTime, timeSchema } from "./times.ts";

const GROUP_NAME_CHARACTERS_MAX = 128;
const DESCRIPTION_CHARACTERS_MAX = 1_000;

const descriptionSchema = z.string().min(1).max(DESCRIPTION_CHARACTERS_MAX);

const newGroupSchema = z
  .strictObject({ name: displayNameSchema, description: descriptionSchema.nullish() })
  .openapi("NewGroup");

const groupSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    createdAt: timeSchema,
  })
  .openapi("Group");

const memberSchema = z
  .object({
    user: z.object({
      id: z.string(),
      username: z.string(),
      displayName: z.string().nullable(),
    }),
    origins: z.array(z.string()).openapi({
      description: "`local` when an admin says so, and the login providers that do.",
    }),
  })
  .openapi("GroupMember");

const memberParams = idParams.extend({ userId: idSchema });

const listRoute = createRoute({
  method: "get",
  path: "/groups",
  summary: "List the groups by name",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.read")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      prefix: z
        .string()
        .min(1)
        .max(GROUP_NAME_CHARACTERS_MAX)
        .optional()
        .openapi({ description: "Only names that begin so, in any case." }),
    }),
  },
  responses: {
    200: json("A page.", pageSchema(groupSchema).openapi("GroupPage")),
    ...problemResponses(),
  },
});

const createGroupRoute = createRoute({
  method: "post",
  path: "/groups",
  summary: "Make a group",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { body: jsonBody(newGroupSchema) },
  responses: {
    201: json("Made.", groupSchema),
    ...problemResponses("resource.conflict"),
  },
});

const readRoute = createRoute({
  method: "get",
  path: "/groups/{id}",
  summary: "Read a group",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.read")] as const,
  request: { params: idParams },
  responses: {
    200: json("The group.", groupSchema),
    ...problemResponses("resource.not-found"),
  },
});

const changeRoute = createRoute({
  method: "patch",
  path: "/groups/{id}",
  summary: "Change a group; null takes the description away",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: {
    params: idParams,
    body: jsonBody(newGroupSchema.partial().openapi("GroupChanges")),
  },
  responses: {
    200: json("As it is now.", groupSchema),
    ...problemResponses("resource.conflict", "resource.not-found"),
  },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/groups/{id}",
  summary: "Delete a group; its members stay",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Deleted." },
    ...problemResponses("resource.not-found"),
  },
});

const listMembersRoute = createRoute({
  method: "get",
  path: "/groups/{id}/members",
  summary: "List a group's members",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.read")] as const,
  request: { params: idParams, query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(memberSchema).openapi("GroupMemberPage")),
    ...problemResponses("resource.not-found"),
  },
});

const addMemberRoute = createRoute({
  method: "put",
  path: "/groups/{id}/members/{userId}",
  summary: "Put a user into a group",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { params: memberParams },
  responses: {
    204: { description: "They are in it." },
    ...problemResponses("resource.not-found"),
  },
});

const removeMemberRoute = createRoute({
  method: "delete",
  path: "/groups/{id}/members/{userId}",
  summary: "Take a user out of a group",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("people.manage")] as const,
  request: { params: memberParams },
  responses: {
    204: { description: "No admin says any more that they are in it; a provider still may." },
    ...problemResponses("resource.managed-elsewhere", "resource.not-found"),
  },
});

export const groupRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const { limit, cursor, prefix = null } = context.req.valid("query");
    const after = readCursor(nameCursor, cursor)?.name ?? null;
    const page = await pageGroups(context.var.services, { prefix, after, limit });
    const next = page.nextName === null ? null : { name: page.nextName };
    return context.json({ items: page.items.map(formatGroup), nextCursor: writeCursor(next) }, 200);
  })
  .openapi(createGroupRoute, async (context) => {
    const { services, user } = context.var;
    const { name, description = null } = context.req.valid("json");
    const created = valueOf(await createGroup(services, user, { name, description }));
    return context.json(formatGroup(created), 201);
  })
  .openapi(readRoute, async (context) => {
    const found = valueOf(await readGroup(context.var.services, context.req.valid("param").id));
    return context.json(formatGroup(found), 200);
  })
  .openapi(changeRoute, async (context) => {
    const { services, user } = context.var;
    const change = { id: context.req.valid("param").id, changes: context.req.valid("json") };
    return context.json(formatGroup(valueOf(await changeGroup(services, user, change))), 200);
  })
  .openapi(deleteRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await deleteGroup(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  })
  .openapi(listMembersRoute, async (context) => {
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(idCursor, cursor)?.id ?? null;
    const { id: groupId } = context.req.valid("param");
    const page = valueOf(await pageMembers(context.var.services, { groupId, after, limit }));
    const items = page.items.map(({ origins, userId, username, displayName }) => ({
      user: { id: userId, username, displayName },
      origins: [...origins],
    }));
    const next = page.nextId === null ? null : { id: page.nextId };
    return context.json({ items, nextCursor: writeCursor(next) }, 200);
  })
  .openapi(addMemberRoute, async (context) => {
    const { services, user } = context.var;
    const { id: groupId, userId } = context.req.valid("param");
    valueOf(await addMember(services, user, { groupId, userId }));
    return context.body(null, 204);
  })
  .openapi(removeMemberRoute, async (context) => {
    const { services, user } = context.var;
    const { id: groupId, userId } = context.req.valid("param");
    valueOf(await removeMember(services, user, { groupId, userId }));
    return context.body(null, 204);
  });

type GroupRow = Awaited<ReturnType<typeof pageGroups>>["items"][number];

function formatGroup({ createdAtMs, ...rest }: GroupRow): z.infer<typeof groupSchema> {
  return { ...rest, createdAt: formatTime(createdAtMs) };
}
