/** `kerbside terminate`: ends a session. */
import { fail, ok } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, withApi } from "../api-client.ts";
import { terminationSchema } from "../api-schemas.ts";
import { type Command, EXIT, parseCommand } from "../command.ts";
import { printable } from "../printable.ts";

export const terminateCommand: Command = {
  name: "terminate",
  summary: "end a session",
  help: `Usage: kerbside terminate SESSION

Ends the session with this id: every channel closes.

${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, API_OPTIONS, ["SESSION"]);
    if (!parsed.ok) {
      return parsed;
    }
    const { options, positionals } = parsed.value;
    const [id = ""] = positionals;
    return withApi(options, tools, async (client) => {
      const answer = await client.call("POST /api/v1/sessions/{id}/terminate", terminationSchema, {
        params: { id },
      });
      if (!answer.ok) {
        const isUnknown = UNKNOWN_CODES.has(answer.error.code ?? "");
        const sentence = `There is no session ${printable(id)}.`;
        return isUnknown ? fail({ ...answer.error, sentence }) : answer;
      }
      const hasEnded = answer.value.state === "ended";
      tools.note(hasEnded ? "It has ended already.\n" : "Its relay ends it now.\n");
      return ok(EXIT.done);
    });
  },
};

/** The call has nothing but the id to find wrong. */
const UNKNOWN_CODES: ReadonlySet<string> = new Set(["resource.not-found", "request.invalid"]);
