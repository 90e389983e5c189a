/** Links by which guests open one console. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { partialPolicySchema } from "#shared/policy/policy.ts";
import { WAYS } from "#shared/ticket/way.ts";
import { openShare } from "../services/open-share.ts";
import {
  issueShare,
  pageShares,
  readShare,
  revokeShare,
  type ShareView,
  SHARE_STATES,
} from "../services/shares.ts";
import { anonymousCaller, requirePermission } from "./caller.ts";
import { printableSchema } from "./console-fields.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { newestCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { warningsSchema } from "./policy-fields.ts";
import { problemResponses, valueOf } from "./problem.ts";
import { dropEmptyBody } from "./request-guards.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody, optionalJsonBody } from "./route-parts.ts";
import { ticketSchema } from "./ticket-schema.ts";
import { formatOptionalTime, formatTime, timeSchema } from "./times.ts";

const SHARE_LIMITS = {
  /** Long enough to be read and clicked. */
  lifeSMin: 60,
  /** A month: what is to last longer is an account. */
  lifeSMax: 30 * 86_400,
  /** A class room's; also bounds how many sessions a revocation ends at once. */
  usesMax: 100,
  labelCharactersMax: 128,
  /** Far longer than a token of ours. */
  tokenCharactersMax: 256,
} as const;

const newShareSchema = z
  .strictObject({
    consoleId: idSchema,
    expiresInS: z
      .int()
      .min(SHARE_LIMITS.lifeSMin)
      .max(SHARE_LIMITS.lifeSMax)
      .openapi({ description: "Seconds in which sessions can begin." }),
    uses: z
      .int()
      .min(1)
      .max(SHARE_LIMITS.usesMax)
      .default(1)
      .openapi({ description: "How often it opens the console." }),
    policy: partialPolicySchema
      .optional()
      .openapi({ description: "Makes its sessions stricter than the console's, never laxer." }),
    label: printableSchema(SHARE_LIMITS.labelCharactersMax).optional(),
  })
  .openapi("NewShare");

const shareSchema = z
  .object({
    id: z.string(),
    console: z.object({ id: z.string(), name: z.string() }),
    issuer: z.object({ id: z.string(), username: z.string() }),
    label: z.string().nullable(),
    policy: partialPolicySchema.nullable(),
    uses: z.int(),
    usesLeft: z.int(),
    state: z.enum(SHARE_STATES).openapi({ description: "Only an active link opens." }),
    createdAt: timeSchema,
    expiresAt: timeSchema,
    revokedAt: timeSchema.nullable(),
  })
  .openapi("Share");

const createShareRoute = createRoute({
  method: "post",
  path: "/shares",
  summary: "Issue a link that opens one console for a guest",
  description:
    "For the console's owner, and for who manages all links. The answer has the link, once: the " +
    "token behind the `#` is its credential. It is worth what its issuer's right to the console is " +
    "worth when it is used.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("shares.manage")] as const,
  request: { body: jsonBody(newShareSchema) },
  responses: {
    201: json(
      "Issued.",
      z
        .object({ share: shareSchema, url: z.string(), warnings: warningsSchema })
        .openapi("IssuedShare"),
    ),
    ...problemResponses("console.access-too-low", "resource.not-found"),
  },
});

const listRoute = createRoute({
  method: "get",
  path: "/shares",
  summary: "List the caller's links, newest first; everybody's for who manages them all",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("shares.manage")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      consoleId: idSchema.optional().openapi({ description: "Only of this console." }),
    }),
  },
  responses: {
    200: json("A page.", pageSchema(shareSchema).openapi("SharePage")),
    ...problemResponses(),
  },
});

const readRoute = createRoute({
  method: "get",
  path: "/shares/{id}",
  summary: "Read a link; its token is not shown again",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("shares.manage")] as const,
  request: { params: idParams },
  responses: {
    200: json("The link.", shareSchema),
    ...problemResponses("resource.not-found"),
  },
});

