/** `kerbside terminate`: ends a session. */
import { ok } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, withApi } from "../api-client.ts";
import { terminationSchema } from "../api-schemas.ts";
import { type Command, EXIT, parseCommand } from "../command.ts";

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
    const id = encodeURIComponent(positionals[0] ?? "");
    return withApi(options, tools, async (client) => {
      const path = `/api/v1/sessions/${id}/terminate`;
      const answer = await client.call("POST", path, terminationSchema);
      if (!answer.ok) {
        return answer;
      }
      const hasEnded = answer.value.state === "ended";
      tools.note(hasEnded ? "It has ended already.\n" : "Its relay ends it now.\n");
      return ok(EXIT.done);
    });
  },
};
