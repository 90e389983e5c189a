/** `kerbside sessions`: who uses which console. */
import { ok } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, withApi } from "../api-client.ts";
import { type SessionItem, sessionSchema } from "../api-schemas.ts";
import { collectPages } from "../collect-pages.ts";
import { type Command, EXIT, parseCommand } from "../command.ts";
import { formatTable } from "../printable.ts";

export const sessionsCommand: Command = {
  name: "sessions",
  summary: "list sessions, newest first",
  help: `Usage: kerbside sessions [--all] [--json]

  --all                ended sessions too
  --json               the list as one JSON array
${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, {
      ...API_OPTIONS,
      all: { type: "boolean" },
      json: { type: "boolean" },
    });
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    return withApi(options, tools, async (client) => {
      const all = await collectPages(client.pages("/api/v1/sessions", sessionSchema));
      if (!all.ok) {
        return all;
      }
      const sessions = all.value.filter(
        (session) => options["all"] === true || session.state !== "ended",
      );
      if (options["json"] === true) {
        tools.print(`${JSON.stringify(sessions, null, 2)}\n`);
        return ok(EXIT.done);
      }
      if (sessions.length === 0) {
        tools.note(options["all"] === true ? "None.\n" : "None; --all shows ended ones.\n");
        return ok(EXIT.done);
      }
      const rows = sessions.map((session) => [
        session.id,
        session.console.name,
        nameUser(session),
        session.endReason === null ? session.state : `${session.state}: ${session.endReason}`,
        session.relay?.name ?? "-",
        session.createdAt,
      ]);
      tools.print(formatTable(["ID", "CONSOLE", "USER", "STATE", "RELAY", "CREATED"], rows));
      return ok(EXIT.done);
    });
  },
};

/** A guest's session is the one of whoever issued the link. */
function nameUser({ user, share }: SessionItem): string {
  const name = user?.username ?? "-";
  if (share === null || share === undefined) {
    return name;
  }
  return share.label === null ? `${name} (guest)` : `${name} (guest: ${share.label})`;
}
