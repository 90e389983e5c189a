/**
 * Relays: the list, enrolment for a new relay, and the socket by which an enrolled one is linked to
 * its hub. What is done with them is in relay-lifecycle.ts.
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { CONTROL_SUBPROTOCOL } from "#shared/control/contract.ts";
import { enrolAnswerSchema, enrolRequestSchema } from "#shared/control/enrolment.ts";
import { linkRush } from "../hub/link-rush.ts";
import { RELAY_ID_HEADER } from "../hub/relay-id-header.ts";
import { logNotice } from "../log.ts";
import {
  authenticateRelay,
  enrolRelay,
  pageRelays,
  readRelay,
  RELAY_STATES,
} from "../services/relays.ts";
import { anonymousCaller, bearerToken, requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { nameCursor, pageQuery, pageSchema, readCursor, writeCursor } from "./paging.ts";
import { problemResponses, refuse, valueOf } from "./problem.ts";
import { formatHealth, formatRelay, relayHealthSchema, relaySchema } from "./relay-view.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, idSchema, json, jsonBody } from "./route-parts.ts";

/** RELAY_NAME_PATTERN allows no more. */
const NAME_CHARACTERS_MAX = 63;

const enrolRoute = createRoute({
  method: "post",
  path: "/relays/enrol",
  operationId: "enrolRelay",
  summary: "Enrol a relay: called by the relay itself, authorised by its join token",
  request: { body: jsonBody(enrolRequestSchema) },
  responses: {
    201: json("The relay's identity and its TLS certificate.", enrolAnswerSchema),
    ...problemResponses(
      "join-token.invalid",
      "request.rate-limited",
      "relay.csr-invalid",
      "resource.conflict",
      "authority.key-missing",
      "authority.key-unreadable",
    ),
  },
});

const listRoute = createRoute({
  method: "get",
  path: "/relays",
  summary: "List the relays by name",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.read")] as const,
  request: {
    query: z.object({
      ...pageQuery,
      name: z.string().max(NAME_CHARACTERS_MAX).optional(),
      siteId: idSchema.optional(),
      state: z.enum(RELAY_STATES).optional().openapi({
        description: "`draining`: online, and it takes no new sessions.",
      }),
    }),
  },
  responses: {
    200: json("A page.", pageSchema(relaySchema).openapi("RelayPage")),
    ...problemResponses(),
  },
});

const readRoute = createRoute({
  method: "get",
  path: "/relays/{id}",
  summary: "Read a relay and its health",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("relays.read")] as const,
  request: { params: idParams },
  responses: {
    200: json("The relay.", relayHealthSchema),
    ...problemResponses("resource.not-found"),
  },
});

export const relayRoutes = new OpenAPIHono<RouteEnv>();

// Before /relays/{id}, which would take `link` for an id. A WebSocket is no part of OpenAPI.
relayRoutes.get("/relays/link", async (context) => await openLink(context));

relayRoutes
  .openapi(enrolRoute, async (context) => {
    const request = context.req.valid("json");
    const caller = anonymousCaller(context);
    const answer = valueOf(await enrolRelay(context.var.services, caller, request));
    return context.json(answer, 201);
  })
  .openapi(listRoute, async (context) => {
    const { limit, cursor, ...filter } = context.req.valid("query");
    const afterName = readCursor(nameCursor, cursor)?.name ?? null;
    const page = await pageRelays(context.var.services, { filter, afterName, limit });
    const next = page.nextName === null ? null : { name: page.nextName };
    return context.json({ items: page.items.map(formatRelay), nextCursor: writeCursor(next) }, 200);
  })
  .openapi(readRoute, async (context) => {
    const found = valueOf(await readRelay(context.var.services, context.req.valid("param").id));
    return context.json(formatHealth(found), 200);
  });

/** Authenticates the relay and hands its socket to its hub, which answers 101. */
async function openLink(context: Context<RouteEnv>): Promise<Response> {
  if (context.req.header("Upgrade")?.toLowerCase() !== "websocket") {
    refuse("request.invalid", "This address is a WebSocket.");
  }
  const offered = (context.req.header("Sec-WebSocket-Protocol") ?? "").split(",");
  if (!offered.some((protocol) => protocol.trim() === CONTROL_SUBPROTOCOL)) {
    refuse("request.invalid", `Offer the WebSocket subprotocol ${CONTROL_SUBPROTOCOL}.`);
  }
  // Behind the proof of who it is: strangers must not take the places of relays.
  const relayId = await relayOf(context);
  if (!linkRush.enter(relayId, Date.now())) {
    refuse("control.rush");
  }
  const { HUB } = context.env;
  const headers = new Headers(context.req.raw.headers);
  headers.set(RELAY_ID_HEADER, relayId);
  headers.delete("Authorization");
  const request = new Request(context.req.url, { headers });
  return await HUB.get(HUB.idFromName(relayId)).fetch(request);
}

/** Who proved to be which relay. */
async function relayOf(context: Context<RouteEnv>): Promise<string> {
  const relay = await authenticateRelay(context.var.services, bearerToken(context) ?? "");
  if (!relay.ok) {
    const { requestId } = context.var;
    // A stranger learns nothing; the log tells the operator what was wrong.
    logNotice(relay.error.code, { requestId, detail: relay.error.detail });
    refuse(relay.error.code);
  }
  return relay.value;
}
