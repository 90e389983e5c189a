/** `kerbside groups …`: people together. */
import { z } from "zod";
import { ok, type Result } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import type { ApiClient } from "../api-client.ts";
import { groupSchema, memberSchema } from "../api-schemas.ts";
import { type CliFailure, type Command, givenText, textOption } from "../command.ts";
import { findGroupId, findUserId } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";
import { printable } from "../printable.ts";

const list = listCommand({
  name: "groups",
  summary: "list groups of people",
  options: { prefix: { type: "string" } },
  help: "  --prefix TEXT        names that begin so\n",
  operation: "GET /api/v1/groups",
  item: groupSchema,
  given: ({ options }) => ok([{ query: { prefix: givenText(options, "prefix") } }]),
  columns: {
    ID: (group) => group.id,
    NAME: (group) => group.name,
    DESCRIPTION: (group) => group.description ?? "-",
  },
});

const add = actCommand({
  name: "groups add",
  summary: "make a group",
  positionals: ["NAME"],
  options: { description: { type: "string" } },
  help: "  --description TEXT   what it is for\n",
  operation: "POST /api/v1/groups",
  fieldNames: { name: "NAME" },
  schema: groupSchema,
  given: ({ options, positionals: [name = ""] }) =>
    ok([{ body: { name, description: textOption(options, "description") } }]),
  tell: (group) => ({ print: group.id, note: `Made ${printable(group.name)}.` }),
});

const remove = actCommand({
  name: "groups delete",
  summary: "delete a group; its members stay",
  positionals: ["GROUP"],
  operation: "DELETE /api/v1/groups/{id}",
  schema: z.null(),
  given: async ({ positionals: [wanted = ""] }, client) => {
    const id = await findGroupId(client, wanted);
    return id.ok ? ok([{ params: { id: id.value } }]) : id;
  },
  tell: () => ({ note: "Deleted." }),
});

const members = listCommand({
  name: "groups members",
  summary: "list a group's members",
  positionals: ["GROUP"],
  operation: "GET /api/v1/groups/{id}/members",
  item: memberSchema,
  given: async ({ positionals: [wanted = ""] }, client) => {
    const id = await findGroupId(client, wanted);
    return id.ok ? ok([{ params: { id: id.value } }]) : id;
  },
  columns: {
    ID: ({ user }) => user.id,
    NAME: ({ user }) => user.username,
    FROM: ({ origins }) => origins.join(", "),
  },
});

const join = actCommand({
  name: "groups add-member",
  summary: "put somebody into a group",
  positionals: ["GROUP", "USER"],
  operation: "PUT /api/v1/groups/{id}/members/{userId}",
  schema: z.null(),
  given: async ({ positionals }, client) => memberParams(positionals, client),
  tell: () => ({ note: "Added." }),
});

const leave = actCommand({
  name: "groups remove-member",
  summary: "take somebody out of a group",
  positionals: ["GROUP", "USER"],
  operation: "DELETE /api/v1/groups/{id}/members/{userId}",
  schema: z.null(),
  given: async ({ positionals }, client) => memberParams(positionals, client),
  tell: () => ({ note: "Removed." }),
});

export const GROUP_COMMANDS: readonly Command[] = [list, add, members, join, leave, remove];

async function memberParams(
  [group = "", user = ""]: readonly string[],
  client: ApiClient,
): Promise<
  Result<readonly [{ params: { readonly id: string; readonly userId: string } }], CliFailure>
> {
  const id = await findGroupId(client, group);
  if (!id.ok) {
    return id;
  }
  const userId = await findUserId(client, user);
  return userId.ok ? ok([{ params: { id: id.value, userId: userId.value } }]) : userId;
}
