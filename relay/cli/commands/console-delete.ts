/** `kerbside console delete`: makes the control plane forget a console. */
import { z } from "zod";
import { ok } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, withApi } from "../api-client.ts";
import { type Command, EXIT, parseCommand } from "../command.ts";
import { findConsole } from "../find-by-name.ts";
import { printable } from "../printable.ts";

export const consoleDeleteCommand: Command = {
  name: "console delete",
  summary: "delete a console; its sessions end",
  help: `Usage: kerbside console delete NAME|ID

Deletes the console without asking back: its tickets and links are void, and its sessions end.

${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, API_OPTIONS, ["NAME|ID"]);
    if (!parsed.ok) {
      return parsed;
    }
    const [wanted = ""] = parsed.value.positionals;
    return withApi(parsed.value.options, tools, async (client) => {
      const found = await findConsole(client, wanted);
      if (!found.ok) {
        return found;
      }
      const { id, name } = found.value;
      const deleted = await client.call("DELETE /api/v1/consoles/{id}", z.null(), {
        params: { id },
      });
      if (!deleted.ok) {
        return deleted;
      }
      tools.note(`Deleted ${printable(name)}.\n`);
      return ok(EXIT.done);
    });
  },
};
