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
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { newestCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody } from "./route-parts.ts";
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

const manage = requirePermission("webhooks.manage");

const listRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "get",
  path: "/webhooks",
  summary: "List the webhooks",
  responses: {
    200: json("All.", z.object({ items: z.array(webhookSchema) })),
    ...problemResponses(),
  },
});

const createWebhookRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "post",
  path: "/webhooks",
  summary: "Add a webhook",
  description: "It gets the events that happen from then on. The secret is shown once.",
  request: { body: jsonBody(webhookInputSchema) },
  responses: {
    201: json("The webhook and its secret.", webhookSecretSchema),
    ...problemResponses("webhook.too-many"),
  },
});

const readRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "get",
  path: "/webhooks/{id}",
  summary: "Read a webhook",
  request: { params: idParams },
  responses: {
    200: json("The webhook.", webhookSchema),
    ...problemResponses("resource.not-found"),
  },
});

const changeRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "patch",
  path: "/webhooks/{id}",
  summary: "Change a webhook",
  description: "Enabled again, it goes on with the first event that it has missed.",
  request: { params: idParams, body: jsonBody(webhookChangesSchema) },
  responses: {
    200: json("The webhook.", webhookSchema),
    ...problemResponses("resource.not-found"),
  },
});

const deleteRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "delete",
  path: "/webhooks/{id}",
  summary: "Delete a webhook with its messages",
  request: { params: idParams },
  responses: { 204: { description: "It is gone." }, ...problemResponses("resource.not-found") },
});

const rotateRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "post",
  path: "/webhooks/{id}/rotate-secret",
  summary: "Give a webhook another secret",
  description: "For a day messages carry a signature by the old secret as well.",
  request: { params: idParams },
  responses: {
    200: json("The webhook and its secret.", webhookSecretSchema),
    ...problemResponses("resource.not-found"),
  },
});

const testRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "post",
  path: "/webhooks/{id}/test",
  summary: "Send a message without events now, and tell what became of it",
  request: { params: idParams },
  responses: {
    200: json("What the receiver did.", webhookTestSchema),
    ...problemResponses("resource.not-found"),
  },
});

const deliveriesRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "get",
  path: "/webhooks/{id}/deliveries",
  summary: "List the messages that failed at least once, newest first",
  request: { params: idParams, query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(deliverySchema).openapi("WebhookDeliveryPage")),
    ...problemResponses("resource.not-found"),
  },
});

const redriveRoute = createRoute({
  security: LOGIN_SECURITY,
  middleware: [manage] as const,
  method: "post",
  path: "/webhooks/{id}/deliveries/{deliveryId}/redrive",
  summary: "Have a message that failed tried again at once, also a dead one",
  request: { params: idParams.extend({ deliveryId: idSchema }) },
  responses: {
    204: { description: "It is tried again with the next run." },
    ...problemResponses("resource.not-found"),
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
    const after = readCursor(newestCursor, cursor);
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
