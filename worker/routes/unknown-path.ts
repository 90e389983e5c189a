/** What is said where no route is. */
import type { Context } from "hono";
import { problemResponse } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";

/** Tells a version of the API that is not spoken here from an address that is nothing. */
export function answerUnknownPath(context: Context<RouteEnv>): Response {
  const version = /^\/api\/(v\d[^/]*)(?:\/|$)/.exec(context.req.path)?.[1];
  if (version === undefined || version === API_VERSION) {
    return problemResponse(context, { code: "resource.not-found", detail: "" });
  }
  const detail = `This control plane speaks ${API_VERSION}, below ${API_PATH}.`;
  return problemResponse(context, { code: "api.version-unknown", detail });
}

const API_VERSION = "v1";
export const API_PATH = `/api/${API_VERSION}`;
