/** `kerbside login`: keeps a token for the commands that follow. */
import { fail, ok } from "#shared/base/result.ts";
import { API_OPTIONS, chooseUrl, logInOnce } from "../api-client.ts";
import { type Command, EXIT, failed, parseCommand, textOption } from "../command.ts";
import { writeLogin } from "../login-file.ts";
import { printable } from "../printable.ts";

export const loginCommand: Command = {
  name: "login",
  summary: "log in to a control plane",
  help: `Usage: kerbside login --url URL [--username NAME] [--password-file F]

Logs in and keeps the token for later commands.

  --url URL            the control plane; default: where you logged in last (KERBSIDE_URL)
  --username NAME      who you are; asked for on a terminal without it
  --password-file F    read the password from this file; without it, it comes from
                       KERBSIDE_PASSWORD, the terminal or standard input
`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, API_OPTIONS);
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    const url = await chooseUrl(options, tools);
    if (!url.ok) {
      return url;
    }
    const username = textOption(options, "username");
    const passwordFile = textOption(options, "password-file");
    const login = await logInOnce(url.value, { username, passwordFile }, tools);
    if (!login.ok) {
      return login;
    }
    const { token, expiresAt } = login.value;
    const written = await writeLogin(tools.environment.loginFile, {
      url: url.value,
      token,
      expiresAt,
    });
    if (!written.ok) {
      return fail(failed(written.error));
    }
    tools.note(`Logged in at ${url.value} until ${printable(expiresAt)}.\n`);
    return ok(EXIT.done);
  },
};
