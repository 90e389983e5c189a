/** `kerbside audit search`: what happened, newest first. */
import { type AuditLine, auditLineSchema } from "#shared/audit/audit-line.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, type ApiClient, withApi } from "../api-client.ts";
import {
  FILTER_NAMES,
  FILTER_OPTIONS,
  FILTER_OPTIONS_HELP,
  readFilterOptions,
} from "../audit/filter-options.ts";
import {
  type CliFailure,
  type Command,
  EXIT,
  misused,
  parseCommand,
  textOption,
} from "../command.ts";
import { nameFlags } from "../name-flags.ts";
import { formatTable } from "../printable.ts";

export const auditSearchCommand: Command = {
  name: "audit search",
  summary: "read the audit trail, newest first",
  help: `Usage: kerbside audit search [options]

${FILTER_OPTIONS_HELP}  --limit N            at most so many events; default 50
  --json               one JSON object a line
${API_OPTIONS_HELP}`,
  run: async (args, tools) => {
    const parsed = parseCommand(args, {
      ...API_OPTIONS,
      ...FILTER_OPTIONS,
      limit: { type: "string" },
      json: { type: "boolean" },
    });
    if (!parsed.ok) {
      return parsed;
    }
    const { options } = parsed.value;
    const query = readFilterOptions(options, Date.now());
    if (!query.ok) {
      return query;
    }
    const count = textOption(options, "limit") ?? "50";
    if (!/^[1-9][0-9]{0,5}$/.test(count)) {
      return fail(misused("--limit must be a whole number from 1 on."));
    }
    return withApi(options, tools, async (client) => {
      const found = await search(client, query.value, Number(count));
      if (!found.ok) {
        return found;
      }
      if (options["json"] === true) {
        tools.print(found.value.map((event) => `${JSON.stringify(event)}\n`).join(""));
      } else if (found.value.length === 0) {
        tools.note("None.\n");
      } else {
        tools.print(formatTable(HEAD, found.value.map(rowOf)));
      }
      return ok(EXIT.done);
    });
  },
};

async function search(
  client: ApiClient,
  filter: URLSearchParams,
  count: number,
): Promise<Result<AuditLine[], CliFailure>> {
  const query = { ...Object.fromEntries(filter), limit: Math.min(count, PAGE_ROWS) };
  const found: AuditLine[] = [];
  for await (const page of client.pages("GET /api/v1/audit", auditLineSchema, { query })) {
    if (!page.ok) {
      return fail(nameFlags(page.error, FILTER_OPTIONS, FILTER_NAMES));
    }
    found.push(...page.value);
    if (found.length >= count) {
      break;
    }
  }
  return ok(found.slice(0, count));
}

function rowOf(event: AuditLine): string[] {
  const { actor, address, consoleId, sessionId, relayId, subjectId } = event;
  return [
    event.at,
    event.type,
    actor.id ?? actor.kind,
    sessionId ?? consoleId ?? subjectId ?? relayId ?? "-",
    address ?? "-",
    (event.dataText ?? JSON.stringify(event.data)).slice(0, DATA_CHARACTERS_MAX),
  ];
}

const HEAD = ["AT", "TYPE", "WHO", "ABOUT", "ADDRESS", "DATA"];
/** The API's most. */
const PAGE_ROWS = 200;
/** A table is for people; --json has all of it. */
const DATA_CHARACTERS_MAX = 120;
