/** `kerbside sessions`: who uses which console. */
import { sessionSchema } from "../api-schemas.ts";
import { listCommand } from "../list-command.ts";

export const sessionsCommand = listCommand({
  name: "sessions",
  summary: "list sessions, newest first",
  options: { all: { type: "boolean" } },
  help: "  --all                ended sessions too\n",
  operation: "GET /api/v1/sessions",
  item: sessionSchema,
  given: () => [],
  shows: (session, options) => options["all"] === true || session.state !== "ended",
  columns: {
    ID: (session) => session.id,
    CONSOLE: (session) => session.console.name,
    USER: (session) => session.user.username,
    STATE: ({ state, endReason }) => (endReason === null ? state : `${state}: ${endReason}`),
    RELAY: (session) => session.relay?.name ?? "-",
    CREATED: (session) => session.createdAt,
  },
  none: (options) => (options["all"] === true ? "None.\n" : "None; --all shows ended ones.\n"),
});
