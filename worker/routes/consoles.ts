/** Consoles, and tickets for them. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { partialPolicySchema } from "#shared/policy/policy.ts";
import { type Way, WAYS } from "#shared/ticket/way.ts";
import { ACCESS_LEVELS } from "../identity/access-level.ts";
import {
  changeConsole,
  type ConsoleView,
  createConsole,
  deleteConsole,
  pageConsoles,
  readConsole,
  STATIC_SOURCE,
  type StoredConsole,
} from "../services/consoles.ts";
import { issueTicket } from "../services/tickets.ts";
import { requirePermission } from "./caller.ts";
import {
  addressSchema,
  CONSOLE_LIMITS,
  consoleNameSchema,
  namePrefixSchema,
  portSchema,
  projectSchema,
  proxySchema,
  spicePasswordSchema,
  subjectSchema,
  tagSchema,
  tagsSchema,
} from "./console-fields.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { warningsSchema } from "./policy-fields.ts";
import { problemResponses, valueOf } from "./problem.ts";
import { dropEmptyBody } from "./request-guards.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody, optionalJsonBody } from "./route-parts.ts";
import { ticketSchema } from "./ticket-schema.ts";
import { formatTime, timeSchema } from "./times.ts";

const sourceSchema = z.string().min(1).max(CONSOLE_LIMITS.sourceCharactersMax);

const newConsoleSchema = z
  .strictObject({
    name: consoleNameSchema.openapi({ example: "web1" }),
    uuid: z
      .guid()
      .optional()
      .openapi({ description: "The virtual machine's id; made up when it is not given." }),
    host: addressSchema.openapi({
      description: "Where the hypervisor serves SPICE.",
      example: "hv1.example",
    }),
    port: portSchema.optional().openapi({ description: "Plain; used when there is no tlsPort." }),
    tlsPort: portSchema.optional().openapi({ example: 5901 }),
    ca: z
      .string()
      .max(CONSOLE_LIMITS.caCharactersMax)
      .optional()
      .openapi({ description: "PEM certificates that may sign the hypervisor's." }),
    hostSubject: subjectSchema.optional(),
    password: spicePasswordSchema
      .optional()
      .openapi({ description: "The hypervisor's own SPICE password; never answered." }),
    proxy: proxySchema
      .optional()
      .openapi({ description: "HTTP proxy that the hypervisor is dialled through by CONNECT." }),
    policy: partialPolicySchema
      .optional()
      .openapi({ description: "Rules in which its sessions differ from the default policy." }),
    siteId: idSchema
      .optional()
      .openapi({ description: "The site whose relays reach it; absent: its source's." }),
    source: sourceSchema.default(STATIC_SOURCE),
    project: projectSchema.optional(),
    tags: tagsSchema.optional(),
  })
  .openapi("NewConsole");

const consoleChangesSchema = newConsoleSchema
  .pick({ name: true, host: true })
  .partial()
  .extend({
    port: portSchema.nullish(),
    tlsPort: portSchema.nullish(),
    ca: z.string().max(CONSOLE_LIMITS.caCharactersMax).nullish(),
    hostSubject: subjectSchema.nullish(),
    password: spicePasswordSchema.nullish().openapi({
      description: "Needed with another host or proxy, which must not be told the one of before.",
    }),
    proxy: proxySchema.nullish(),
    policy: partialPolicySchema
      .nullish()
      .openapi({ description: "In the place of all rules that it had." }),
    project: projectSchema.nullish(),
    tags: tagsSchema.optional().openapi({ description: "In the place of all that it had." }),
    siteId: idSchema.nullish(),
  })
  .openapi("ConsoleChanges");

const consoleFields = {
  id: z.string(),
  name: z.string(),
  uuid: z.string(),
  source: z.string(),
  project: z.string().nullable(),
  tags: z.array(z.string()),
  createdAt: timeSchema,
  access: z.enum(ACCESS_LEVELS).openapi({ description: "How far the caller's right to it goes." }),
  host: z.string().optional().openapi({ description: "This and all that follows: admins only." }),
  port: z.int().nullable().optional(),
  tlsPort: z.int().nullable().optional(),
  hostSubject: z.string().nullable().optional(),
  proxy: z.string().nullable().optional(),
  policy: partialPolicySchema.nullable().optional(),
  siteId: z
    .string()
    .nullable()
    .optional()
    .openapi({ description: "The site whose relays reach it; null: its source's." }),
};

const consoleSchema = z.object(consoleFields).openapi("Console");
const storedConsoleSchema = z
  .object({ ...consoleFields, warnings: warningsSchema })
  .openapi("StoredConsole");

const createConsoleRoute = createRoute({
  method: "post",
  path: "/consoles",
  summary: "Add a console",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("consoles.manage")] as const,
  request: { body: jsonBody(newConsoleSchema) },
  responses: {
    201: json("Added.", storedConsoleSchema),
    ...problemResponses("resource.conflict"),
  },
});

const listConsolesRoute = createRoute({
  method: "get",
  path: "/consoles",
  summary: "List the consoles that the caller may see, by name",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("consoles.read")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      name: consoleNameSchema.optional().openapi({ description: "Only consoles of this name." }),
      namePrefix: namePrefixSchema
        .optional()
        .openapi({ description: "Only consoles whose name begins so; capitals matter." }),
      source: sourceSchema.optional(),
      project: projectSchema.optional(),
      tag: tagSchema.optional(),
      siteId: idSchema.optional().openapi({
        description: "Only consoles of this site; for those who may read relays.",
      }),
    }),
  },
  responses: {
    200: json("A page.", pageSchema(consoleSchema).openapi("ConsolePage")),
    ...problemResponses("auth.forbidden"),
  },
});

const readConsoleRoute = createRoute({
  method: "get",
  path: "/consoles/{id}",
  summary: "Read a console",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("consoles.read")] as const,
  request: { params: idParams },
  responses: {
    200: json("The console.", consoleSchema),
    ...problemResponses("resource.not-found"),
  },
});

const changeConsoleRoute = createRoute({
  method: "patch",
  path: "/consoles/{id}",
  summary: "Change a console; null takes a value away",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("consoles.manage")] as const,
  request: { params: idParams, body: jsonBody(consoleChangesSchema) },
  responses: {
    200: json("As it is now.", storedConsoleSchema),
    ...problemResponses("resource.not-found"),
  },
});

const deleteConsoleRoute = createRoute({
  method: "delete",
  path: "/consoles/{id}",
  summary: "Delete a console; its tickets are void, and its sessions end",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("consoles.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Deleted." },
    ...problemResponses("resource.not-found"),
  },
});

const ticketRequestSchema = z
  .strictObject({
    way: z.enum(WAYS).default("tls").openapi({
      description: "How the client reaches the relay: by TLS, or through its HTTP CONNECT port.",
    }),
  })
  .openapi("TicketRequest");

const issueTicketRoute = createRoute({
  method: "post",
  path: "/consoles/{id}/tickets",
  summary: "Ask for a ticket",
  description:
    "Chooses a relay and answers the address of a console file that can be fetched once. Whoever " +
    "has the address can open the console until it expires. A console that somebody has open is " +
    "refused, unless its policy says that a second viewer takes it over.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("consoles.open"), dropEmptyBody] as const,
  request: { params: idParams, body: optionalJsonBody(ticketRequestSchema) },
  responses: {
    201: json("The ticket waits at the address.", ticketSchema),
    ...problemResponses(
      "console.access-too-low",
      "resource.not-found",
      "console.in-use",
      "session.limit",
      "policy.outside-hours",
      "policy.no-channels",
      "policy.unenforceable",
      "signing-key.unreadable",
      "console.no-relay",
      "target.unreadable",
      "auth.revoked",
    ),
  },
});

export const consoleRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(createConsoleRoute, async (context) => {
    const { services, user } = context.var;
    const created = valueOf(await createConsole(services, user, context.req.valid("json")));
    return context.json(formatStored(created), 201);
  })
  .openapi(listConsolesRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor, ...filter } = context.req.valid("query");
    const after = readCursor(cursorSchema, cursor);
    const page = valueOf(await pageConsoles(services, user, { filter, after, limit }));
    const items = page.items.map(formatConsole);
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(readConsoleRoute, async (context) => {
    const { services, user } = context.var;
    const found = valueOf(await readConsole(services, user, context.req.valid("param").id));
    return context.json(formatConsole(found), 200);
  })
  .openapi(changeConsoleRoute, async (context) => {
    const { services, user } = context.var;
    const change = { id: context.req.valid("param").id, changes: context.req.valid("json") };
    return context.json(formatStored(valueOf(await changeConsole(services, user, change))), 200);
  })
  .openapi(deleteConsoleRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await deleteConsole(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  })
  .openapi(issueTicketRoute, async (context) => {
    const { services, user } = context.var;
    const wish: { readonly way?: Way } = context.req.valid("json");
    const { sessionId, vvUrl, expiresAtMs } = valueOf(
      await issueTicket(services, user, context.req.valid("param").id, wish.way ?? "tls"),
    );
    return context.json({ sessionId, vvUrl, expiresAt: formatTime(expiresAtMs) }, 201);
  });

function formatStored({ warnings, ...view }: StoredConsole): z.infer<typeof storedConsoleSchema> {
  return { ...formatConsole(view), warnings: [...warnings] };
}

function formatConsole(view: ConsoleView): z.infer<typeof consoleSchema> {
  const { createdAtMs, target, tags, ...rest } = view;
  return { ...rest, tags: [...tags], createdAt: formatTime(createdAtMs), ...target };
}

const cursorSchema = z.object({ name: z.string(), id: z.string() });
