/** `kerbside relay rotate-key`: another key by which this machine's relay proves itself. */
import { fail, ok } from "#shared/base/result.ts";
import { askRelay } from "../../operator/operator-client.ts";
import { type Command, EXIT, failed, parseCommand, requireText } from "../command.ts";

export const relayRotateKeyCommand: Command = {
  name: "relay rotate-key",
  summary: "change the key by which this machine's relay proves itself",
  help: `Usage: kerbside relay rotate-key --state-dir DIR

The relay makes a new key, and the control plane accepts it in the old one's
place. Sessions go on. When it fails half-way, the relay ends the change by
itself as soon as it can; either key is good until then.

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
    const rotated = await askRelay(stateDir.value, { method: "POST", path: "/rotate-key" });
    if (!rotated.ok) {
      return fail(failed(`The key was not changed: ${rotated.error}`));
    }
    tools.note("The relay has another key:\n");
    tools.print(`${rotated.value.fingerprint ?? ""}\n`);
    return ok(EXIT.done);
  },
};
