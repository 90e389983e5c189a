/** What every request passes before a route sees it, and what every answer carries. */
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { newId } from "#shared/base/ids.ts";
import { isNestedDeeper } from "./json-depth.ts";
import { refuse } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { holdsZero } from "./zero-character.ts";

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

/**
 * Nothing that the API answers may run, be framed, be guessed at or be kept by a cache. A page may
 * run what comes from our own origin, and nothing that stands in the page itself. A route that sets
 * one of the headers itself keeps it.
 */
export const guardAnswers = createMiddleware<RouteEnv>(async function guardAnswers(context, next) {
  await next();
  if (context.res.status === SWITCHING_PROTOCOLS) {
    return;
  }
  const { headers } = context.res;
  const isPage = headers.get("Content-Type")?.startsWith("text/html") === true;
  const isApi = context.req.path.startsWith("/api/");
  const guards = {
    ...ANSWER_HEADERS,
    "Content-Security-Policy": isPage ? PAGE_POLICY : DATA_POLICY,
    ...(isApi ? { "Cache-Control": "no-store" } : {}),
  };
  for (const [name, value] of Object.entries(guards)) {
    if (!headers.has(name)) {
      context.header(name, value);
    }
  }
});

/** Browsers that came by https once come by nothing else. Over plain http it would mean nothing. */
export const demandTls = createMiddleware<RouteEnv>(async function demandTls(context, next) {
  await next();
  const isByTls = context.var.services.settings.publicUrl.startsWith("https:");
  if (isByTls && context.res.status !== SWITCHING_PROTOCOLS) {
    context.header("Strict-Transport-Security", `max-age=${TLS_MEMORY_S}; includeSubDomains`);
  }
});

/** Refuses addresses that no honest client makes, before anything looks into them. */
export const limitUrl = createMiddleware<RouteEnv>(async function limitUrl(context, next) {
  const { url } = context.req;
  const queryStart = url.indexOf("?");
  const parameters = queryStart === -1 ? 0 : url.slice(queryStart).split("&").length;
  if (url.length > URL_CHARACTERS_MAX || parameters > PARAMETERS_MAX) {
    refuse("request.url-too-long");
  }
  if (url.includes("%00")) {
    refuse("request.invalid", NO_ZERO);
  }
  await next();
});

/** Refuses JSON that no body of ours is like, before it is taken apart. */
export const limitJson = createMiddleware<RouteEnv>(async function limitJson(context, next) {
  const { raw } = context.req;
  const text = raw.body === null ? "" : await raw.clone().text();
  if (isNestedDeeper(text, JSON_DEPTH_MAX)) {
    refuse("request.invalid", `The JSON is nested more than ${JSON_DEPTH_MAX} deep.`);
  }
  if (holdsZero(text)) {
    refuse("request.invalid", NO_ZERO);
  }
  await next();
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

/** Some clients send a POST without content as a body of no bytes. */
async function isEmpty(context: Context<RouteEnv>): Promise<boolean> {
  return (await context.req.raw.clone().arrayBuffer()).byteLength === 0;
}

const REQUEST_ID_HEADER = "X-Request-Id";
const REQUEST_ID_PATTERN = /^[A-Za-z0-9._-]{8,64}$/;
const SWITCHING_PROTOCOLS = 101;

const ANSWER_HEADERS = {
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  // Of what a browser can do, a console needs the screen, the keyboard and the clipboard.
  "Permissions-Policy":
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), " +
    "magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), " +
    "screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
};

const NOTHING = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const DATA_POLICY = `${NOTHING}; form-action 'none'`;
const PAGE_POLICY =
  `${NOTHING}; form-action 'self'; script-src 'self'; style-src 'self'; img-src 'self'; ` +
  "font-src 'self'; connect-src 'self'";

/** Two years, as browsers' own lists of such hosts want it. */
const TLS_MEMORY_S = 2 * 365 * 24 * 60 * 60;
/** What a login provider sends back is the longest; proxies in between bound it at about this. */
const URL_CHARACTERS_MAX = 8 * 1024;
/** The list with most filters takes fewer. */
const PARAMETERS_MAX = 32;
const NO_ZERO = "No text may hold the character U+0000.";
/** A policy's rules are the deepest that we take, and far from it. */
const JSON_DEPTH_MAX = 32;
