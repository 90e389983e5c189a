/** `kerbside relay resume`: a drained relay takes sessions again. */
import { fail, ok } from "#shared/base/result.ts";
import { askRelay } from "../../operator/operator-client.ts";
import { type Command, EXIT, failed, parseCommand, requireText } from "../command.ts";

export const relayResumeCommand: Command = {
  name: "relay resume",
  summary: "let this machine's relay take sessions again",
  help: `Usage: kerbside relay resume --state-dir DIR

  --state-dir DIR  the folder that the relay runs with
`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, { "state-dir": { type: "string" } });
    if (!parsed.ok) {
      return parsed;
    }
    const stateDir = requireText(parsed.value.options, "state-dir");
    if (!stateDir.ok) {
      return stateDir;
    }
    const resumed = await askRelay(stateDir.value, { method: "POST", path: "/resume" });
    if (!resumed.ok) {
      return fail(failed(resumed.error));
    }
    const { status, drain, ordered } = resumed.value;
    if (status !== "serving") {
      const isOrdered = status === "draining" && drain === null && ordered !== null;
      return fail(failed(isOrdered ? ORDERED : STOPPING));
    }
    tools.note("It takes new sessions.\n");
    return ok(EXIT.done);
  },
};

const STOPPING = "The relay is stopping, and takes no sessions any more.";
const ORDERED =
  "Its own drain is over, but the control plane drains it too: an administrator has to resume it.";
