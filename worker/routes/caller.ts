/**
 * Who is asking, over HTTP: a bearer token, or the session cookie that a login set. A cookie is
 * sent by browsers on anybody's behalf, so an unsafe request that relies on one must come from our
 * own origin. Bearer tokens win over cookies. What each role may do is in identity/permissions.ts.
 */
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { createMiddleware } from "hono/factory";
import { forwardedAddress, readAddress } from "../identity/client-address.ts";
import { may, NO_PERMISSIONS, type Permission } from "../identity/permissions.ts";
import { CLIENT_ADDRESS_HEADER } from "../peer-address.ts";
import type { Caller } from "../services/context.ts";
import { authenticate } from "../services/login.ts";
import { refuse } from "./problem.ts";
import { runOnce } from "./repeatable-requests.ts";
import type { RouteEnv, UserCaller, UserRouteEnv } from "./route-env.ts";

/**
 * Route middleware: sets `context.var.user`. Refuses with `auth.required` whoever is not logged in,
 * and with `auth.forbidden`, which names the permission, whoever does not hold it.
 */
export function requirePermission(permission: Permission) {
  const guard = createMiddleware<UserRouteEnv>(async function judgeCaller(context, next) {
    const user = await identify(context);
    if (!may(user, permission)) {
      refuse("auth.forbidden", `It takes the permission ${permission}.`);
    }
    context.set("user", user);
    return await runOnce(context, next);
  });
  GUARDS.set(guard, permission);
  return guard;
}

/**
 * What a route's middleware demands, for the API's description: a permission, or `login` where
 * being logged in is enough; undefined for other middleware.
 */
export function guardOf(middleware: object): Permission | "login" | undefined {
  return GUARDS.get(middleware);
}

/**
 * Middleware for the whole API: refuses a browser's unsafe request without a bearer token, unless
 * the browser says that it comes from our own origin. One without a cookie is refused too, because
 * its answer could set one: a page that logs its visitor in as somebody else. WebSockets are unsafe
 * whatever their method: pages of any origin may open them.
 */
export const refuseCrossOrigin = createMiddleware<RouteEnv>(
  async function refuseCrossOrigin(context, next) {
    const { method } = context.req;
    const isUnsafe = !SAFE_METHODS.includes(method) || context.req.header("Upgrade") !== undefined;
    const isByBrowser = saysOrigin(context) || sessionCookie(context) !== undefined;
    const isByBearer = context.req.header("Authorization") !== undefined;
    if (isUnsafe && isByBrowser && !isByBearer && !isSameOrigin(context)) {
      refuse("request.cross-origin");
    }
    await next();
  },
);

/** Route middleware: sets `context.var.user` for whoever is logged in, whatever they may do. */
export const requireLogin = createMiddleware<UserRouteEnv>(
  async function requireLogin(context, next) {
    context.set("user", await identify(context));
    return await runOnce(context, next);
  },
);

/** Route middleware behind {@link requirePermission}: this is for people, never for programs. */
export const refuseApiTokens = createMiddleware<UserRouteEnv>(
  async function refuseApiTokens(context, next) {
    if (context.var.user.credential.kind === "token") {
      refuse("auth.forbidden", "An API token cannot do this: log in.");
    }
    await next();
  },
);

/** The caller of a route that needs no login. */
export function anonymousCaller<E extends RouteEnv>(context: Context<E>): Caller {
  return {
    actorKind: "anonymous",
    actorId: null,
    permissions: NO_PERMISSIONS,
    address: callerAddress(context),
    requestId: context.var.requestId,
  };
}

/**
 * The client's address: as the platform's edge saw it, or as the outermost of the operator's own
 * proxies did. Null where nobody vouches for one; what the client says itself counts for nothing.
 */
function callerAddress<E extends RouteEnv>(context: Context<E>): string | null {
  const { trustedProxies } = context.var.services.settings;
  return trustedProxies > 0
    ? forwardedAddress(context.req.header("X-Forwarded-For"), trustedProxies)
    : readAddress(context.req.header(CLIENT_ADDRESS_HEADER) ?? "");
}

/** Gives the browser the login; it is the same token that programs send as a bearer token. */
export function setSessionCookie<E extends RouteEnv>(
  context: Context<E>,
  token: string,
  maxAgeS: number,
): void {
  const { name, secure } = cookieForm(context);
  setCookie(context, name, token, {
    path: "/",
    httpOnly: true,
    sameSite: "Lax",
    secure,
    maxAge: maxAgeS,
  });
}

export function clearSessionCookie<E extends RouteEnv>(context: Context<E>): void {
  const { name, secure } = cookieForm(context);
  deleteCookie(context, name, { path: "/", secure });
}

/** The token of an Authorization header, or null. */
export function bearerToken<E extends RouteEnv>(context: Context<E>): string | null {
  const authorization = context.req.header("Authorization") ?? "";
  return /^Bearer +([^ ]+) *$/i.exec(authorization)?.[1] ?? null;
}

/** Whether the request shows anything by which its caller could be known. */
export function hasCredential<E extends RouteEnv>(context: Context<E>): boolean {
  return context.req.header("Authorization") !== undefined || sessionCookie(context) !== undefined;
}

/** The caller, logged in. @throws {ProblemError} `auth.required`. */
export async function identify<E extends RouteEnv>(context: Context<E>): Promise<UserCaller> {
  const token = credential(context);
  if (token === null) {
    refuse("auth.required");
  }
  const from = { address: callerAddress(context), requestId: context.var.requestId };
  const found = await authenticate(context.var.services, token, from);
  // A browser keeps logins. An API token in a cookie would be sent on anybody's behalf, for months.
  const isMisplaced =
    found?.credential.kind === "token" && context.req.header("Authorization") === undefined;
  if (found === null || isMisplaced) {
    refuse("auth.required", "The credential has expired, was ended, or never was.");
  }
  const { userId, role, permissions, credential: provedBy } = found;
  return {
    actorKind: "user",
    actorId: userId,
    role,
    permissions,
    credential: provedBy,
    ...from,
  };
}

function credential<E extends RouteEnv>(context: Context<E>): string | null {
  return context.req.header("Authorization") === undefined
    ? (sessionCookie(context) ?? null)
    : bearerToken(context);
}

function sessionCookie<E extends RouteEnv>(context: Context<E>): string | undefined {
  return getCookie(context, cookieForm(context).name);
}

/** Browsers accept the `__Host-` prefix over TLS only, so plain http needs another name. */
function cookieForm<E extends RouteEnv>(context: Context<E>): { name: string; secure: boolean } {
  const secure = context.var.services.settings.publicUrl.startsWith("https:");
  return { name: secure ? "__Host-kerbside" : "kerbside", secure };
}

/** Sec-Fetch-Site cannot be forged by a page; older browsers still send Origin. */
function isSameOrigin<E extends RouteEnv>(context: Context<E>): boolean {
  const site = context.req.header("Sec-Fetch-Site");
  if (site !== undefined) {
    return site === "same-origin";
  }
  const origin = context.req.header("Origin");
  return origin === new URL(context.var.services.settings.publicUrl).origin;
}

/** Programs say neither, browsers at least one of the two. */
function saysOrigin<E extends RouteEnv>(context: Context<E>): boolean {
  const { req } = context;
  return req.header("Sec-Fetch-Site") !== undefined || req.header("Origin") !== undefined;
}

const GUARDS = new WeakMap<object, Permission | "login">([[requireLogin, "login"]]);
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];
