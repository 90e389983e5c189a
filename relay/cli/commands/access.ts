/** `kerbside access …`: who may see, open and own which consoles. */
import { z } from "zod";
import type { NewAccessRule } from "#shared/api/operations.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import type { ApiClient } from "../api-client.ts";
import { type AccessRule, accessRuleSchema } from "../api-schemas.ts";
import {
  type CliFailure,
  type Command,
  misused,
  type OptionValues,
  requireText,
  givenText,
  textOption,
} from "../command.ts";
import { findConsole, findGroupId, findUserId } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";

const list = listCommand({
  name: "access",
  summary: "list the rules of who may open what",
  operation: "GET /api/v1/access-rules",
  item: accessRuleSchema,
  given: () => ok([]),
  columns: {
    ID: (rule) => rule.id,
    WHO: ({ subject }) =>
      subject.name === null ? subject.kind : `${subject.kind} ${subject.name}`,
    MAY: (rule) => rule.level,
    CONSOLES: sayMatch,
  },
});

const grant = actCommand({
  name: "access grant",
  summary: "let somebody see, open or own consoles",
  about: "Of several conditions all must hold; without any the rule is about every console.",
  options: {
    user: { type: "string" },
    group: { type: "string" },
    everyone: { type: "boolean" },
    level: { type: "string" },
    console: { type: "string" },
    source: { type: "string" },
    project: { type: "string" },
    tag: { type: "string" },
    name: { type: "string" },
  },
  help: `  --user NAME|ID       who: this user,
  --group NAME|ID      this group,
  --everyone           or everybody
  --level L            view, open (default) or own
  --console NAME|ID    which: this console alone
  --source S           consoles of this source
  --project P          of this project
  --tag T              with this tag
  --name PATTERN       whose name matches, with * and ?
`,
  operation: "POST /api/v1/access-rules",
  fieldNames: {
    "match.consoleId": "--console",
    "match.source": "--source",
    "match.project": "--project",
    "match.tag": "--tag",
    "match.name": "--name",
  },
  schema: accessRuleSchema,
  given: async ({ options }, client) => {
    const subject = await readSubject(options, client);
    if (!subject.ok) {
      return subject;
    }
    const console = textOption(options, "console");
    const found = console === null ? null : await findConsole(client, console);
    if (found !== null && !found.ok) {
      return found;
    }
    const match = {
      consoleId: found?.value.id,
      source: givenText(options, "source"),
      project: givenText(options, "project"),
      tag: givenText(options, "tag"),
      name: givenText(options, "name"),
    };
    // The control plane knows its levels, and names them where there is no such one.
    const level = (textOption(options, "level") ?? "open") as NewAccessRule["level"];
    return ok([{ body: { subject: subject.value, match, level } }]);
  },
  tell: (rule) => ({ print: rule.id, note: "Granted." }),
});

const revoke = actCommand({
  name: "access revoke",
  summary: "take a rule back",
  positionals: ["RULE"],
  operation: "DELETE /api/v1/access-rules/{id}",
  schema: z.null(),
  given: ({ positionals: [id = ""] }) => ok([{ params: { id } }]),
  tell: () => ({ note: "Revoked." }),
});

const explain = actCommand({
  name: "access explain",
  summary: "why somebody may open a console, or may not",
  positionals: ["USER", "CONSOLE"],
  operation: "GET /api/v1/access/explain",
  schema: z.looseObject({
    access: z.string().nullable(),
    byRole: z.string().nullable(),
    disabled: z.boolean(),
    rules: z.array(accessRuleSchema),
  }),
  given: async ({ positionals: [user = "", console = ""] }, client) => {
    const userId = await findUserId(client, user);
    if (!userId.ok) {
      return userId;
    }
    const found = await findConsole(client, console);
    return found.ok ? ok([{ query: { userId: userId.value, consoleId: found.value.id } }]) : found;
  },
  tell: ({ access, byRole, disabled, rules }) => ({
    print: [
      `${access ?? "none"}${disabled ? " (but cannot log in: disabled)" : ""}`,
      ...(byRole === null ? [] : [`  ${byRole}: by role`]),
      ...rules.map((rule) => `  ${rule.level}: ${rule.id}, ${sayMatch(rule)}`),
    ].join("\n"),
  }),
});

export const ACCESS_COMMANDS: readonly Command[] = [list, grant, revoke, explain];

async function readSubject(
  options: OptionValues,
  client: ApiClient,
): Promise<Result<NewAccessRule["subject"], CliFailure>> {
  const given = ["user", "group", "everyone"].filter((option) => options[option] !== undefined);
  if (given.length !== 1) {
    return fail(misused("Give one of --user, --group and --everyone."));
  }
  if (options["everyone"] === true) {
    return ok({ kind: "everyone" });
  }
  const kind = given[0] === "user" ? "user" : "group";
  const wanted = requireText(options, kind);
  if (!wanted.ok) {
    return wanted;
  }
  const find = kind === "user" ? findUserId : findGroupId;
  const id = await find(client, wanted.value);
  return id.ok ? ok({ kind, id: id.value }) : id;
}

function sayMatch({ match }: AccessRule): string {
  const { consoleId, consoleName, ...others } = match;
  const parts = Object.entries(others).filter(([, value]) => value !== null);
  const texts = parts.map(([part, value]) => `${part} ${value}`);
  const console = consoleId === null ? [] : [`console ${consoleName ?? consoleId}`];
  return [...console, ...texts].join(", ") || "all";
}
