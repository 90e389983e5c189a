/** Console files: a one-time address, which needs no login because it is the credential itself. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { VV_MEDIA_TYPE } from "#shared/ticket/vv-file.ts";
import { fetchConsoleFile } from "../services/console-files.ts";
import { anonymousCaller } from "./caller.ts";
import { problemResponses, refuse, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";

const fetchRoute = createRoute({
  method: "get",
  path: "/vv/{token}",
  summary: "Fetch a console file, once",
  description: "The address comes from a ticket request and is itself the credential.",
  request: { params: z.object({ token: z.string() }) },
  responses: {
    200: {
      description: "For virt-viewer's remote-viewer.",
      content: { [VV_MEDIA_TYPE]: { schema: z.string() } },
    },
    ...problemResponses("vv.gone", "request.method-not-allowed"),
  },
});

export const consoleFileRoutes = new OpenAPIHono<RouteEnv>().openapi(
  fetchRoute,
  async (context) => {
    // Link previews and scanners ask by HEAD: that must not use the file up.
    if (context.req.method !== "GET") {
      context.header("Allow", "GET");
      refuse("request.method-not-allowed");
    }
    const { token } = context.req.valid("param");
    const file = valueOf(
      await fetchConsoleFile(context.var.services, anonymousCaller(context), token),
    );
    return context.body(file.text, 200, {
      "Content-Type": file.mediaType,
      "Content-Disposition": `attachment; filename="${file.filename}"`,
      "Cache-Control": "no-store",
    });
  },
);
