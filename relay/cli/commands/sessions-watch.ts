/** `kerbside sessions watch`: the sessions that live, then each change as it happens. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, type ApiClient, withApi } from "../api-client.ts";
import { type SessionItem, sessionSchema } from "../api-schemas.ts";
import {
  type CliFailure,
  type CliOutcome,
  type CliTools,
  type Command,
  EXIT,
  failed,
  parseCommand,
} from "../command.ts";
import { sayCommand } from "../../program.ts";
import { createTable } from "../printable.ts";
import type { ServerSentEvent } from "../watch/event-stream.ts";
import {
  ABOUT_OPTIONS,
  ABOUT_OPTIONS_HELP,
  isAbout,
  readAbout,
  SESSION_COLUMNS,
  type SessionsAbout,
} from "../sessions-shown.ts";

export const sessionsWatchCommand: Command = {
  name: "sessions watch",
  summary: "show sessions as they begin, change and end",
  help: `Usage: kerbside sessions watch [options] [--json]

Shows the sessions that live, and from then on each one that changes, as it is after the
change, until Ctrl-C. A connection that is lost is made again, and nothing is missed.

${ABOUT_OPTIONS_HELP}  --json               a line of JSON for each
${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const options = { ...API_OPTIONS, ...ABOUT_OPTIONS, json: { type: "boolean" } } as const;
    const parsed = parseCommand(args, options);
    if (!parsed.ok) {
      return parsed;
    }
    const given = parsed.value.options;
    return withApi(given, tools, async (client) => {
      const about = await readAbout(given, client);
      if (!about.ok) {
        return about;
      }
      const show = given["json"] === true ? showLines(tools) : showTable(tools);
      return watch({ client, about: about.value, show, tools });
    });
  },
};

interface Watch {
  readonly client: ApiClient;
  readonly about: SessionsAbout;
  readonly show: (sessions: readonly SessionItem[]) => void;
  readonly tools: CliTools;
}

async function watch(watched: Watch): Promise<CliOutcome> {
  const { client, tools } = watched;
  let isLost = false;
  let isFirst = true;
  for await (const item of client.follow(FEED, tools.untilInterrupted())) {
    if (!item.ok) {
      return item;
    }
    if (item.value.kind === "lost") {
      isLost = true;
      const { sentence, waitMs } = item.value;
      tools.note(`${sentence} Trying again in ${Math.ceil(waitMs / 1000)} s.\n`);
      continue;
    }
    if (isLost) {
      isLost = false;
      tools.note("Following again.\n");
    }
    const told = await tell(watched, item.value.event, isFirst);
    if (!told.ok) {
      return told;
    }
    isFirst = false;
  }
  return ok(EXIT.done);
}

/** Shows what an event says; kinds that a newer control plane may have say nothing to us. */
async function tell(
  watched: Watch,
  event: ServerSentEvent,
  isFirst: boolean,
): Promise<Result<null, CliFailure>> {
  switch (event.type) {
    case "ready":
      // A later one goes on from what was seen.
      return isFirst ? showLiving(watched) : ok(null);
    case "reset":
      watched.tools.note("Changes were missed. These sessions live now:\n");
      return showLiving(watched);
    case "session": {
      const session = readSession(event.data);
      if (session === null) {
        return fail(failed(STRANGE));
      }
      if (isAbout(session, watched.about)) {
        watched.show([session]);
      }
      return ok(null);
    }
    case "ended":
      return fail(failed(ENDED));
    default:
      return ok(null);
  }
}

async function showLiving({ client, about, show }: Watch): Promise<Result<null, CliFailure>> {
  const query = { state: "live", ...about } as const;
  for await (const page of client.pages("GET /api/v1/sessions", sessionSchema, { query })) {
    if (!page.ok) {
      return page;
    }
    // An empty one too: the head of a table tells that the watch has begun.
    show(page.value);
  }
  return ok(null);
}

function showLines(tools: CliTools): Watch["show"] {
  return (sessions) => {
    tools.print(sessions.map((session) => `${JSON.stringify(session)}\n`).join(""));
  };
}

function showTable(tools: CliTools): Watch["show"] {
  const table = createTable(Object.keys(COLUMNS), WIDTHS);
  return (sessions) => {
    tools.print(table(sessions.map((session) => Object.values(COLUMNS).map((of) => of(session)))));
  };
}

function readSession(data: string): SessionItem | null {
  try {
    return sessionSchema.safeParse(JSON.parse(data)).data ?? null;
  } catch {
    return null;
  }
}

const COLUMNS = {
  SINCE: ({ endedAt, openedAt, createdAt }: SessionItem) => endedAt ?? openedAt ?? createdAt,
  ...SESSION_COLUMNS,
};
/**
 * What the cells usually take, so that the head fits rows that come later: times, ids and the
 * longest common state have one length, names are rarely longer than this.
 */
const WIDTHS: readonly number[] = [24, 26, 16, 16, 20];
const FEED = "/api/v1/sessions/feed";
const ENDED = `Your login has ended, or may see less than before. Log in again: ${sayCommand("login")}.`;
const STRANGE =
  "The control plane told of a session in a way that this command does not know: are they of " +
  "different versions?";
