/** The API's description, for programs and for people. Both are public and hold no secret. */
import { Hono } from "hono";
import { etag } from "hono/etag";
import { createMiddleware } from "hono/factory";
import type { ApiDescription } from "./description/api-description.ts";
import { docsPage } from "./docs/docs-page.ts";
import { DOCS_STYLE } from "./docs/docs-style.ts";
import type { RouteEnv } from "./route-env.ts";

export const DESCRIPTION_PATH = "/api/v1/openapi.json";
export const DOCS_PATH = "/api/docs";

/** @param describe makes the description; asked at the first request, and once. */
export function docsRoutes(describe: () => ApiDescription): Hono<RouteEnv> {
  let known: ApiDescription | undefined;
  const api = (): ApiDescription => (known ??= describe());
  return new Hono<RouteEnv>()
    .get(DESCRIPTION_PATH, revalidate, weakTag, (context) => context.json(api()))
    .get(DOCS_PATH, restrictPage, revalidate, weakTag, async (context) => {
      const page = docsPage(api(), { style: STYLE_PATH, description: DESCRIPTION_PATH });
      return context.html(await page);
    })
    .get(STYLE_PATH, revalidate, weakTag, (context) => {
      context.header("Content-Type", "text/css; charset=utf-8");
      return context.body(DOCS_STYLE);
    });
}

/** The page loads our own style sheet and nothing else: it needs no script. */
const restrictPage = createMiddleware<RouteEnv>(async function restrictPage(context, next) {
  await next();
  context.header("Content-Security-Policy", DOCS_POLICY);
});

const revalidate = createMiddleware<RouteEnv>(async function revalidate(context, next) {
  await next();
  context.header("Cache-Control", "no-cache");
});

const weakTag = etag({ weak: true });

const STYLE_PATH = `${DOCS_PATH}/style.css`;
const DOCS_POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";
