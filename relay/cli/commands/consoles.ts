/** `kerbside consoles`: what the user may open. */
import { ok } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, withApi } from "../api-client.ts";
import { collectPages } from "../collect-pages.ts";
import { type Command, EXIT, parseCommand } from "../command.ts";
import { consoleSchema } from "../api-schemas.ts";
import { formatTable } from "../printable.ts";

export const consolesCommand: Command = {
  name: "consoles",
  summary: "list the consoles that you may open",
  help: `Usage: kerbside consoles [--json]

  --json               the whole list as one JSON array
${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, { ...API_OPTIONS, json: { type: "boolean" } });
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    return withApi(options, tools, async (client) => {
      const consoles = await collectPages(client.pages("GET /api/v1/consoles", consoleSchema));
      if (!consoles.ok) {
        return consoles;
      }
      if (options["json"] === true) {
        tools.print(`${JSON.stringify(consoles.value, null, 2)}\n`);
        return ok(EXIT.done);
      }
      const rows = consoles.value.map(({ id, name, source }) => [id, name, source]);
      tools.print(formatTable(["ID", "NAME", "SOURCE"], rows));
      return ok(EXIT.done);
    });
  },
};
