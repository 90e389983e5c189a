/** `kerbside sessions`: who uses which console. */
import { ok } from "#shared/base/result.ts";
import { sessionSchema } from "../api-schemas.ts";
import { listCommand } from "../list-command.ts";
import {
  ABOUT_OPTIONS,
  ABOUT_OPTIONS_HELP,
  readAbout,
  SESSION_COLUMNS,
} from "../sessions-shown.ts";
import { TIMES, timeOption } from "../time-option.ts";

export const sessionsCommand = listCommand({
  name: "sessions",
  summary: "list sessions, newest first",
  options: {
    all: { type: "boolean" },
    ...ABOUT_OPTIONS,
    from: { type: "string" },
    to: { type: "string" },
  },
  help: `  --all                ended sessions too
${ABOUT_OPTIONS_HELP}  --from T             begun then or later: ${TIMES}
  --to T               begun before
`,
  operation: "GET /api/v1/sessions",
  item: sessionSchema,
  given: async ({ options }, client) => {
    const about = await readAbout(options, client);
    if (!about.ok) {
      return about;
    }
    const nowMs = Date.now();
    const from = timeOption(options, "from", nowMs);
    const to = timeOption(options, "to", nowMs);
    if (!from.ok) {
      return from;
    }
    if (!to.ok) {
      return to;
    }
    const query = {
      state: options["all"] === true ? undefined : ("live" as const),
      ...about.value,
      from: from.value ?? undefined,
      to: to.value ?? undefined,
    };
    return ok([{ query }]);
  },
  columns: { ...SESSION_COLUMNS, CREATED: (session) => session.createdAt },
  none: (options) => (options["all"] === true ? "None.\n" : "None; --all shows ended ones.\n"),
});
