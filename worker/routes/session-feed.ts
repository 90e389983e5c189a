/**
 * The feed of sessions' changes, as server-sent events: `ready` first, `session` with the session
 * as it is whenever one changes, `reset` when the list has to be read again. Each carries the
 * number to go on from (`Last-Event-ID`).
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import { may } from "../identity/permissions.ts";
import { logFailure } from "../log.ts";
import { type FeedItem, followSessions } from "../services/session-feed.ts";
import { identify, requirePermission } from "./caller.ts";
import { FeedPlaces } from "./feed-places.ts";
import { LOGIN_SECURITY } from "./openapi-security.ts";
import { ProblemError, problemResponses } from "./problem.ts";
import type { RouteEnv, UserRouteEnv } from "./route-env.ts";
import { formatSession } from "./session-fields.ts";

const feedRoute = createRoute({
  method: "get",
  path: "/sessions/feed",
  summary: "Follow the changes of the sessions that the caller may see",
  description:
    "Server-sent events. `ready` comes first, or `reset` when what came after `Last-Event-ID` is " +
    "forgotten; read the list then, and again after each `reset`. `session` has a session as it " +
    "is after a change. The answer ends after some minutes, and at once when the login ends; " +
    "come again with the last id.",
  security: LOGIN_SECURITY,
  middleware: [requirePermission("sessions.read")] as const,
  request: {
    headers: z.object({
      "last-event-id": z
        .string()
        .regex(/^[0-9]{1,15}$/, "must be the id of an event of this feed")
        .optional()
        .openapi({ description: "The id of the last event that was seen." }),
    }),
  },
  responses: {
    200: {
      description: "Events, until either side ends.",
      content: { "text/event-stream": { schema: z.string() } },
    },
    ...problemResponses("request.rate-limited"),
  },
});

export const sessionFeedRoutes = new OpenAPIHono<RouteEnv>().openapi(feedRoute, (context) => {
  const { services, user } = context.var;
  const lastSeen = context.req.valid("header")["last-event-id"];
  const place = places.take(user.actorId, services.nowMs());
  if (place === null) {
    const detail = "Too many feeds are open.";
    throw new ProblemError({ code: "request.rate-limited", detail, retryAfterS: FULL_RETRY_S });
  }
  const answer = streamSSE(
    context,
    async (stream) => {
      try {
        const items = followSessions(services, user, {
          afterSeq: lastSeen === undefined ? null : Number(lastSeen),
          sleep: async (ms) => {
            await stream.sleep(ms);
            place.stay(services.nowMs());
            return !stream.aborted && !stream.closed;
          },
          isStillAllowed: async () => await seesTheSame(context),
        });
        for await (const item of items) {
          await write(stream, item);
        }
      } finally {
        place.leave();
      }
    },
    async (error) => {
      const { requestId } = context.var;
      logFailure("session-feed.failed", error, { requestId });
    },
  );
  return answer;
});

async function write(stream: SSEStreamingApi, item: FeedItem): Promise<void> {
  switch (item.kind) {
    case "ready": {
      const event = item.missed ? "reset" : "ready";
      await stream.writeSSE({ event, id: String(item.seq), data: "{}", retry: RETRY_MS });
      break;
    }
    case "session": {
      const data = JSON.stringify(formatSession(item.session));
      await stream.writeSSE({ event: "session", id: String(item.seq), data });
      break;
    }
    case "idle":
      await stream.write(": still there\n\n");
      break;
    case "ended":
      await stream.writeSSE({ event: "ended", data: "{}" });
      break;
  }
}

/** Whether the credential that the feed was opened with is still good, and for as much. */
async function seesTheSame(context: Context<UserRouteEnv>): Promise<boolean> {
  try {
    const user = await identify(context);
    return SEEN_BY.every(
      (permission) => may(user, permission) === may(context.var.user, permission),
    );
  } catch (error) {
    if (error instanceof ProblemError) {
      return false;
    }
    throw error;
  }
}

const SEEN_BY = ["sessions.read", "sessions.read-all"] as const;
/** Of this isolate alone: each feed asks the database every second. */
const places = new FeedPlaces({ all: 200, ofUser: 20 });
const FULL_RETRY_S = 60;
/** How soon a browser comes again. */
const RETRY_MS = 1_000;
