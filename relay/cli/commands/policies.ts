/** `kerbside policies …`: what sessions may do, and who says so. */
import { z } from "zod";
import { ok } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import { type Command, textOption } from "../command.ts";
import { findConsole, findUserId } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";
import { policyWarningsSchema, sayPolicyWarnings } from "../policy-warnings.ts";
import { formatTable, printable } from "../printable.ts";

const list = listCommand({
  name: "policies",
  summary: "list the policies",
  operation: "GET /api/v1/policies",
  item: z.looseObject({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    rules: z.record(z.string(), z.unknown()),
  }),
  given: () => ok([]),
  columns: {
    ID: (policy) => policy.id,
    NAME: (policy) => policy.name,
    RULES: (policy) => JSON.stringify(policy.rules),
    DESCRIPTION: (policy) => policy.description,
  },
});

const contribution = z.looseObject({
  from: z.looseObject({ by: z.string(), name: z.string().optional() }),
  wins: z.boolean(),
});

const effective = actCommand({
  name: "policies effective",
  summary: "what a session of a console would be given, and why",
  positionals: ["CONSOLE"],
  options: { user: { type: "string" } },
  help: "  --user NAME|ID       of this user; default you\n",
  operation: "GET /api/v1/policies/effective",
  schema: z.looseObject({
    user: z.looseObject({ username: z.string() }),
    allowedNow: z.boolean(),
    changesAt: z.string().nullable(),
    decisions: z.array(
      z.looseObject({
        rule: z.string(),
        value: z.unknown().optional(),
        contributions: z.array(contribution),
      }),
    ),
    warnings: policyWarningsSchema,
  }),
  given: async ({ options, positionals: [wanted = ""] }, client) => {
    const console = await findConsole(client, wanted);
    if (!console.ok) {
      return console;
    }
    const consoleId = console.value.id;
    const user = textOption(options, "user");
    if (user === null) {
      return ok([{ query: { consoleId } }]);
    }
    const userId = await findUserId(client, user);
    return userId.ok ? ok([{ query: { consoleId, userId: userId.value } }]) : userId;
  },
  tell: ({ decisions, allowedNow, changesAt, warnings }) => {
    const rows = decisions.map(({ rule, value, contributions }) => [
      rule,
      JSON.stringify(value ?? null),
      contributions.map(sayContribution).join(", ") || "default",
    ]);
    const until = changesAt === null ? "" : ` until ${printable(changesAt)}`;
    return {
      print: formatTable(["RULE", "VALUE", "FROM"], rows).trimEnd(),
      note: [
        allowedNow
          ? `Sessions are allowed now${until}.`
          : `No sessions are allowed${until || " now"}.`,
        ...sayPolicyWarnings(warnings),
      ].join("\n"),
    };
  },
});

export const POLICY_COMMANDS: readonly Command[] = [list, effective];

/** What lost is in brackets. */
function sayContribution({ from, wins }: z.infer<typeof contribution>): string {
  const who = from.name === undefined ? from.by : `${from.by} ${from.name}`;
  return wins ? who : `(${who})`;
}
