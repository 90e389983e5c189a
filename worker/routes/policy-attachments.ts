/** What policies are attached to. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { ATTACHED_KINDS } from "#shared/policy/policy.ts";
import {
  type AttachmentView,
  attachPolicy,
  detachPolicy,
  pageAttachments,
} from "../services/policy-attachments.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { idCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { warningsSchema } from "./policy-fields.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody } from "./route-parts.ts";
import { formatTime, timeSchema } from "./times.ts";

const newAttachmentSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({ policyId: idSchema, kind: z.literal("everyone") }),
    z.strictObject({
      policyId: idSchema,
      kind: z.enum(["console", "source", "group", "user"]),
      subjectId: idSchema.openapi({ description: "Its id; of a source its name does too." }),
    }),
  ])
  .openapi("NewPolicyAttachment");

const attachmentFields = {
  id: z.string(),
  policy: z.object({ id: z.string(), name: z.string() }),
  kind: z.enum(ATTACHED_KINDS),
  subject: z.object({
    id: z.string().openapi({ description: "Of that kind, or `everyone`." }),
    name: z.string().nullable().openapi({ description: "Null: it is gone." }),
  }),
  createdAt: timeSchema,
};

const attachmentSchema = z.object(attachmentFields).openapi("PolicyAttachment");
const storedAttachmentSchema = z
  .object({ ...attachmentFields, warnings: warningsSchema })
  .openapi("StoredPolicyAttachment");

const listRoute = createRoute({
  method: "get",
  path: "/policy-attachments",
  summary: "List what policies are attached to",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("policies.read")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      policyId: idSchema.optional(),
      subjectId: idSchema
        .optional()
        .openapi({ description: "A console's, source's, group's or user's id, or `everyone`." }),
    }),
  },
  responses: {
    200: json("A page.", pageSchema(attachmentSchema).openapi("PolicyAttachmentPage")),
    ...problemResponses(),
  },
});

const attachRoute = createRoute({
  method: "post",
  path: "/policy-attachments",
  summary: "Attach a policy to everyone, a console, a source, a group or a user",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("policies.manage")] as const,
  request: { body: jsonBody(newAttachmentSchema) },
  responses: {
    200: json("It was attached already.", storedAttachmentSchema),
    201: json("Attached.", storedAttachmentSchema),
    ...problemResponses(),
  },
});

const detachRoute = createRoute({
  method: "delete",
  path: "/policy-attachments/{id}",
  summary: "Detach a policy",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("policies.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Detached." },
    ...problemResponses("resource.not-found"),
  },
});

export const policyAttachmentRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const { limit, cursor, ...filter } = context.req.valid("query");
    const afterId = readCursor(idCursor, cursor)?.id ?? null;
    const page = await pageAttachments(context.var.services, { filter, afterId, limit });
    const next = page.nextId === null ? null : { id: page.nextId };
    const items = page.items.map(formatAttachment);
    return context.json({ items, nextCursor: writeCursor(next) }, 200);
  })
  .openapi(attachRoute, async (context) => {
    const { services, user } = context.var;
    const wish = { subjectId: "everyone", ...context.req.valid("json") };
    const stored = valueOf(await attachPolicy(services, user, wish));
    const answer = { ...formatAttachment(stored.attachment), warnings: [...stored.warnings] };
    return context.json(answer, stored.isNew ? 201 : 200);
  })
  .openapi(detachRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await detachPolicy(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  });

function formatAttachment(attachment: AttachmentView): z.infer<typeof attachmentSchema> {
  const { id, policyId, policyName, kind, subjectId, subjectName, createdAtMs } = attachment;
  return {
    id,
    policy: { id: policyId, name: policyName },
    kind,
    subject: { id: subjectId, name: subjectName },
    createdAt: formatTime(createdAtMs),
  };
}
