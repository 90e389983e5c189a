/** Ending sessions: one, all of a console, all of a user. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import {
  type Terminations,
  terminateSession,
  terminateSessionsOfConsole,
  terminateSessionsOfUser,
} from "../services/terminate-sessions.ts";
import { requirePermission } from "./caller.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { problemResponses, valueOf } from "./problem.ts";
import type { RouteEnv } from "./route-env.ts";
import { idParams, json } from "./route-parts.ts";

const terminationSchema = z
  .object({ sessionId: z.string(), state: z.enum(["ending", "ended"]) })
  .openapi("Termination");

const terminateRoute = createRoute({
  method: "post",
  path: "/sessions/{id}/terminate",
  summary: "End a session",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sessions.end")] as const,
  request: { params: idParams },
  responses: {
    200: json("It has ended already.", terminationSchema),
    202: json("Its relay was told to end it.", terminationSchema),
    ...problemResponses(
      "resource.not-found",
      "control.hub-silent",
      "control.offline",
      "control.ack-timeout",
      "control.queue-full",
    ),
  },
});

const terminationsSchema = z
  .object({
    ending: z.array(z.string()).openapi({ description: "Their relays end them now." }),
    unreached: z
      .array(z.object({ sessionId: z.string(), code: z.string() }))
      .openapi({ description: "Their relays are told when they can be reached again." }),
    more: z.boolean().openapi({ description: "There were more than one call ends: call again." }),
  })
  .openapi("Terminations");

const manyResponses = {
  202: json(
    "The living sessions that there were, and whether their relays were told.",
    terminationsSchema,
  ),
  ...problemResponses("console.access-too-low", "resource.not-found"),
};

const terminateOfConsoleRoute = createRoute({
  method: "post",
  path: "/consoles/{id}/sessions/terminate",
  summary: "End the living sessions of a console; for its owner too",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sessions.end")] as const,
  request: { params: idParams },
  responses: manyResponses,
});

const terminateOfUserRoute = createRoute({
  method: "post",
  path: "/users/{id}/sessions/terminate",
  summary: "End the living sessions of a user; one's own too",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sessions.end")] as const,
  request: { params: idParams },
  responses: manyResponses,
});

export const terminateSessionRoutes = new OpenAPIHono<RouteEnv>()
  .openapi(terminateRoute, async (context) => {
    const { services, user } = context.var;
    const { id } = context.req.valid("param");
    const outcome = valueOf(await terminateSession(services, user, id));
    return outcome === "ended"
      ? context.json({ sessionId: id, state: "ended" as const }, 200)
      : context.json({ sessionId: id, state: "ending" as const }, 202);
  })
  .openapi(terminateOfConsoleRoute, async (context) => {
    const { services, user } = context.var;
    const { id } = context.req.valid("param");
    const outcome = valueOf(await terminateSessionsOfConsole(services, user, id));
    return context.json(formatTerminations(outcome), 202);
  })
  .openapi(terminateOfUserRoute, async (context) => {
    const { services, user } = context.var;
    const { id } = context.req.valid("param");
    const outcome = valueOf(await terminateSessionsOfUser(services, user, id));
    return context.json(formatTerminations(outcome), 202);
  });

function formatTerminations(outcome: Terminations): z.infer<typeof terminationsSchema> {
  const { ending, unreached, more } = outcome;
  return { ending: [...ending], unreached: [...unreached], more };
}
