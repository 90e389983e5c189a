/** What is done with a relay: another name or site, draining, disabling, deleting. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import {
  deleteRelay,
  disableRelay,
  drainRelay,
  enableRelay,
  patchRelay,
  resumeRelay,
} from "../services/relay-lifecycle.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { problemResponses, valueOf } from "./problem.ts";
import { formatRelay, relaySchema } from "./relay-view.ts";
import { dropEmptyBody } from "./request-guards.ts";
import type { RouteEnv } from "./route-env.ts";
import {
  idParams,
  idSchema,
  json,
  jsonBody,
  optionalJsonBody,
  relayNameSchema,
} from "./route-parts.ts";

/** An hour: most people close a console within that, and maintenance windows are of that size. */
const DRAIN_SECONDS_DEFAULT = 3_600;
/** A day: whoever wants to wait for longer does not mean to end them. */
const DRAIN_SECONDS_MAX = 86_400;

const relayAnswer = json("As it is now.", relaySchema);

const patchRoute = createRoute({
  method: "patch",
  path: "/relays/{id}",
  summary: "Give a relay another name or site",
  description: "Its certificate goes on naming it as it was enrolled.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage")] as const,
  request: {
    params: idParams,
    body: jsonBody(
      z
        .strictObject({
          name: relayNameSchema.optional(),
          siteId: idSchema.optional(),
        })
        .openapi("RelayChanges"),
    ),
  },
  responses: {
    200: relayAnswer,
    ...problemResponses("resource.not-found", "resource.conflict"),
  },
});

const drainRoute = createRoute({
  method: "post",
  path: "/relays/{id}/drain",
  summary: "Drain a relay from here",
  description:
    "It gets no new session until it is resumed, through restarts of either side. Living sessions " +
    "go on until the deadline. The drain that its own operator may begin is another one: it serves " +
    "when neither holds.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage"), dropEmptyBody] as const,
  request: {
    params: idParams,
    body: optionalJsonBody(
      z
        .strictObject({
          deadlineS: z.int().min(0).max(DRAIN_SECONDS_MAX).nullable().optional().openapi({
            description:
              "Seconds after which living sessions end; null: they go on as long as they like.",
          }),
        })
        .default({})
        .openapi("RelayDrain"),
    ),
  },
  responses: { 200: relayAnswer, ...problemResponses("resource.not-found") },
});

const disableRoute = createRoute({
  method: "post",
  path: "/relays/{id}/disable",
  summary: "Refuse a relay's link, so that it gets no sessions",
  description:
    "Sessions that live there go on unseen, and can be ended only at the relay itself, unless " +
    "endSessions is true: then the relay is told to end them first.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage"), dropEmptyBody] as const,
  request: {
    params: idParams,
    body: optionalJsonBody(
      z.strictObject({ endSessions: z.boolean().optional() }).default({}).openapi("RelayDisabling"),
    ),
  },
  responses: { 200: relayAnswer, ...problemResponses("resource.not-found") },
});

const plainRoute = (verb: "resume" | "enable", summary: string) =>
  createRoute({
    method: "post",
    path: `/relays/{id}/${verb}`,
    summary,
    security: LOGIN_SECURITY,
    middleware: [requirePermission("relays.manage")] as const,
    request: { params: idParams },
    responses: { 200: relayAnswer, ...problemResponses("resource.not-found") },
  });

const resumeRoute = plainRoute("resume", "End the drain that was ordered here");
const enableRoute = plainRoute("enable", "Let a disabled relay link again");

const deleteRoute = createRoute({
  method: "delete",
  path: "/relays/{id}",
  summary: "Delete a relay that is offline or disabled",
  description: "Its identity is void for ever, and its name is free. What points to it stays.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "It is deleted." },
    ...problemResponses("resource.not-found", "relay.in-service"),
  },
});

export const relayLifecycleRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(patchRoute, async (context) => {
    const { services, user } = context.var;
    const change = { id: context.req.valid("param").id, patch: context.req.valid("json") };
    return context.json(formatRelay(valueOf(await patchRelay(services, user, change))), 200);
  })
  .openapi(drainRoute, async (context) => {
    const { services, user } = context.var;
    const { deadlineS = DRAIN_SECONDS_DEFAULT } = context.req.valid("json");
    const drain = { id: context.req.valid("param").id, deadlineS };
    return context.json(formatRelay(valueOf(await drainRelay(services, user, drain))), 200);
  })
  .openapi(resumeRoute, async (context) => {
    const { services, user } = context.var;
    const { id } = context.req.valid("param");
    return context.json(formatRelay(valueOf(await resumeRelay(services, user, id))), 200);
  })
  .openapi(disableRoute, async (context) => {
    const { services, user } = context.var;
    const { endSessions = false } = context.req.valid("json");
    const disabling = { id: context.req.valid("param").id, endsSessions: endSessions };
    return context.json(formatRelay(valueOf(await disableRelay(services, user, disabling))), 200);
  })
  .openapi(enableRoute, async (context) => {
    const { services, user } = context.var;
    const { id } = context.req.valid("param");
    return context.json(formatRelay(valueOf(await enableRelay(services, user, id))), 200);
  })
  .openapi(deleteRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await deleteRelay(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  });
