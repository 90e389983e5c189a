/**
 * Logging in through an OpenID provider: two addresses that a browser visits. What it carries from
 * one to the other is in a cookie that is sealed, of this browser alone, and soon over.
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { LOGIN_LIFE_MS } from "../services/login.ts";
import { ATTEMPT_LIFE_MS, endOidcLogin, startOidcLogin } from "../services/oidc-login.ts";
import { anonymousCaller, setSessionCookie } from "./caller.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";

const providerParams = z.object({ provider: z.string().max(64) });

const startRoute = createRoute({
  method: "get",
  path: "/auth/oidc/{provider}/start",
  operationId: "startOidcLogin",
  summary: "Begin to log in through an OpenID provider, in a browser",
  request: {
    params: providerParams,
    query: z.object({
      returnTo: z
        .string()
        .max(1024)
        .default("/")
        .openapi({ description: "The path to see afterwards; other sites' become `/`." }),
    }),
  },
  responses: {
    302: { description: "To the provider." },
    ...problemResponses("resource.not-found", "request.rate-limited", "auth.provider-unavailable"),
  },
});

const callbackRoute = createRoute({
  method: "get",
  path: "/auth/oidc/{provider}/callback",
  operationId: "finishOidcLogin",
  summary: "Come back from an OpenID provider",
  description: "The address to register there. Sets the session cookie.",
  request: { params: providerParams },
  responses: {
    302: { description: "Logged in; to the path that was asked for." },
    ...problemResponses(
      "resource.not-found",
      "request.rate-limited",
      "auth.attempt-invalid",
      "auth.not-admitted",
      "auth.provider-refused",
      "auth.provider-unavailable",
    ),
  },
});

export const oidcRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(startRoute, async (context) => {
    const { provider } = context.req.valid("param");
    const { returnTo } = context.req.valid("query");
    const { services } = context.var;
    const wish = { provider, returnTo };
    const start = valueOf(await startOidcLogin(services, anonymousCaller(context), wish));
    setCookie(context, attemptCookie(context), start.sealedAttempt, {
      ...cookieScope(context),
      httpOnly: true,
      // The provider sends the browser back by a link, which a stricter rule would not count.
      sameSite: "Lax",
      maxAge: ATTEMPT_LIFE_MS / 1000,
    });
    return context.redirect(start.url, 302);
  })
  .openapi(callbackRoute, async (context) => {
    const { provider } = context.req.valid("param");
    const sealedAttempt = getCookie(context, attemptCookie(context)) ?? null;
    // One answer of the provider for each attempt, also when it comes to nothing.
    deleteCookie(context, attemptCookie(context), cookieScope(context));
    const end = valueOf(
      await endOidcLogin(context.var.services, anonymousCaller(context), {
        provider,
        search: new URL(context.req.url).search,
        sealedAttempt,
        userAgent: context.req.header("User-Agent") ?? null,
      }),
    );
    setSessionCookie(context, end.login.token, LOGIN_LIFE_MS / 1000);
    return context.redirect(end.returnTo, 302);
  });

/** As the session cookie's (caller.ts): bound to this host where the public URL is https. */
function attemptCookie(context: Context<RouteEnv>): string {
  return cookieScope(context).secure ? "__Host-kerbside-login" : "kerbside-login";
}

function cookieScope(context: Context<RouteEnv>): { path: "/"; secure: boolean } {
  const secure = context.var.services.settings.publicUrl.startsWith("https:");
  return { path: "/", secure };
}
