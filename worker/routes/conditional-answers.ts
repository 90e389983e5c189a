/**
 * Answers that the caller has already are not sent again: what a caller who is logged in reads as
 * JSON carries a weak ETag, a hash of the body, and `If-None-Match` turns it into 304. That saves
 * the bytes, not the work: the answer is made all the same. A route whose answer may hold a secret
 * sets `Cache-Control: no-store` itself and is left alone.
 *
 * No change is made on the condition that nobody else made one before: `If-Match` wants a tag that
 * is the same to the byte, which a weak one never is (RFC 9110), so such a request is refused.
 */
import type { Context } from "hono";
import { etag } from "hono/etag";
import { createMiddleware } from "hono/factory";
import { refuse } from "./problem.ts";
import type { RouteEnv, UserRouteEnv } from "./route-env.ts";

/** Middleware for the whole API, inside of what sets `no-store` where nothing else is set. */
export const answerConditionally = createMiddleware<RouteEnv>(
  async function answerConditionally(context, next) {
    await next();
    if (isConditional(context)) {
      context.header("Cache-Control", "private, no-cache");
      await tagAnswer(context, async () => undefined);
    }
  },
);

/** Middleware for the whole API: who sends the header must not believe that it was heeded. */
export const refuseIfMatch = createMiddleware<RouteEnv>(
  async function refuseIfMatch(context, next) {
    const tags = context.req.header("If-Match");
    if (tags !== undefined && tags.trim() !== "*") {
      refuse("request.precondition-failed");
    }
    await next();
  },
);

function isConditional(context: Context<RouteEnv>): boolean {
  const { req, res } = context;
  // Set behind a login; without one the credential is in the address.
  const { user } = context.var as Partial<UserRouteEnv["Variables"]>;
  return (
    (req.method === "GET" || req.method === "HEAD") &&
    res.status === 200 &&
    user !== undefined &&
    (res.headers.get("Content-Type") ?? "").startsWith("application/json") &&
    !res.headers.has("Cache-Control")
  );
}

/** Weak, because a proxy may compress what the hash was made of. */
const tagAnswer = etag({
  weak: true,
  generateDigest: async (body) => await crypto.subtle.digest("SHA-256", Uint8Array.from(body)),
});
