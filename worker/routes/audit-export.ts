/** The audit trail as a file: streamed, so that its size does not matter. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { logFailure } from "../log.ts";
import { exportEvents, exportTrail, recordExport } from "../services/audit-export.ts";
import { auditFilterQuery, readAuditFilter } from "./audit-filter.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { problemResponses, ProblemError } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { invalidField } from "../services/field-failure.ts";

const exportRoute = createRoute({
  method: "get",
  path: "/audit/export",
  summary: "Export the audit trail as a file",
  description:
    "Oldest first, with the filters of the list. `order=chain` gives all of it in the form that " +
    "`kerbside audit verify --file` reads, and takes no filter. A file that ends early is an " +
    "answer that was cut off.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("audit.read")] as const,
  request: {
    query: z.object({
      format: z.enum(["ndjson", "csv"]).default("ndjson"),
      order: z.enum(["time", "chain"]).default("time"),
      ...auditFilterQuery,
    }),
  },
  responses: {
    200: {
      description: "One event a line.",
      content: {
        "application/x-ndjson": { schema: z.string() },
        "text/csv": { schema: z.string() },
      },
    },
    ...problemResponses(),
  },
});

export const auditExportRoutes = new OpenAPIHono<RouteEnv>().openapi(
  exportRoute,
  async (context) => {
    const { services, user, requestId } = context.var;
    const { format, order, ...query } = context.req.valid("query");
    if (order === "chain" && (format !== "ndjson" || Object.keys(query).length > 0)) {
      throw new ProblemError(invalidField("order", "chain goes with ndjson and without filters"));
    }
    await recordExport(services, user, new URL(context.req.url).search.slice(1));
    const pieces =
      order === "chain"
        ? exportTrail(services)
        : exportEvents(services, readAuditFilter(query), format);
    const day = new Date(services.nowMs()).toISOString().slice(0, 10);
    return new Response(streamOf(pieces, requestId), {
      headers: {
        "Content-Type": format === "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson",
        "Content-Disposition": `attachment; filename="kerbside-audit-${day}.${format}"`,
      },
    });
  },
);

/** Asks for the next piece when the reader has taken the one before. */
function streamOf(pieces: AsyncGenerator<string>, requestId: string): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const piece = await nextPiece(pieces);
        if (piece === null) {
          controller.close();
        } else {
          controller.enqueue(encoder.encode(piece));
        }
      } catch (error) {
        // The status is sent: all that is left is to break off, so that nobody takes it for whole.
        logFailure("audit.export-failed", error, { requestId });
        controller.error(error);
      }
    },
    cancel: async () => {
      await pieces.return(undefined);
    },
  });
}

/** The next piece with something in it: a reader is not asked again for one that was given none. */
async function nextPiece(pieces: AsyncGenerator<string>): Promise<string | null> {
  let next = await pieces.next();
  while (next.done !== true && next.value === "") {
    next = await pieces.next();
  }
  return next.done === true ? null : next.value;
}
