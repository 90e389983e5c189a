/** `kerbside users …`: people who may log in. */
import { z } from "zod";
import type { Operations, UserChanges } from "#shared/api/operations.ts";
import { ok, type Result } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import type { ApiClient } from "../api-client.ts";
import { userSchema } from "../api-schemas.ts";
import {
  type CliFailure,
  type Command,
  type OptionValues,
  type ParsedCommand,
  requireText,
  givenText,
} from "../command.ts";
import { findUserId } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";
import { readSecretFile } from "../password.ts";
import { printable } from "../printable.ts";

type Role = NonNullable<Operations["POST /api/v1/users"]["body"]["role"]>;

const list = listCommand({
  name: "users",
  summary: "list people",
  options: { prefix: { type: "string" }, role: { type: "string" } },
  help: `  --prefix TEXT        user names that begin so
  --role ROLE          admin, operator, auditor or user
`,
  operation: "GET /api/v1/users",
  item: userSchema,
  given: ({ options }) =>
    ok([{ query: { prefix: givenText(options, "prefix"), role: roleOption(options) } }]),
  columns: {
    ID: (user) => user.id,
    NAME: (user) => user.username,
    ROLE: (user) => user.role,
    FROM: (user) => user.origin,
    STATE: (user) => (user.disabled ? "disabled" : "enabled"),
    "LAST LOGIN": (user) => user.lastLoginAt ?? "-",
  },
});

const add = actCommand({
  name: "users add",
  summary: "add somebody who logs in by a password",
  positionals: ["NAME"],
  options: {
    "new-password-file": { type: "string" },
    role: { type: "string" },
    "display-name": { type: "string" },
    email: { type: "string" },
  },
  help: `  --new-password-file F  the password, in a file
  --role ROLE          admin, operator, auditor or user (default)
  --display-name N     how people call them
  --email E
`,
  operation: "POST /api/v1/users",
  fieldNames: { username: "NAME", password: "--new-password-file" },
  schema: userSchema,
  given: async ({ options, positionals }) => {
    const password = await readNewPassword(options);
    if (!password.ok) {
      return password;
    }
    const [username = ""] = positionals;
    const body = {
      username,
      password: password.value,
      role: roleOption(options),
      displayName: givenText(options, "display-name"),
      email: givenText(options, "email"),
    };
    return ok([{ body }]);
  },
  tell: (user) => ({ print: user.id, note: `Added ${printable(user.username)}.` }),
});

const change = actCommand({
  name: "users change",
  summary: "change somebody's role or name",
  positionals: ["NAME|ID"],
  options: {
    role: { type: "string" },
    "display-name": { type: "string" },
    email: { type: "string" },
  },
  help: `  --role ROLE          admin, operator, auditor or user
  --display-name N     how people call them
  --email E
`,
  operation: "PATCH /api/v1/users/{id}",
  schema: userSchema,
  given: async (parsed, client) =>
    changeOf(parsed, client, {
      role: roleOption(parsed.options),
      displayName: givenText(parsed.options, "display-name"),
      email: givenText(parsed.options, "email"),
    }),
  tell: (user) => ({ note: `${printable(user.username)} is changed.` }),
});

const remove = actCommand({
  name: "users delete",
  summary: "delete somebody for good; their sessions end",
  positionals: ["NAME|ID"],
  operation: "DELETE /api/v1/users/{id}",
  schema: z.null(),
  given: async ({ positionals }, client) => {
    const params = await userParams(positionals, client);
    return params.ok ? ok([{ params: params.value }]) : params;
  },
  tell: () => ({ note: "Deleted." }),
});

const password = actCommand({
  name: "users password",
  summary: "give somebody another password; their logins end",
  positionals: ["NAME|ID"],
  options: { "new-password-file": { type: "string" } },
  help: "  --new-password-file F  the password, in a file\n",
  operation: "PUT /api/v1/users/{id}/password",
  fieldNames: { password: "--new-password-file" },
  schema: z.null(),
  given: async ({ options, positionals }, client) => {
    const given = await readNewPassword(options);
    if (!given.ok) {
      return given;
    }
    const params = await userParams(positionals, client);
    return params.ok ? ok([{ params: params.value, body: { password: given.value } }]) : params;
  },
  tell: () => ({ note: "Set; their logins have ended." }),
});

export const USER_COMMANDS: readonly Command[] = [
  list,
  add,
  change,
  switchCommand("disable", "keep somebody out; their sessions end"),
  switchCommand("enable", "let somebody in again"),
  password,
  remove,
];

function switchCommand(word: "disable" | "enable", summary: string): Command {
  return actCommand({
    name: `users ${word}`,
    summary,
    positionals: ["NAME|ID"],
    operation: "PATCH /api/v1/users/{id}",
    schema: userSchema,
    given: async (parsed, client) => changeOf(parsed, client, { disabled: word === "disable" }),
    tell: (user) => ({ note: `${printable(user.username)} is ${word}d.` }),
  });
}

async function changeOf({ positionals }: ParsedCommand, client: ApiClient, body: UserChanges) {
  const params = await userParams(positionals, client);
  return params.ok ? ok([{ params: params.value, body }] as const) : params;
}

async function userParams(
  [wanted = ""]: readonly string[],
  client: ApiClient,
): Promise<Result<{ readonly id: string }, CliFailure>> {
  const id = await findUserId(client, wanted);
  return id.ok ? ok({ id: id.value }) : id;
}

async function readNewPassword(options: OptionValues): Promise<Result<string, CliFailure>> {
  const file = requireText(options, "new-password-file");
  return file.ok ? readSecretFile(file.value) : file;
}

/** The control plane knows its roles, and names them where there is no such one. */
function roleOption(options: OptionValues): Role | undefined {
  return givenText(options, "role") as Role | undefined;
}
