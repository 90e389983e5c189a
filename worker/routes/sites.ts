/** Sites: sets of relays that reach the same hypervisors, and who takes over for whom. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { SITE_FALLBACKS_MAX } from "#shared/audit/events.ts";
import {
  createSite,
  deleteSite,
  pageSites,
  patchSite,
  putSourceSite,
  readSite,
} from "../services/sites.ts";
import { requirePermission } from "./caller.ts";
import { CONSOLE_LIMITS } from "./console-fields.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { nameCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody, relayNameSchema } from "./route-parts.ts";
import { formatTime, timeSchema } from "./times.ts";

/** A few lines that say where the site is and who looks after it. */
const DESCRIPTION_CHARACTERS_MAX = 500;

const descriptionSchema = z.string().max(DESCRIPTION_CHARACTERS_MAX);
const fallbackIdsSchema = z
  .array(idSchema)
  .max(SITE_FALLBACKS_MAX)
  .openapi({ description: "Sites whose relays take over, in this order." });

const siteSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    fallbacks: z
      .array(z.object({ id: z.string(), name: z.string() }))
      .openapi({ description: "Sites whose relays take over, in this order." }),
    createdAt: timeSchema,
  })
  .openapi("Site");

const listRoute = createRoute({
  method: "get",
  path: "/sites",
  summary: "List the sites by name",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.read")] as const,
  request: { query: z.object(pageQuery) },
  responses: {
    200: json("A page.", pageSchema(siteSchema).openapi("SitePage")),
    ...problemResponses(),
  },
});

const createSiteRoute = createRoute({
  method: "post",
  path: "/sites",
  summary: "Add a site",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage")] as const,
  request: {
    body: jsonBody(
      z
        .strictObject({
          name: relayNameSchema,
          description: descriptionSchema.default(""),
          fallbackIds: fallbackIdsSchema.default([]),
        })
        .openapi("NewSite"),
    ),
  },
  responses: {
    201: json("Added.", siteSchema),
    ...problemResponses("resource.conflict"),
  },
});

const readSiteRoute = createRoute({
  method: "get",
  path: "/sites/{id}",
  summary: "Read a site",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.read")] as const,
  request: { params: idParams },
  responses: {
    200: json("The site.", siteSchema),
    ...problemResponses("resource.not-found"),
  },
});

const changeSiteRoute = createRoute({
  method: "patch",
  path: "/sites/{id}",
  summary: "Change a site",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage")] as const,
  request: {
    params: idParams,
    body: jsonBody(
      z
        .strictObject({
          name: relayNameSchema.optional(),
          description: descriptionSchema.optional(),
          fallbackIds: fallbackIdsSchema
            .optional()
            .openapi({ description: "In the place of all that it had." }),
        })
        .openapi("SiteChanges"),
    ),
  },
  responses: {
    200: json("As it is now.", siteSchema),
    ...problemResponses("resource.conflict", "resource.not-found"),
  },
});

const deleteSiteRoute = createRoute({
  method: "delete",
  path: "/sites/{id}",
  summary: "Delete a site that nothing belongs to and nothing falls back on",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.manage")] as const,
  request: { params: idParams },
  responses: {
    204: { description: "Deleted." },
    ...problemResponses("resource.not-found", "site.in-use"),
  },
});

const putSourceRoute = createRoute({
  method: "put",
  path: "/sources/{name}/site",
  summary: "Make a source's consoles belong to a site",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sources.manage")] as const,
  request: {
    params: z.object({ name: z.string().max(CONSOLE_LIMITS.sourceCharactersMax) }),
    body: jsonBody(z.strictObject({ siteId: idSchema }).openapi("SourceSite")),
  },
  responses: {
    204: { description: "They do, but for those with a site of their own." },
    ...problemResponses("resource.not-found"),
  },
});

export const siteRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(listRoute, async (context) => {
    const { limit, cursor } = context.req.valid("query");
    const afterName = readCursor(nameCursor, cursor)?.name ?? null;
    const page = await pageSites(context.var.services, { afterName, limit });
    const next = page.nextName === null ? null : { name: page.nextName };
    return context.json({ items: page.items.map(formatSite), nextCursor: writeCursor(next) }, 200);
  })
  .openapi(createSiteRoute, async (context) => {
    const { services, user } = context.var;
    const created = valueOf(await createSite(services, user, context.req.valid("json")));
    return context.json(formatSite(created), 201);
  })
  .openapi(readSiteRoute, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(formatSite(valueOf(await readSite(context.var.services, id))), 200);
  })
  .openapi(changeSiteRoute, async (context) => {
    const { services, user } = context.var;
    const change = { id: context.req.valid("param").id, patch: context.req.valid("json") };
    return context.json(formatSite(valueOf(await patchSite(services, user, change))), 200);
  })
  .openapi(deleteSiteRoute, async (context) => {
    const { services, user } = context.var;
    valueOf(await deleteSite(services, user, context.req.valid("param").id));
    return context.body(null, 204);
  })
  .openapi(putSourceRoute, async (context) => {
    const { services, user } = context.var;
    const { siteId } = context.req.valid("json");
    const move = { name: context.req.valid("param").name, siteId };
    valueOf(await putSourceSite(services, user, move));
    return context.body(null, 204);
  });

function formatSite(
  site: Awaited<ReturnType<typeof pageSites>>["items"][number],
): z.infer<typeof siteSchema> {
  const { createdAtMs, fallbacks, ...rest } = site;
  return { ...rest, fallbacks: [...fallbacks], createdAt: formatTime(createdAtMs) };
}
