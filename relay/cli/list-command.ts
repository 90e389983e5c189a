/**
 * A command that prints a list of the API's: as a table, or with --json as one array. What is
 * particular to a list is its operation, what is read of an item, and its columns.
 */
import type { ParseArgsOptionsConfig } from "node:util";
import type { ArgumentsOf } from "#shared/api/client.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, type ApiClient, withApi } from "./api-client.ts";
import {
  type CliFailure,
  type Command,
  EXIT,
  misused,
  type OptionValues,
  type ParsedCommand,
  parseCommand,
  textOption,
} from "./command.ts";
import { nameFlags } from "./name-flags.ts";
import { formatTable } from "./printable.ts";
import type { ListName, ReadsItem } from "./typed-api.ts";

export interface ListSpec<Name extends ListName, Item> {
  readonly name: string;
  readonly summary: string;
  /** Arguments as the usage line shows them, such as "GROUP". */
  readonly positionals?: readonly string[];
  /** The list's own options, and their lines of help. */
  readonly options?: ParseArgsOptionsConfig;
  readonly help?: string;
  readonly operation: Name;
  readonly item: ReadsItem<Name, Item>;
  /** The call's arguments, out of what was typed; names may have to be looked for. */
  readonly given: (
    parsed: ParsedCommand,
    client: ApiClient,
  ) => Result<ArgumentsOf<Name>, CliFailure> | Promise<Result<ArgumentsOf<Name>, CliFailure>>;
  /** Which items are shown; all of them without it. */
  readonly shows?: (item: Item, options: OptionValues) => boolean;
  /** Heads, and how a cell is written. */
  readonly columns: Readonly<Record<string, (item: Item) => string>>;
  /** What to say when nothing is shown. */
  readonly none?: (options: OptionValues) => string;
}

export function listCommand<Name extends ListName, Item>(spec: ListSpec<Name, Item>): Command {
  const { name, summary, positionals = [], help = "" } = spec;
  const usage = ["kerbside", name, ...positionals, help === "" ? "" : "[options]", "[--json]"];
  return {
    name,
    summary,
    isList: !name.includes(" "),
    help: `Usage: ${usage.filter((word) => word !== "").join(" ")}

${help}  --limit N            at most so many; default all
  --json               the list as one JSON array
${API_OPTIONS_HELP}`,
    run: async (args, tools) => {
      const parsed = parseCommand(args, { ...COMMON, ...spec.options }, positionals);
      if (!parsed.ok) {
        return parsed;
      }
      const { options } = parsed.value;
      const count = countOption(options);
      if (!count.ok) {
        return count;
      }
      return withApi(options, tools, async (client) => {
        const items = await collect(client, spec, { parsed: parsed.value, count: count.value });
        if (!items.ok) {
          return items;
        }
        if (options["json"] === true) {
          tools.print(`${JSON.stringify(items.value, null, 2)}\n`);
        } else if (items.value.length === 0) {
          tools.note(spec.none?.(options) ?? "None.\n");
        } else {
          const cells = Object.values(spec.columns);
          const rows = items.value.map((item) => cells.map((cell) => cell(item)));
          tools.print(formatTable(Object.keys(spec.columns), rows));
        }
        return ok(EXIT.done);
      });
    },
  };
}

async function collect<Name extends ListName, Item>(
  client: ApiClient,
  spec: ListSpec<Name, Item>,
  asked: { readonly parsed: ParsedCommand; readonly count: number },
): Promise<Result<Item[], CliFailure>> {
  const { parsed, count } = asked;
  const given = await spec.given(parsed, client);
  if (!given.ok) {
    return given;
  }
  const items: Item[] = [];
  const pages = client.pages(spec.operation, spec.item, ...given.value);
  for await (const page of pages) {
    if (!page.ok) {
      return fail(nameFlags(page.error, { ...COMMON, ...spec.options }));
    }
    items.push(...page.value.filter((item) => spec.shows?.(item, parsed.options) ?? true));
    if (items.length >= count) {
      break;
    }
  }
  return ok(items.slice(0, count));
}

/** Infinity unless the user bounds it. */
function countOption(options: OptionValues): Result<number, CliFailure> {
  const text = textOption(options, "limit");
  if (text === null) {
    return ok(Number.POSITIVE_INFINITY);
  }
  return /^[1-9][0-9]{0,6}$/.test(text)
    ? ok(Number(text))
    : fail(misused("--limit must be a whole number from 1 on."));
}

const COMMON = {
  ...API_OPTIONS,
  limit: { type: "string" },
  json: { type: "boolean" },
} as const;
