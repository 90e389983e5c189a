/** Named policies, and the explanation of what applies to a session. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { hoursSchema } from "#shared/policy/hours.ts";
import { ATTACHED_KINDS, partialPolicySchema, RULE_NAMES } from "#shared/policy/policy.ts";
import {
  changePolicy,
  createPolicy,
  deletePolicy,
  pagePolicies,
  type PolicyView,
  readNamedPolicy,
} from "../services/policies.ts";
import { explainPolicy, type PolicyExplanation } from "../services/policy-explanation.ts";
import { requirePermission } from "./caller.ts";
import { printableSchema } from "./console-fields.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { nameCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { warningsSchema } from "./policy-fields.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody } from "./route-parts.ts";
import { formatOptionalTime, formatTime, timeSchema } from "./times.ts";

const nameSchema = printableSchema(64);

const newPolicySchema = z
  .strictObject({
    name: nameSchema.openapi({ description: "Unique, whatever the case of its letters." }),
    description: z.string().trim().max(500).default(""),
    rules: partialPolicySchema
      .default({})
      .openapi({ description: "Those that are absent are other policies' to say." }),
  })
  .openapi("NewPolicy");

const policyChangesSchema = z
  .strictObject({
    name: nameSchema.optional(),
    description: z.string().trim().max(500).optional(),
    rules: partialPolicySchema
      .optional()
      .openapi({ description: "In the place of all rules that it had." }),
  })
  .openapi("PolicyChanges");

const policyFields = {
  id: z.string(),
  name: z.string(),
  description: z.string(),
  rules: partialPolicySchema,
  createdAt: timeSchema,
  changedAt: timeSchema,
};

const policySchema = z.object(policyFields).openapi("Policy");
const storedPolicySchema = z
  .object({ ...policyFields, warnings: warningsSchema })
  .openapi("StoredPolicy");

const originSchema = z.discriminatedUnion("by", [
  z.object({
    by: z.literal("policy"),
    policyId: z.string(),
    name: z.string(),
    attachedTo: z.object({
      kind: z.enum(ATTACHED_KINDS),
      id: z.string().openapi({ description: "Of that kind, or `everyone`." }),
      name: z.string().nullable(),
    }),
  }),
  z.object({ by: z.literal("console") }).openapi({ description: "The console's own rules." }),
  z.object({ by: z.literal("share") }),
]);

const ruleValue = z.unknown().openapi({ description: "As the rule has it; hours as a list." });

const explanationSchema = z
  .object({
    console: z.object({ id: z.string(), name: z.string() }),
    user: z.object({ id: z.string(), username: z.string() }),
    allowedNow: z.boolean().openapi({ description: "Whether the hours allow a session now." }),
    changesAt: timeSchema
      .nullable()
      .openapi({ description: "When they next begin or cease to; null: not within days." }),
    rules: partialPolicySchema
      .required()
      .extend({ allowedHours: z.array(hoursSchema).nullable() })
      .openapi({ description: "What a session that began now would be given." }),
    decisions: z.array(
      z.object({
        rule: z.enum(RULE_NAMES),
        value: ruleValue,
        contributions: z
          .array(z.object({ from: originSchema, value: ruleValue, wins: z.boolean() }))
          .openapi({ description: "Empty: nobody says it, and the default counts." }),
      }),
    ),
    warnings: warningsSchema,
  })
  .openapi("EffectivePolicy");

const explainRoute = createRoute({
  method: "get",
  path: "/policies/effective",
  operationId: "readEffectivePolicy",
  summary: "Explain the policy of a session: every rule, who says what of it, and which one wins",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("consoles.read")] as const,
  request: {
    query: z.object({
      consoleId: idSchema,
      userId: idSchema.optional().openapi({
        description: "The caller by default; others for those who may read policies and people.",
      }),
    }),
  },
  responses: {
    200: json("The rules that a ticket would be given by.", explanationSchema),
    ...problemResponses("resource.not-found"),
  },
});

const listRoute = createRoute({
  method: "get",
  path: "/policies",
  summary: "List the policies, by name",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("policies.read")] as const,
  request: { query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(policySchema).openapi("PolicyPage")),
    ...problemResponses(),
  },
});

const createPolicyRoute = createRoute({
  method: "post",
  path: "/policies",
  summary: "Make a policy",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("policies.manage")] as const,
  request: { body: jsonBody(newPolicySchema) },
  responses: { 201: json("Made.", storedPolicySchema), ...problemResponses("resource.conflict") },
});

const readRoute = createRoute({
  method: "get",
  path: "/policies/{id}",
  summary: "Read a policy",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("policies.read")] as const,
  request: { params: idParams },
  responses: {
    200: json("The policy.", policySchema),
    ...problemResponses("resource.not-found"),
  },
});

const changeRoute = createRoute({
  method: "patch",
  path: "/policies/{id}",
  summary: "Change a policy; living sessions keep what they began with",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("policies.manage")] as const,
  request: { params: idParams, body: jsonBody(policyChangesSchema) },
  responses: {
    200: json("As it is now.", storedPolicySchema),
    ...problemResponses("resource.conflict", "resource.not-found"),
  },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/policies/{id}",
  summary: "Delete a policy that is attached to nothing",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("policies.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Deleted." },
    ...problemResponses("resource.not-found", "policy.attached"),
  },
});

export const policyRoutes = new OpenAPIHono<RouteEnv>()
  // Before the route with an id, which its path would be taken for.
  .openapi(explainRoute, async (context) => {
    const { services, user } = context.var;
    const { consoleId, userId = user.actorId } = context.req.valid("query");
    const explained = valueOf(await explainPolicy(services, user, { consoleId, userId }));
    return context.json(formatExplanation(explained), 200);
  })
  .openapi(listRoute, async (context) => {
    const { limit, cursor } = context.req.valid("query");
    const afterName = readCursor(nameCursor, cursor)?.name ?? null;
    const page = await pagePolicies(context.var.services, { afterName, limit });
    const next = page.nextName === null ? null : { name: page.nextName };
    return context.json(
      { items: page.items.map(formatPolicy), nextCursor: writeCursor(next) },
      200,
    );
  })
  .openapi(createPolicyRoute, async (context) => {
    const { services, user } = context.var;
    const stored = valueOf(await createPolicy(services, user, context.req.valid("json")));
    return context.json({ ...formatPolicy(stored), warnings: [...stored.warnings] }, 201);
  })
  .openapi(readRoute, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(
      formatPolicy(valueOf(await readNamedPolicy(context.var.services, id))),
      200,
    );
  })
  .openapi(changeRoute, async (context) => {
    const { services, user } = context.var;
    const change = { id: context.req.valid("param").id, changes: context.req.valid("json") };
    const stored = valueOf(await changePolicy(services, user, change));
    return context.json({ ...formatPolicy(stored), warnings: [...stored.warnings] }, 200);
  })
  .openapi(deleteRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await deletePolicy(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  });

function formatPolicy(view: PolicyView): z.infer<typeof policySchema> {
  const { id, name, description, rules, createdAtMs, changedAtMs } = view;
  const times = { createdAt: formatTime(createdAtMs), changedAt: formatTime(changedAtMs) };
  return { id, name, description, rules, ...times };
}

function formatExplanation(explained: PolicyExplanation): z.infer<typeof explanationSchema> {
  const { console: row, user, openness, rules, decisions, warnings } = explained;
  const changesAtMs = openness.open ? openness.closesAtMs : openness.opensAtMs;
  return {
    console: row,
    user,
    allowedNow: openness.open,
    changesAt: formatOptionalTime(changesAtMs),
    rules: { ...rules, allowedHours: rules.allowedHours && [...rules.allowedHours] },
    decisions: decisions.map(({ rule, value, contributions }) => ({
      rule,
      value,
      contributions: contributions.map(({ from, ...said }) => ({
        ...said,
        from: formatOrigin(from),
      })),
    })),
    warnings: [...warnings],
  };
}

type Origin = PolicyExplanation["decisions"][number]["contributions"][number]["from"];

function formatOrigin(from: Origin): z.infer<typeof originSchema> {
  if (from.by !== "policy") {
    return from;
  }
  const { kind, subjectId, subjectName } = from.attachedTo;
  const attachedTo = { kind, id: subjectId, name: subjectName };
  return { by: from.by, policyId: from.policyId, name: from.name, attachedTo };
}
