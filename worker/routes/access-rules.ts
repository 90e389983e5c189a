/** The rules of who may see and open which console, and why somebody may. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { ACCESS_LEVELS, SUBJECT_KINDS } from "../identity/access-level.ts";
import { explainAccess, pageRulesOfConsole } from "../services/access-explained.ts";
import {
  changeAccess,
  grantAccess,
  pageRules,
  readRule,
  revokeAccess,
} from "../services/access-rules.ts";
import { requirePermission } from "./caller.ts";
import { CONSOLE_LIMITS, namePatternSchema, projectSchema, tagSchema } from "./console-fields.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { newestCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody } from "./route-parts.ts";
import { formatTime, timeSchema } from "./times.ts";

const levelSchema = z.enum(ACCESS_LEVELS).openapi({
  description:
    "`view`: may see it. `open`: may open it too. `own`: may share it and see and end its sessions too.",
});

const matchSchema = z
  .strictObject({
    consoleId: idSchema.optional().openapi({ description: "One console, and nothing else." }),
    source: z.string().min(1).max(CONSOLE_LIMITS.sourceCharactersMax).optional(),
    project: projectSchema.optional(),
    tag: tagSchema.optional(),
    name: namePatternSchema.optional(),
  })
  .openapi("AccessMatch", {
    description: "A console for which every given part is so; without any, every console.",
  });

const newRuleSchema = z
  .strictObject({
    subject: z.strictObject({ kind: z.enum(SUBJECT_KINDS), id: idSchema.optional() }),
    match: matchSchema,
    level: levelSchema,
  })
  .openapi("NewAccessRule");

const ruleChangesSchema = z
  .strictObject({ match: matchSchema.optional(), level: levelSchema.optional() })
  .openapi("AccessRuleChanges");

const ruleSchema = z
  .object({
    id: z.string(),
    subject: z.object({
      kind: z.enum(SUBJECT_KINDS),
      id: z.string().nullable(),
      name: z.string().nullable(),
    }),
    match: z
      .object({
        consoleId: z.string().nullable(),
        consoleName: z.string().nullable(),
        source: z.string().nullable(),
        project: z.string().nullable(),
        tag: z.string().nullable(),
        name: z.string().nullable(),
      })
      .openapi({ description: "Null: may be anything." }),
    level: levelSchema,
    createdAt: timeSchema,
  })
  .openapi("AccessRule");

const explanationSchema = z
  .object({
    access: levelSchema
      .nullable()
      .openapi({ description: "Null: the console is not there for them." }),
    byRole: levelSchema.nullable().openapi({ description: "What comes from the role alone." }),
    disabled: z.boolean().openapi({ description: "Whether the user cannot log in at all." }),
    rules: z.array(ruleSchema).openapi({ description: "Highest level first." }),
  })
  .openapi("AccessExplanation");

const rulePage = json("A page.", pageSchema(ruleSchema).openapi("AccessRulePage"));

const listRoute = createRoute({
  method: "get",
  path: "/access-rules",
  summary: "List the rules of who may see and open which console, newest first",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("access.read")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      subjectId: idSchema
        .optional()
        .openapi({ description: "A user's or a group's id, or `everyone`." }),
      consoleId: idSchema
        .optional()
        .openapi({ description: "Only rules about this single console." }),
    }),
  },
  responses: {
    200: rulePage,
    ...problemResponses(),
  },
});

const createRuleRoute = createRoute({
  method: "post",
  path: "/access-rules",
  summary: "Grant somebody access to consoles",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("access.manage")] as const,
  request: { body: jsonBody(newRuleSchema) },
  responses: {
    201: json("Granted.", ruleSchema),
    ...problemResponses("resource.conflict"),
  },
});

const readRoute = createRoute({
  method: "get",
  path: "/access-rules/{id}",
  summary: "Read a rule",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("access.read")] as const,
  request: { params: idParams },
  responses: {
    200: json("The rule.", ruleSchema),
    ...problemResponses("resource.not-found"),
  },
});

const changeRoute = createRoute({
  method: "patch",
  path: "/access-rules/{id}",
  summary: "Change a rule's level, or what it is about",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("access.manage")] as const,
  request: { params: idParams, body: jsonBody(ruleChangesSchema) },
  responses: {
    200: json("As it is now.", ruleSchema),
    ...problemResponses("resource.conflict", "resource.not-found"),
  },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/access-rules/{id}",
  summary: "Take a rule away; sessions that live go on",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("access.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Taken away." },
    ...problemResponses("resource.not-found"),
  },
});

const ofConsoleRoute = createRoute({
  method: "get",
  path: "/consoles/{id}/access",
  summary: "List the rules by which anybody reaches a console, newest first",
  description: "Roles that see or open every console need no rule, and are not among them.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("access.read")] as const,
  request: { params: idParams, query: z.object(pageQuery) },
  responses: {
    200: rulePage,
    ...problemResponses("resource.not-found"),
  },
});

const explainRoute = createRoute({
  method: "get",
  path: "/access/explain",
  operationId: "explainAccess",
  tags: ["Access rules"],
  summary: "Say why a user may do with a console what they may",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("access.read")] as const,
  request: { query: z.object({ userId: idSchema, consoleId: idSchema }) },
  responses: {
    200: json("The level, and what it comes from.", explanationSchema),
    ...problemResponses(),
  },
});

export const accessRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const { limit, cursor, subjectId, consoleId } = context.req.valid("query");
    const after = readCursor(newestCursor, cursor);
    const wish = { subjectId, consoleId, after, limit };
    return context.json(formatPage(await pageRules(context.var.services, wish)), 200);
  })
  .openapi(createRuleRoute, async (context) => {
    const { services, user } = context.var;
    const rule = valueOf(await grantAccess(services, user, context.req.valid("json")));
    return context.json(formatRule(rule), 201);
  })
  .openapi(readRoute, async (context) => {
    const rule = valueOf(await readRule(context.var.services, context.req.valid("param").id));
    return context.json(formatRule(rule), 200);
  })
  .openapi(changeRoute, async (context) => {
    const { services, user } = context.var;
    const change = { ...context.req.valid("json"), ...context.req.valid("param") };
    return context.json(formatRule(valueOf(await changeAccess(services, user, change))), 200);
  })
  .openapi(deleteRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await revokeAccess(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  })
  .openapi(ofConsoleRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(newestCursor, cursor);
    const wish = { consoleId: context.req.valid("param").id, after, limit };
    return context.json(formatPage(valueOf(await pageRulesOfConsole(services, user, wish))), 200);
  })
  .openapi(explainRoute, async (context) => {
    const question = context.req.valid("query");
    const { isDisabled, rules, ...levels } = valueOf(
      await explainAccess(context.var.services, question),
    );
    return context.json({ ...levels, disabled: isDisabled, rules: rules.map(formatRule) }, 200);
  });

type RuleView = Awaited<ReturnType<typeof pageRules>>["items"][number];

function formatPage(page: Awaited<ReturnType<typeof pageRules>>) {
  return { items: page.items.map(formatRule), nextCursor: writeCursor(page.next) };
}

function formatRule(rule: RuleView): z.infer<typeof ruleSchema> {
  const { id, subject, level, console, source, project, tag, name, createdAtMs } = rule;
  const match = {
    consoleId: console?.id ?? null,
    consoleName: console?.name ?? null,
    source,
    project,
    tag,
    name,
  };
  return { id, subject, match, level, createdAt: formatTime(createdAtMs) };
}
