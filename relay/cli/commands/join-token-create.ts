/** `kerbside join-token create`: lets one new relay enrol. */
import { ok } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, withApi } from "../api-client.ts";
import { joinTokenSchema } from "../api-schemas.ts";
import { type Command, EXIT, parseCommand } from "../command.ts";
import { printable } from "../printable.ts";

export const joinTokenCreateCommand: Command = {
  name: "join-token create",
  summary: "make a join token for a new relay (admins)",
  help: `Usage: kerbside join-token create [--json]

Prints a token with which one relay can enrol, once, before it expires.

  --json               token and expiry as JSON
${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, { ...API_OPTIONS, json: { type: "boolean" } });
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    return withApi(options, tools, async (client) => {
      const made = await client.call("POST /api/v1/relays/join-tokens", joinTokenSchema);
      if (!made.ok) {
        return made;
      }
      const { token, expiresAt } = made.value;
      tools.print(options["json"] === true ? `${JSON.stringify(made.value)}\n` : `${token}\n`);
      tools.note(`For one relay, until ${printable(expiresAt)}.\n`);
      return ok(EXIT.done);
    });
  },
};
