/** Console files: a one-time address, which needs no login because it is the credential itself. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { VV_MEDIA_TYPE } from "#shared/ticket/vv-file.ts";
import { fetchConsoleFile, fetchWebAccess } from "../services/console-files.ts";
import { anonymousCaller } from "./caller.ts";
import { problemResponses, refuse, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { formatTime, timeSchema } from "./times.ts";

/** Longer than any token. */
const TOKEN_CHARACTERS_MAX = 128;

const webAccessSchema = z
  .object({
    host: z.string(),
    port: z.int(),
    webSocketUrl: z.string(),
    token: z.string().openapi({ description: "The ticket, and the SPICE password." }),
    expiresAt: timeSchema,
  })
  .openapi("WebAccess");

const fetchRoute = createRoute({
  method: "get",
  path: "/vv/{token}",
  operationId: "fetchConsoleFile",
  tags: ["Consoles"],
  summary: "Fetch a console file, once",
  description:
    "The address comes from a ticket request and is itself the credential. Who accepts JSON and no " +
    "console file gets what a web console needs instead; either uses the address up.",
  request: { params: z.object({ token: z.string().max(TOKEN_CHARACTERS_MAX) }) },
  responses: {
    200: {
      description: "For virt-viewer's remote-viewer; as JSON for a web console.",
      content: {
        [VV_MEDIA_TYPE]: { schema: z.string() },
        "application/json": { schema: webAccessSchema },
      },
    },
    ...problemResponses("vv.gone", "request.method-not-allowed", "request.rate-limited"),
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
    const { services } = context.var;
    context.header("Vary", "Accept");
    context.header("Cache-Control", "no-store");
    if (wantsWebAccess(context.req.header("Accept") ?? "")) {
      const access = await fetchWebAccess(services, anonymousCaller(context), token);
      const { expiresAtMs, ...rest } = valueOf(access);
      return context.json({ ...rest, expiresAt: formatTime(expiresAtMs) }, 200);
    }
    const file = valueOf(await fetchConsoleFile(services, anonymousCaller(context), token));
    return context.body(file.text, 200, {
      "Content-Type": file.mediaType,
      "Content-Disposition": `attachment; filename="${file.filename}"`,
    });
  },
);

/** Programs that take anything, or both, want the file: it is what the address is for. */
function wantsWebAccess(accept: string): boolean {
  const types = accept.split(",").map((part) => part.split(";")[0]?.trim().toLowerCase());
  return types.includes("application/json") && !types.includes(VV_MEDIA_TYPE);
}
