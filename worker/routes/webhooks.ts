/** Webhooks: where audit events are sent as they happen. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { pageDeliveries, redrive, testWebhook } from "../services/webhook-deliveries.ts";
import {
  changeWebhook,
  createWebhook,
  readWebhook,
  readWebhooks,
  removeWebhook,
  rotateWebhookSecret,
} from "../services/webhooks.ts";
import { requirePermission } from "./caller.ts";
import { ID_CHARACTERS_MAX } from "./id-bounds.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import {
  deliverySchema,
  formatDelivery,
  formatWebhook,
  webhookChangesSchema,
  webhookInputSchema,
  webhookSchema,
  webhookSecretSchema,
  webhookTestSchema,
} from "./webhook-fields.ts";

const id = z.string().max(ID_CHARACTERS_MAX);
const params = z.object({ id });
const manage = requirePermission("webhooks.manage");
const json = <Schema extends z.ZodType>(schema: Schema) => ({ "application/json": { schema } });
const READ = ["auth.required", "auth.forbidden", "resource.not-found", "request.invalid"] as const;
const CHANGE = [...READ, "request.cross-origin", "request.not-json"] as const;

const listRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "get",
  path: "/webhooks",
  summary: "List the webhooks",
  responses: {
    200: { description: "All.", content: json(z.object({ items: z.array(webhookSchema) })) },
    ...problemResponses("auth.required", "auth.forbidden"),
  },
});

const createWebhookRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "post",
  path: "/webhooks",
  summary: "Add a webhook",
  description: "It gets the events that happen from then on. The secret is shown once.",
  request: { body: { content: json(webhookInputSchema), required: true } },
  responses: {
    201: { description: "The webhook and its secret.", content: json(webhookSecretSchema) },
    ...problemResponses(...CHANGE, "webhook.too-many"),
  },
});

const readRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "get",
  path: "/webhooks/{id}",
  summary: "Read a webhook",
  request: { params },
  responses: {
    200: { description: "The webhook.", content: json(webhookSchema) },
    ...problemResponses(...READ),
  },
});

const changeRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "patch",
  path: "/webhooks/{id}",
  summary: "Change a webhook",
  description: "Enabled again, it goes on with the first event that it has missed.",
  request: { params, body: { content: json(webhookChangesSchema), required: true } },
  responses: {
    200: { description: "The webhook.", content: json(webhookSchema) },
    ...problemResponses(...CHANGE),
  },
});

const deleteRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "delete",
  path: "/webhooks/{id}",
  summary: "Delete a webhook with its messages",
  request: { params },
  responses: { 204: { description: "It is gone." }, ...problemResponses(...CHANGE) },
});

const rotateRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "post",
  path: "/webhooks/{id}/rotate-secret",
  summary: "Give a webhook another secret",
  description: "For a day messages carry a signature by the old secret as well.",
  request: { params },
  responses: {
    200: { description: "The webhook and its secret.", content: json(webhookSecretSchema) },
    ...problemResponses(...CHANGE),
  },
});

const testRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "post",
  path: "/webhooks/{id}/test",
  summary: "Send a message without events now, and tell what became of it",
  request: { params },
  responses: {
    200: { description: "What the receiver did.", content: json(webhookTestSchema) },
    ...problemResponses(...CHANGE),
  },
});

const deliveriesRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "get",
  path: "/webhooks/{id}/deliveries",
  summary: "List the messages that failed at least once, newest first",
  request: { params, query: z.object(pageQuery) },
  responses: {
    200: {
      description: "A page.",
      content: json(pageSchema(deliverySchema).openapi("WebhookDeliveryPage")),
    },
    ...problemResponses(...READ),
  },
});

const redriveRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "post",
  path: "/webhooks/{id}/deliveries/{deliveryId}/redrive",
  summary: "Have a dead message delivered after all",
  request: { params: params.extend({ deliveryId: id }) },
  responses: {
    204: { description: "It is tried again with the next run." },
    ...problemResponses(...CHANGE),
  },
});

export const webhookRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const found = await readWebhooks(context.var.services);
    return context.json({ items: found.map(formatWebhook) }, 200);
  })
  .openapi(createWebhookRoute, async (context) => {
    const { services, user } = context.var;
    const made = valueOf(await createWebhook(services, user, context.req.valid("json")));
    return context.json({ webhook: formatWebhook(made.webhook), secret: made.secret }, 201);
  })
  .openapi(readRoute, async (context) => {
    const found = valueOf(await readWebhook(context.var.services, context.req.valid("param").id));
    return context.json(formatWebhook(found), 200);
  })
  .openapi(changeRoute, async (context) => {
    const { services, user } = context.var;
    const { id: webhookId } = context.req.valid("param");
    const changes = context.req.valid("json");
    const changed = valueOf(await changeWebhook(services, user, webhookId, changes));
    return context.json(formatWebhook(changed), 200);
  })
  .openapi(deleteRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await removeWebhook(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  })
  .openapi(rotateRoute, async (context) => {
    const { services, user } = context.var;
    const made = valueOf(await rotateWebhookSecret(services, user, context.req.valid("param").id));
    return context.json({ webhook: formatWebhook(made.webhook), secret: made.secret }, 200);
  })
  .openapi(testRoute, async (context) => {
    const outcome = await testWebhook(context.var.services, context.req.valid("param").id);
    return context.json({ ...valueOf(outcome) }, 200);
  })
  .openapi(deliveriesRoute, async (context) => {
    const { limit, cursor } = context.req.valid("query");
    const after = readCursor(cursorSchema, cursor);
    const { id: webhookId } = context.req.valid("param");
    const page = await pageDeliveries(context.var.services, webhookId, { after, limit });
    const { items, next } = valueOf(page);
    return context.json({ items: items.map(formatDelivery), nextCursor: writeCursor(next) }, 200);
  })
  .openapi(redriveRoute, async (context) => {
    const { services, user } = context.var;
    const { id: webhookId, deliveryId } = context.req.valid("param");
    valueOf(await redrive(services, user, { webhookId, id: deliveryId }));
    return context.body(null, 204);
  });

const cursorSchema = z.object({ createdAtMs: z.int(), id: z.string() });
