/** `kerbside join-token create`: lets one new relay enrol. */
import { ok } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import { joinTokenSchema } from "../api-schemas.ts";
import { printable } from "../printable.ts";

export const joinTokenCreateCommand = actCommand({
  name: "join-token create",
  summary: "make a join token for a new relay",
  about: "Prints a token with which one relay can enrol, once, before it expires.",
  operation: "POST /api/v1/relays/join-tokens",
  schema: joinTokenSchema,
  given: () => ok([]),
  tell: ({ token, expiresAt }) => ({
    print: token,
    note: `For one relay, until ${printable(expiresAt)}.`,
  }),
});
