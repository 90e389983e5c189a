/** `kerbside terminate`: ends a session, or all of a console's or a user's. */
import { fail, ok, type Result } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, type ApiClient, withApi } from "../api-client.ts";
import { type Terminated, terminationSchema, terminationsSchema } from "../api-schemas.ts";
import {
  type CliFailure,
  type CliOutcome,
  type CliTools,
  type Command,
  EXIT,
  failed,
  misused,
  parseCommand,
  textOption,
} from "../command.ts";
import { countOf } from "../count-of.ts";
import { findConsole, findUserId } from "../find-by-name.ts";
import { printable } from "../printable.ts";

export const terminateCommand: Command = {
  name: "terminate",
  summary: "end a session, or all of a console or user",
  help: `Usage: kerbside terminate SESSION
       kerbside terminate --console NAME|ID
       kerbside terminate --user NAME|ID

Ends the session with this id, or every living one of a console or user: every
channel closes.

${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const options = {
      ...API_OPTIONS,
      console: { type: "string" },
      user: { type: "string" },
    } as const;
    const isSweeping = args.some((arg) => /^--(console|user)\b/.test(arg));
    const parsed = parseCommand(args, options, isSweeping ? [] : ["SESSION"]);
    if (!parsed.ok) {
      return parsed;
    }
    const [id = ""] = parsed.value.positionals;
    const console = textOption(parsed.value.options, "console");
    const user = textOption(parsed.value.options, "user");
    if (console !== null && user !== null) {
      return fail(misused("Give --console or --user, not both."));
    }
    return withApi(parsed.value.options, tools, async (client) => {
      if (console !== null) {
        return endAllOfConsole(client, console, tools);
      }
      return user === null ? endOne(client, id, tools) : endAllOfUser(client, user, tools);
    });
  },
};

async function endOne(client: ApiClient, id: string, tools: CliTools): Promise<CliOutcome> {
  const given = { params: { id } };
  const answer = await client.call(
    "POST /api/v1/sessions/{id}/terminate",
    terminationSchema,
    given,
  );
  if (!answer.ok) {
    const isUnknown = UNKNOWN_CODES.has(answer.error.code ?? "");
    const sentence = `There is no session ${printable(id)}.`;
    return isUnknown ? fail({ ...answer.error, sentence }) : answer;
  }
  const hasEnded = answer.value.state === "ended";
  tools.note(hasEnded ? "It has ended already.\n" : "Its relay ends it now.\n");
  return ok(EXIT.done);
}

async function endAllOfConsole(
  client: ApiClient,
  wanted: string,
  tools: CliTools,
): Promise<CliOutcome> {
  const found = await findConsole(client, wanted);
  if (!found.ok) {
    return found;
  }
  const given = { params: { id: found.value.id } };
  return endAll(tools, () =>
    client.call("POST /api/v1/consoles/{id}/sessions/terminate", terminationsSchema, given),
  );
}

async function endAllOfUser(
  client: ApiClient,
  wanted: string,
  tools: CliTools,
): Promise<CliOutcome> {
  const found = await findUserId(client, wanted);
  if (!found.ok) {
    return found;
  }
  const given = { params: { id: found.value } };
  return endAll(tools, () =>
    client.call("POST /api/v1/users/{id}/sessions/terminate", terminationsSchema, given),
  );
}

/** One call ends a bounded number; this asks until there are no more. */
async function endAll(
  tools: CliTools,
  end: () => Promise<Result<Terminated, CliFailure>>,
): Promise<CliOutcome> {
  let endingCount = 0;
  let unreachedCount = 0;
  for (let call = 0; call < CALLS_MAX; call += 1) {
    const answer = await end();
    if (!answer.ok) {
      return answer;
    }
    endingCount += answer.value.ending.length;
    unreachedCount += answer.value.unreached.length;
    if (!answer.value.more) {
      tools.note(`${countOf(endingCount, "session")} told to end.\n`);
      return unreachedCount === 0 ? ok(EXIT.done) : fail(failed(sayUnreached(unreachedCount)));
    }
  }
  return fail(failed(`There are more than ${endingCount}: run it again.`));
}

function sayUnreached(count: number): string {
  const whose = count === 1 ? "its relay is" : "their relays are";
  return `${countOf(count, "session")} will end when ${whose} back.`;
}

/** The call has nothing but the id to find wrong. */
const UNKNOWN_CODES: ReadonlySet<string> = new Set(["resource.not-found", "request.invalid"]);
/** Of some hundred sessions each: more than anybody has. */
const CALLS_MAX = 100;
