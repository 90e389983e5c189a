/**
 * The page of a link for guests. The link's token is in the fragment of its address, which browsers
 * send to nobody: no log, no proxy and no preview of the link gets it. The page's script hands it to
 * the API when the guest asks it to, because opening takes one of the link's uses.
 */
import { Hono } from "hono";
import { SHARE_PAGE_PATH } from "../services/shares.ts";
import type { RouteEnv } from "./route-env.ts";
import { PAGE, SCRIPT, STYLE } from "./share-page-parts.ts";

export const sharePageRoutes = new Hono<RouteEnv>()
  .get(SHARE_PAGE_PATH, (context) => {
    context.header("X-Robots-Tag", "noindex");
    return context.html(PAGE);
  })
  .get(`${SHARE_PAGE_PATH}/page.js`, (context) =>
    context.body(SCRIPT, 200, { "Content-Type": "text/javascript; charset=utf-8" }),
  )
  .get(`${SHARE_PAGE_PATH}/page.css`, (context) =>
    context.body(STYLE, 200, { "Content-Type": "text/css; charset=utf-8" }),
  );
