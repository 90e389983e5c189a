/** Logging in and out, and how that can be done. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { logInByPassword } from "../services/external-login.ts";
import { LOGIN_LIFE_MS, logOut } from "../services/login.ts";
import { listLoginMethods, LOGIN_METHOD_KINDS } from "../services/login-methods.ts";
import { PASSWORD_CHARACTERS_MAX, USERNAME_CHARACTERS_MAX } from "../services/users.ts";
import {
  anonymousCaller,
  clearSessionCookie,
  requirePermission,
  setSessionCookie,
} from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { json, jsonBody } from "./route-parts.ts";
import { formatTime, timeSchema } from "./times.ts";

/** The bound of a provider's name in the settings. */
const PROVIDER_CHARACTERS_MAX = 32;

const methodsRoute = createRoute({
  method: "get",
  path: "/auth/methods",
  summary: "Which ways to log in are switched on",
  responses: {
    200: json(
      "In the order in which to offer them.",
      z
        .object({
          items: z.array(
            z.object({
              kind: z.enum(LOGIN_METHOD_KINDS),
              name: z.string().openapi({ description: "Unique; told in lists of logins." }),
              label: z.string().openapi({ description: "For people." }),
              isForEmergencies: z.boolean().openapi({
                description: "For administrators whose usual way fails; not to be offered first.",
              }),
            }),
          ),
        })
        .openapi("LoginMethods"),
    ),
    ...problemResponses(),
  },
});

const loginRoute = createRoute({
  method: "post",
  path: "/auth/login",
  operationId: "logIn",
  summary: "Log in",
  description: "Answers a bearer token and sets the same as the session cookie.",
  request: {
    body: jsonBody(
      z
        .strictObject({
          username: z.string().min(1).max(USERNAME_CHARACTERS_MAX),
          password: z.string().min(1).max(PASSWORD_CHARACTERS_MAX),
          provider: z
            .string()
            .min(1)
            .max(PROVIDER_CHARACTERS_MAX)
            .optional()
            .openapi({
              description:
                "The name of a login method of kind `password`; absent: Kerbside's own users " +
                "where they may log in, else the only other one.",
            }),
        })
        .openapi("Credentials"),
    ),
  },
  responses: {
    200: json(
      "Logged in.",
      z.object({ token: z.string(), expiresAt: timeSchema }).openapi("Login"),
    ),
    ...problemResponses(
      "auth.busy",
      "auth.invalid-credentials",
      "auth.method-off",
      "auth.not-admitted",
      "auth.provider-unavailable",
      "request.rate-limited",
    ),
  },
});

const logoutRoute = createRoute({
  method: "post",
  path: "/auth/logout",
  operationId: "logOut",
  summary: "End the login that the request was made with",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("account.manage")] as const,
  responses: {
    204: { description: "Logged out." },
    ...problemResponses(),
  },
});

export const authRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(methodsRoute, async (context) => {
    const items = await listLoginMethods(context.var.services);
    return context.json({ items }, 200);
  })
  .openapi(loginRoute, async (context) => {
    const userAgent = context.req.header("User-Agent") ?? null;
    const credentials = { ...context.req.valid("json"), userAgent };
    const login = valueOf(
      await logInByPassword(context.var.services, anonymousCaller(context), credentials),
    );
    setSessionCookie(context, login.token, LOGIN_LIFE_MS / 1000);
    return context.json({ token: login.token, expiresAt: formatTime(login.expiresAtMs) }, 200);
  })
  .openapi(logoutRoute, async (context) => {
    const { user, services } = context.var;
    await logOut(services, user, user.credential.id);
    clearSessionCookie(context);
    return context.body(null, 204);
  });
