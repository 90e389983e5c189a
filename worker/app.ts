/**
 * The control plane's HTTP application: puts the routes together, guards every request and turns
 * every failure into problem details. What went wrong inside is logged with the request's id and
 * never answered.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ErrorCode } from "#shared/errors/catalogue.ts";
import { createServiceContext } from "./context.ts";
import { wakeClockOnce } from "./jobs/clock.ts";
import { logFailure } from "./log.ts";
import { isDatabaseUnavailable } from "./repositories/database-errors.ts";
import { accessRoutes } from "./routes/access-rules.ts";
import { accountRoutes } from "./routes/account.ts";
import { auditChainRoutes } from "./routes/audit-chains.ts";
import { auditExportRoutes } from "./routes/audit-export.ts";
import { auditRoutes } from "./routes/audit.ts";
import { authRoutes } from "./routes/auth.ts";
import { refuseCrossOrigin } from "./routes/caller.ts";
import { answerConditionally, refuseIfMatch } from "./routes/conditional-answers.ts";
import { consoleFileRoutes } from "./routes/console-files.ts";
import { consoleRoutes } from "./routes/consoles.ts";
import { describeApi, registerSecurity } from "./routes/description/describe-api.ts";
import { docsRoutes } from "./routes/docs.ts";
import { fieldErrors, sayFieldFault } from "./routes/field-messages.ts";
import { healthRoutes } from "./routes/health.ts";
import { measureRequests } from "./routes/measure-requests.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { groupRoutes } from "./routes/groups.ts";
import { joinTokenRoutes } from "./routes/join-tokens.ts";
import { oidcRoutes } from "./routes/oidc.ts";
import { keyRoutes, publicKeyRoutes } from "./routes/keys.ts";
import { pageRoutes } from "./routes/pages.ts";
import { policyRoutes } from "./routes/policies.ts";
import { policyAttachmentRoutes } from "./routes/policy-attachments.ts";
import { ProblemError, problemResponse } from "./routes/problem.ts";
import { relayLifecycleRoutes } from "./routes/relay-lifecycle.ts";
import { relayRoutes } from "./routes/relays.ts";
import {
  demandTls,
  guardAnswers,
  identifyRequest,
  limitBody,
  limitJson,
  limitUrl,
  requireJson,
} from "./routes/request-guards.ts";
import type { RouteEnv } from "./routes/route-env.ts";
import { sessionFeedRoutes } from "./routes/session-feed.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { sharePageRoutes } from "./routes/share-page.ts";
import { shareRoutes } from "./routes/shares.ts";
import { terminateSessionRoutes } from "./routes/terminate-sessions.ts";
import { answerUnknownPath, API_PATH } from "./routes/unknown-path.ts";
import { userCredentialRoutes } from "./routes/user-credentials.ts";
import { userRoutes } from "./routes/users.ts";
import { webhookRoutes } from "./routes/webhooks.ts";
import { siteRoutes } from "./routes/sites.ts";

export function createApp(): OpenAPIHono<RouteEnv> {
  z.config({ customError: sayFieldFault });
  const app = new OpenAPIHono<RouteEnv>({
    defaultHook: (result, context) =>
      result.success
        ? undefined
        : problemResponse(context, {
            code: "request.invalid",
            detail: "",
            fields: fieldErrors(result.error),
          }),
  });
  app.onError(answerError);
  app.notFound(answerUnknownPath);

  app.use(measureRequests, identifyRequest, guardAnswers);
  app.route("/", healthRoutes);
  app.use(async function openServices(context, next) {
    const { executionCtx } = context;
    wakeClockOnce(context.env, (work) => executionCtx.waitUntil(work));
    context.set("services", {
      ...createServiceContext(context.env),
      defer: (work) => executionCtx.waitUntil(work),
    });
    await next();
  });
  app.use(demandTls, limitUrl);
  app.use("/api/*", limitBody, requireJson, limitJson, refuseCrossOrigin, refuseIfMatch);
  app.use("/api/*", answerConditionally);

  app.route("/", pageRoutes);
  app.route("/", metricsRoutes);
  app.route("/", sharePageRoutes);
  app.route("/", publicKeyRoutes);
  for (const routes of API_ROUTES) {
    app.route(API_PATH, routes);
  }
  registerSecurity(app);
  app.route(
    "/",
    docsRoutes(() => describeApi(app)),
  );
  refuseOtherMethods(app);
  return app;
}

/** Answers 405 with Allow where a path exists but not for the request's method. */
function refuseOtherMethods(app: OpenAPIHono<RouteEnv>): void {
  const methodsByPath = new Map<string, Set<string>>();
  for (const { path, method } of app.routes.filter((route) => route.method !== "ALL")) {
    const methods = methodsByPath.get(path) ?? new Set();
    methodsByPath.set(path, methods.add(method));
  }
  for (const [path, methods] of methodsByPath) {
    const allow = [...methods, ...(methods.has("GET") ? ["HEAD"] : [])].join(", ");
    app.all(path, (context) => {
      context.header("Allow", allow);
      return problemResponse(context, { code: "request.method-not-allowed", detail: "" });
    });
  }
}

function answerError(error: Error, context: Context<RouteEnv>): Response {
  if (error instanceof ProblemError) {
    return problemResponse(context, error.failure);
  }
  const refused = error instanceof HTTPException ? CODES_OF_STATUS[error.status] : undefined;
  if (refused !== undefined) {
    return problemResponse(context, { code: refused, detail: "" });
  }
  const code = isDatabaseUnavailable(error) ? "database.unavailable" : "internal.error";
  const { method } = context.req;
  // The route and not the path: a path may hold a capability.
  logFailure("request.failed", error, { requestId: context.var.requestId, method, code });
  return problemResponse(context, { code, detail: "" });
}

const API_ROUTES = [
  authRoutes,
  oidcRoutes,
  accountRoutes,
  userRoutes,
  userCredentialRoutes,
  groupRoutes,
  consoleRoutes,
  consoleFileRoutes,
  accessRoutes,
  shareRoutes,
  // Before sessionRoutes, which would take `feed` for an id.
  sessionFeedRoutes,
  sessionRoutes,
  terminateSessionRoutes,
  auditRoutes,
  policyRoutes,
  policyAttachmentRoutes,
  auditChainRoutes,
  auditExportRoutes,
  // Before the relays, which would take `join-tokens` for an id.
  joinTokenRoutes,
  relayRoutes,
  keyRoutes,
  jobRoutes,
  webhookRoutes,
  relayLifecycleRoutes,
  siteRoutes,
];

/** The refusals that the framework itself throws. */
const CODES_OF_STATUS: Partial<Record<number, ErrorCode>> = {
  400: "request.not-json",
  413: "request.too-large",
  415: "request.not-json",
};