const revokeRoute = createRoute({
  method: "post",
  path: "/shares/{id}/revoke",
  summary: "Revoke a link, and end its sessions where that is wished",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("shares.manage"), dropEmptyBody] as const,
  request: {
    params: idParams,
    body: optionalJsonBody(
      z.strictObject({ endSessions: z.boolean().default(false) }).openapi("ShareRevocation"),
    ),
  },
  responses: {
    200: json(
      "It opens nothing any more.",
      z
        .object({
          sessionsEnding: z
            .int()
            .openapi({ description: "Living sessions that their relays end now." }),
          sessionsWaiting: z
            .int()
            .openapi({ description: "Living sessions whose relay is told when it is back." }),
        })
        .openapi("RevokedShare"),
    ),
    ...problemResponses("resource.not-found"),
  },
});

const openRoute = createRoute({
  method: "post",
  path: "/shares/open",
  operationId: "openShare",
  summary: "Open a console by a link",
  description:
    "Needs no login: the token, which is what follows the `#` of the link, is the credential. " +
    "Takes one of the link's uses and answers as a ticket request does.",
  request: {
    body: jsonBody(
      z
        .strictObject({
          token: z.string().max(SHARE_LIMITS.tokenCharactersMax),
          way: z.enum(WAYS).default("tls"),
        })
        .openapi("ShareOpening"),
    ),
  },
  responses: {
    201: json("The ticket waits at the address.", ticketSchema),
    ...problemResponses(
      "share.gone",
      "request.rate-limited",
      "console.in-use",
      "session.limit",
      "policy.outside-hours",
      "policy.no-channels",
      "policy.unenforceable",
      "signing-key.unreadable",
      "console.no-relay",
      "target.unreadable",
    ),
  },
});

export const shareRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(createShareRoute, async (context) => {
    const { services, user } = context.var;
    const { uses, ...input } = context.req.valid("json");
    const { share, url, warnings } = valueOf(
      await issueShare(services, user, { ...input, usesMax: uses }),
    );
    return context.json({ share: formatShare(share), url, warnings: [...warnings] }, 201);
  })
  .openapi(listRoute, async (context) => {
    const { services, user } = context.var;
    const { limit, cursor, consoleId } = context.req.valid("query");
    const after = readCursor(newestCursor, cursor);
    const page = await pageShares(services, user, { consoleId, after, limit });
    const items = page.items.map(formatShare);
    return context.json({ items, nextCursor: writeCursor(page.next) }, 200);
  })
  .openapi(openRoute, async (context) => {
    const { services } = context.var;
    const opening = context.req.valid("json");
    const { sessionId, vvUrl, expiresAtMs } = valueOf(
      await openShare(services, anonymousCaller(context), opening),
    );
    return context.json({ sessionId, vvUrl, expiresAt: formatTime(expiresAtMs) }, 201);
  })
  .openapi(readRoute, async (context) => {
    const { services, user } = context.var;
    const share = valueOf(await readShare(services, user, context.req.valid("param").id));
    return context.json(formatShare(share), 200);
  })
  .openapi(revokeRoute, async (context) => {
    const { services, user } = context.var;
    const wish: { readonly endSessions?: boolean } = context.req.valid("json");
    const { id } = context.req.valid("param");
    const revocation = { id, endSessions: wish.endSessions ?? false };
    return context.json(valueOf(await revokeShare(services, user, revocation)), 200);
  });

function formatShare(view: ShareView): z.infer<typeof shareSchema> {
  const { id, label, policy, state, usesMax, usesLeft } = view;
  return {
    id,
    console: { id: view.consoleId, name: view.consoleName },
    issuer: { id: view.issuerId, username: view.issuerName },
    label,
    policy,
    uses: usesMax,
    usesLeft,
    state,
    createdAt: formatTime(view.createdAtMs),
    expiresAt: formatTime(view.expiresAtMs),
    revokedAt: formatOptionalTime(view.revokedAtMs),
  };
}
