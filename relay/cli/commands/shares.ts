/** `kerbside shares …`: links that open one console for somebody without a login. */
import { fail, ok } from "#shared/base/result.ts";
import { actCommand } from "../act-command.ts";
import { issuedShareSchema, revokedShareSchema, shareSchema } from "../api-schemas.ts";
import { type Command, misused, givenText, textOption } from "../command.ts";
import { countOf } from "../count-of.ts";
import { findConsole } from "../find-by-name.ts";
import { listCommand } from "../list-command.ts";
import {
  POLICY_OPTIONS,
  POLICY_OPTIONS_HELP,
  readPolicyOptions,
  readSeconds,
} from "../policy-options.ts";
import { sayPolicyWarnings } from "../policy-warnings.ts";
import { printable } from "../printable.ts";

const list = listCommand({
  name: "shares",
  summary: "list links for guests, newest first",
  options: { console: { type: "string" } },
  help: "  --console NAME|ID    of this console\n",
  operation: "GET /api/v1/shares",
  item: shareSchema,
  given: async ({ options }, client) => {
    const wanted = textOption(options, "console");
    if (wanted === null) {
      return ok([]);
    }
    const console = await findConsole(client, wanted);
    return console.ok ? ok([{ query: { consoleId: console.value.id } }]) : console;
  },
  columns: {
    ID: (share) => share.id,
    CONSOLE: (share) => share.console.name,
    BY: (share) => share.issuer.username,
    STATE: (share) => share.state,
    USES: (share) => `${share.usesLeft} of ${share.uses}`,
    EXPIRES: (share) => share.expiresAt,
    LABEL: (share) => share.label ?? "-",
  },
});

const create = actCommand({
  name: "shares create",
  summary: "issue a link that opens a console for a guest",
  about: "Prints the link; whoever has it can open the console.",
  positionals: ["CONSOLE"],
  options: {
    ...POLICY_OPTIONS,
    expires: { type: "string" },
    uses: { type: "string" },
    label: { type: "string" },
  },
  help: `  --expires T          how long sessions can begin: 30m, 8h (default 1h)
  --uses N             how often it opens the console
  --label TEXT         whom it is for
${POLICY_OPTIONS_HELP}`,
  operation: "POST /api/v1/shares",
  fieldNames: { expiresInS: "--expires, in seconds,", consoleId: "CONSOLE" },
  schema: issuedShareSchema,
  given: async ({ options, positionals: [wanted = ""] }, client) => {
    const expiresInS = readSeconds(textOption(options, "expires") ?? EXPIRES_DEFAULT) ?? null;
    const uses = textOption(options, "uses");
    if (expiresInS === null) {
      return fail(misused("--expires must be a time such as 30m, 8h or 1d."));
    }
    if (uses !== null && !/^[1-9][0-9]{0,5}$/.test(uses)) {
      return fail(misused("--uses must be a whole number from 1 on."));
    }
    const policy = await readPolicyOptions(options);
    if (!policy.ok) {
      return policy;
    }
    const console = await findConsole(client, wanted);
    if (!console.ok) {
      return console;
    }
    const body = {
      consoleId: console.value.id,
      expiresInS,
      uses: uses === null ? undefined : Number(uses),
      label: givenText(options, "label"),
      policy: policy.value ?? undefined,
    };
    return ok([{ body }]);
  },
  tell: ({ url, share, warnings }) => ({
    print: url,
    note: [
      `Opens ${printable(share.console.name)} until ${printable(share.expiresAt)}.`,
      ...sayPolicyWarnings(warnings),
    ].join("\n"),
  }),
});

const revoke = actCommand({
  name: "shares revoke",
  summary: "end a link",
  positionals: ["SHARE"],
  options: { "end-sessions": { type: "boolean" } },
  help: "  --end-sessions       its guests' sessions too\n",
  operation: "POST /api/v1/shares/{id}/revoke",
  schema: revokedShareSchema,
  given: ({ options, positionals: [id = ""] }) =>
    ok([{ params: { id }, body: { endSessions: options["end-sessions"] === true } }]),
  tell: ({ sessionsEnding, sessionsWaiting }) => {
    const told = `${countOf(sessionsEnding, "session")} ${sessionsEnding === 1 ? "was" : "were"} told`;
    const later = `, ${sessionsWaiting} of them when their relay is back`;
    return { note: `Revoked; ${told} to end${sessionsWaiting === 0 ? "" : later}.` };
  },
});

export const SHARE_COMMANDS: readonly Command[] = [list, create, revoke];

const EXPIRES_DEFAULT = "1h";
