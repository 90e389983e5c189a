/**
 * A command that asks the API for one thing: makes, changes, reads or ends something. Says what
 * became of it on standard error, prints what scripts need, and with --json the whole answer.
 */
import type { ParseArgsOptionsConfig } from "node:util";
import type { ArgumentsOf, OperationName } from "#shared/api/client.ts";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { API_OPTIONS, API_OPTIONS_HELP, type ApiClient, withApi } from "./api-client.ts";
import {
  type CliFailure,
  type Command,
  EXIT,
  type ParsedCommand,
  parseCommand,
} from "./command.ts";
import { nameFlags, type TypedNames } from "./name-flags.ts";
import type { Reads } from "./typed-api.ts";

export interface ActSpec<Name extends OperationName, Value> {
  readonly name: string;
  readonly summary: string;
  /** Arguments as the usage line shows them, such as "RELAY". */
  readonly positionals?: readonly string[];
  /** A sentence or two of help. */
  readonly about?: string;
  /** The command's own options, and their lines of help. */
  readonly options?: ParseArgsOptionsConfig;
  readonly help?: string;
  readonly operation: Name;
  readonly schema: Reads<Name, Value>;
  /** How fields of the body are typed that have another name there. */
  readonly fieldNames?: TypedNames;
  /** The call's arguments, out of what was typed; names may have to be looked for. */
  readonly given: (
    parsed: ParsedCommand,
    client: ApiClient,
  ) => Result<ArgumentsOf<Name>, CliFailure> | Promise<Result<ArgumentsOf<Name>, CliFailure>>;
  /** What is printed for scripts, such as an id; and what is said to people. */
  readonly tell: (value: Value, parsed: ParsedCommand) => Told;
}

export interface Told {
  readonly print?: string;
  readonly note?: string;
  /** What --json prints; the whole answer without it. */
  readonly json?: unknown;
}

export function actCommand<Name extends OperationName, Value>(spec: ActSpec<Name, Value>): Command {
  const { name, summary, positionals = [], about, help = "" } = spec;
  const usage = ["kerbside", name, ...positionals, help === "" ? "" : "[options]"];
  const introduction = about === undefined ? "" : `${about}\n\n`;
  return {
    name,
    summary,
    help: `Usage: ${usage.filter((word) => word !== "").join(" ")}

${introduction}${help}  --json               the answer as JSON
${API_OPTIONS_HELP}`,
    run: async (args, tools) => {
      const options = { ...API_OPTIONS, json: { type: "boolean" }, ...spec.options } as const;
      const parsed = parseCommand(args, options, positionals);
      if (!parsed.ok) {
        return parsed;
      }
      return withApi(parsed.value.options, tools, async (client) => {
        const given = await spec.given(parsed.value, client);
        if (!given.ok) {
          return given;
        }
        const answer = await client.call(spec.operation, spec.schema, ...given.value);
        if (!answer.ok) {
          return fail(nameFlags(answer.error, options, spec.fieldNames));
        }
        const { print, note, json = answer.value } = spec.tell(answer.value, parsed.value);
        if (parsed.value.options["json"] === true) {
          tools.print(`${JSON.stringify(json, null, 2)}\n`);
        } else if (print !== undefined) {
          tools.print(`${print}\n`);
        }
        if (note !== undefined) {
          tools.note(`${note}\n`);
        }
        return ok(EXIT.done);
      });
    },
  };
}
