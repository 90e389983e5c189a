/** `kerbside tokens …`: the caller's own API tokens, for programs. */
import { z } from "zod";
import type { NewApiToken } from "#shared/api/operations.ts";
import { fail, ok } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import { apiTokenSchema } from "../api-schemas.ts";
import { type Command, misused, requireText, textOption } from "../command.ts";
import { listCommand } from "../list-command.ts";
import { printable } from "../printable.ts";

const list = listCommand({
  name: "tokens",
  summary: "list your API tokens, newest first",
  operation: "GET /api/v1/account/tokens",
  item: apiTokenSchema,
  given: () => ok([]),
  columns: {
    ID: (token) => token.id,
    NAME: (token) => token.name,
    SCOPES: (token) => token.scopes.join(","),
    EXPIRES: ({ revokedAt, expiresAt }) => (revokedAt === null ? expiresAt : "revoked"),
    USED: (token) => token.lastUsedAt ?? "-",
  },
});

const create = actCommand({
  name: "tokens create",
  summary: "make an API token for a program",
  about: "Prints the token; it is not shown again.",
  options: { name: { type: "string" }, scopes: { type: "string" }, days: { type: "string" } },
  help: `  --name N             what it is for
  --scopes LIST        permissions by comma (docs/api/permissions.md), of those that you hold:
                       consoles.read,consoles.open for what rules grant you; admins, for every
                       console: consoles.read,consoles.read-all,consoles.open,consoles.open-all
  --days N             how long it is good; default 90
`,
  operation: "POST /api/v1/account/tokens",
  fieldNames: { lifeDays: "--days" },
  schema: apiTokenSchema.extend({ token: z.string() }),
  given: ({ options }) => {
    const name = requireText(options, "name");
    if (!name.ok) {
      return name;
    }
    const scopes = requireText(options, "scopes");
    if (!scopes.ok) {
      return scopes;
    }
    const days = textOption(options, "days") ?? DAYS_DEFAULT;
    if (!/^[1-9][0-9]{0,3}$/.test(days)) {
      return fail(misused("--days must be a whole number from 1 on."));
    }
    const body = {
      name: name.value,
      // The control plane knows its permissions, and names those that are none.
      scopes: scopes.value.split(",").map((scope) => scope.trim()) as NewApiToken["scopes"],
      lifeDays: Number(days),
    };
    return ok([{ body }]);
  },
  tell: ({ token, expiresAt }) => ({ print: token, note: `Good until ${printable(expiresAt)}.` }),
});

const revoke = actCommand({
  name: "tokens revoke",
  summary: "end one of your API tokens",
  positionals: ["TOKEN"],
  operation: "DELETE /api/v1/account/tokens/{id}",
  schema: z.null(),
  given: ({ positionals: [id = ""] }) => ok([{ params: { id } }]),
  tell: () => ({ note: "Revoked." }),
});

export const TOKEN_COMMANDS: readonly Command[] = [list, create, revoke];

const DAYS_DEFAULT = "90";
