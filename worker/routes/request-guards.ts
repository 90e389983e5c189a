/** What every request passes before a route sees it, and what every answer carries. */
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { secureHeaders } from "hono/secure-headers";
import { newId } from "#shared/base/ids.ts";
import { SHARE_PAGE_PATH } from "../services/shares.ts";
import { refuse } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";

/** Takes the caller's request id when it is a sane one, else makes one; it is always answered. */
export const identifyRequest = createMiddleware<RouteEnv>(
  async function identifyRequest(context, next) {
    const given = context.req.header(REQUEST_ID_HEADER);
    const id =
      given !== undefined && REQUEST_ID_PATTERN.test(given)
        ? given
        : newId("request", (count) => crypto.getRandomValues(new Uint8Array(count)));
    context.set("requestId", id);
    await next();
    // A WebSocket's answer cannot be rebuilt with another header.
    if (context.res.status !== SWITCHING_PROTOCOLS) {
      context.header(REQUEST_ID_HEADER, id);
    }
  },
);

/** Nothing that the API answers may run, be framed, be guessed at or be kept by a cache. */
export const guardAnswers = createMiddleware<RouteEnv>(async function guardAnswers(context, next) {
  if (isUpgrade(context)) {
    await next();
    return;
  }
  await (context.req.path === SHARE_PAGE_PATH ? pageHeaders : strictHeaders)(context, next);
  if (context.req.path.startsWith("/api/") && !context.res.headers.has("Cache-Control")) {
    context.header("Cache-Control", "no-store");
  }
});

/** A body is JSON and says so; forms, which pages may send across origins, never pass. */
export const requireJson = createMiddleware<RouteEnv>(async function requireJson(context, next) {
  const type = context.req.header("Content-Type");
  const isJson = type !== undefined && /^application\/json *(;|$)/i.test(type);
  if (context.req.raw.body !== null && !isJson && !(await isEmpty(context))) {
    refuse("request.not-json");
  }
  await next();
});

/** Route middleware where a body may be absent: one of no bytes is none, whatever type it claims. */
export const dropEmptyBody = createMiddleware<RouteEnv>(
  async function dropEmptyBody(context, next) {
    if (await isEmpty(context)) {
      const { url, method, headers } = context.req.raw;
      const untyped = new Headers(headers);
      untyped.delete("Content-Type");
      context.req.raw = new Request(url, { method, headers: untyped });
    }
    await next();
  },
);

export const limitBody = bodyLimit({
  // The largest honest body is a console with a CA bundle of 64 KiB.
  maxSize: 128 * 1024,
  onError: () => refuse("request.too-large"),
});

const NOTHING = {
  defaultSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};

const strictHeaders = secureHeaders({ contentSecurityPolicy: NOTHING, xFrameOptions: "DENY" });

/** For the page that runs a script of ours, which asks our own API. */
const pageHeaders = secureHeaders({
  contentSecurityPolicy: {
    ...NOTHING,
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    connectSrc: ["'self'"],
  },
  xFrameOptions: "DENY",
});

function isUpgrade(context: Context<RouteEnv>): boolean {
  return context.req.header("Upgrade")?.toLowerCase() === "websocket";
}

/** Some clients send a POST without content as a body of no bytes. */
async function isEmpty(context: Context<RouteEnv>): Promise<boolean> {
  return (await context.req.raw.clone().arrayBuffer()).byteLength === 0;
}

const REQUEST_ID_HEADER = "X-Request-Id";
const REQUEST_ID_PATTERN = /^[A-Za-z0-9._-]{8,64}$/;
const SWITCHING_PROTOCOLS = 101;
