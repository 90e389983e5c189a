/** What is served besides the API: a page that says what this is. */
import { Hono } from "hono";
import { DESCRIPTION_PATH, DOCS_PATH } from "./docs.ts";
import type { RouteEnv } from "./route-env.ts";

export const pageRoutes = new Hono<RouteEnv>().get("/", (context) => context.html(FRONT_PAGE));

const FRONT_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Kerbside</title>
  </head>
  <body>
    <main>
      <h1>Kerbside</h1>
      <p>A control plane that gives people the SPICE consoles of their virtual machines.</p>
      <p>Its API is documented in <a href="${DOCS_PATH}">${DOCS_PATH}</a>, and described for
        programs in <a href="${DESCRIPTION_PATH}">${DESCRIPTION_PATH}</a> (OpenAPI 3.1).</p>
    </main>
  </body>
</html>
`;
