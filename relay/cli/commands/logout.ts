/** `kerbside logout`: ends the stored login, here and at the control plane. */
import { fail, ok } from "#shared/base/result.ts";
import { logOut } from "../api-client.ts";
import { type Command, EXIT, failed, parseCommand } from "../command.ts";
import { readLogin, removeLogin } from "../login-file.ts";

export const logoutCommand: Command = {
  name: "logout",
  summary: "end the login",
  help: `Usage: kerbside logout

Ends the stored login. When the control plane cannot be reached the token is
forgotten here, and ends there by itself.
`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, {});
    if (!parsed.ok) {
      return parsed;
    }
    const { loginFile } = tools.environment;
    const stored = await readLogin(loginFile);
    if (stored.ok && stored.value === null) {
      tools.note("You were not logged in.\n");
      return ok(EXIT.done);
    }
    await removeLogin(loginFile);
    if (!stored.ok || stored.value === null) {
      tools.note("The stored login was unreadable and is removed.\n");
      return ok(EXIT.done);
    }
    const ended = await logOut(stored.value.url, stored.value.token);
    if (!ended.ok) {
      return fail(failed(`The login is forgotten here only. ${ended.error.sentence}`));
    }
    tools.note("Logged out.\n");
    return ok(EXIT.done);
  },
};
