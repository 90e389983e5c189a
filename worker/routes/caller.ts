/**
 * Who is asking, over HTTP: a bearer token, or the session cookie that a login set. A cookie is
 * sent by browsers on anybody's behalf, so an unsafe request that relies on one must come from our
 * own origin. Bearer tokens win over cookies. What a caller may do is decided by services.
 */
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { createMiddleware } from "hono/factory";
import { may, NO_PERMISSIONS, type Permission, permissionsOf } from "../identity/permissions.ts";
import type { Caller } from "../services/context.ts";
import { authenticate } from "../services/login.ts";
import { refuse } from "./problem.ts";
import { runOnce } from "./repeatable-requests.ts";
import type { RouteEnv, UserCaller, UserRouteEnv } from "./route-env.ts";

/**
 * Route middleware: sets `context.var.user`. Refuses with `auth.required` whoever is not logged in,
 * and with `auth.forbidden` whoever does not hold the permission.
 */
export function requirePermission(permission: Permission) {
  const guard = createMiddleware<UserRouteEnv>(async function judgeCaller(context, next) {
    const user = await identify(context);
    if (!may(user, permission)) {
      refuse("auth.forbidden");
    }
    context.set("user", user);
    return await runOnce(context, next);
  });
  PERMISSIONS_OF_GUARDS.set(guard, permission);
  return guard;
}

/** The permission that a route's middleware demands, for the API's description. */
export function permissionOf(middleware: object): Permission | undefined {
  return PERMISSIONS_OF_GUARDS.get(middleware);
}

/**
 * Middleware for the whole API: refuses an unsafe request with a session cookie and without a
 * bearer token, unless the browser says that it comes from our own origin.
 */
export const refuseCrossOrigin = createMiddleware<RouteEnv>(
  async function refuseCrossOrigin(context, next) {
    const unsafe = !SAFE_METHODS.includes(context.req.method);
    const byCookie =
      context.req.header("Authorization") === undefined && sessionCookie(context) !== undefined;
    if (unsafe && byCookie && !isSameOrigin(context)) {
      refuse("request.cross-origin");
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

/** The client's address as the platform's edge saw it, or null where there is no edge. */
function callerAddress<E extends RouteEnv>(context: Context<E>): string | null {
  return context.req.header("CF-Connecting-IP")?.slice(0, ADDRESS_CHARACTERS_MAX) ?? null;
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

async function identify<E extends RouteEnv>(context: Context<E>): Promise<UserCaller> {
  const token = credential(context);
  if (token === null) {
    refuse("auth.required");
  }
  const login = await authenticate(context.var.services, token);
  if (login === null) {
    refuse("auth.required", "The login has expired, was ended, or never was.");
  }
  return {
    actorKind: "user",
    actorId: login.userId,
    role: login.role,
    permissions: permissionsOf(login.role),
    loginId: login.loginId,
    address: callerAddress(context),
    requestId: context.var.requestId,
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

const PERMISSIONS_OF_GUARDS = new WeakMap<object, Permission>();
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];
/** An IPv6 address with a zone is shorter. */
const ADDRESS_CHARACTERS_MAX = 64;
