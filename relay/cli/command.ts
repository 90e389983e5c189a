/**
 * What a command is, and the tools that it is given. A command returns its failure as a sentence
 * with an exit code; it never ends the process itself.
 */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { fail, ok, type Result } from "#shared/base/result.ts";
import type { FieldFault } from "../control/http-json.ts";
import { sayCommand, sayHelp } from "../program.ts";
import type { CliEnvironment } from "./environment.ts";
import { joinNegativeNumbers, sayParseError } from "#shared/base/command-line.ts";

/** 0 done, 1 could not be done, 2 asked for wrongly. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

export interface CliFailure {
  readonly exitCode: number;
  /** One or more whole sentences for a person. */
  readonly sentence: string;
  /** The catalogue's code when the control plane refused. */
  readonly code?: string;
  /** What it found wrong in the request's fields, as it stands in the sentence. */
  readonly fields?: readonly FieldFault[];
}

/** The outside of a command; tests may give another. */
export interface CliTools {
  readonly environment: CliEnvironment;
  /** What was asked for: standard output. */
  readonly print: (text: string) => void;
  /** Everything else: standard error. */
  readonly note: (text: string) => void;
  /** From this call on Ctrl-C and SIGTERM abort the signal, and end nothing by themselves. */
  readonly untilInterrupted: () => AbortSignal;
}

export interface Command {
  /** As typed, such as "relay enrol". */
  readonly name: string;
  readonly summary: string;
  /** What `--help` prints. */
  readonly help: string;
  /** It lists what its name names: `relays list` is `relays`, because many come with that habit. */
  readonly isList?: boolean;
  readonly run: (args: readonly string[], tools: CliTools) => Promise<CliOutcome>;
}

/** The exit code, or why not. */
export type CliOutcome = Result<number, CliFailure>;

/** Options as typed: texts and switches. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

export interface ParsedCommand {
  readonly options: OptionValues;
  readonly positionals: readonly string[];
}

/** Runs one command, or prints its help; resolves with the exit code and says what went wrong. */
export async function runCommand(
  command: Command,
  args: readonly string[],
  tools: CliTools,
): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    tools.print(sayHelp(command.name, command.help));
    return EXIT.done;
  }
  const outcome = await command.run(args, tools);
  if (outcome.ok) {
    return outcome.value;
  }
  const { exitCode, sentence } = outcome.error;
  const pointer = exitCode === EXIT.usage ? ` See ${sayCommand(command.name)} --help.` : "";
  tools.note(`${sentence}${pointer}\n`);
  return exitCode;
}

/**
 * Reads a command's arguments; `positionals` is how many it takes, exactly. `advise` is asked what
 * to say behind the sentence about one that is too many.
 */
export function parseCommand(
  args: readonly string[],
  options: ParseArgsOptionsConfig,
  positionals: readonly string[] = [],
  advise?: (extra: string, values: OptionValues) => string,
): Result<ParsedCommand, CliFailure> {
  try {
    const parsed = parseArgs({ args: joinNegativeNumbers(args), options, allowPositionals: true });
    const missing = positionals[parsed.positionals.length];
    if (missing !== undefined) {
      return fail(misused(`${missing} is missing.`));
    }
    const extra = parsed.positionals[positionals.length];
    if (extra !== undefined) {
      const advice = advise?.(extra, parsed.values as OptionValues) ?? "";
      return fail(misused(`"${extra}" is one argument too many.${advice}`));
    }
    return ok({ options: parsed.values as OptionValues, positionals: parsed.positionals });
  } catch (error) {
    return fail(misused(sayParseError(error)));
  }
}

/** A text option that must be there. */
export function requireText(options: OptionValues, name: string): Result<string, CliFailure> {
  const value = options[name];
  return typeof value === "string" && value !== ""
    ? ok(value)
    : fail(misused(`--${name} is missing.`));
}

/** A text option, or null. */
export function textOption(options: OptionValues, name: string): string | null {
  const value = options[name];
  return typeof value === "string" ? value : null;
}

/** A text option, or undefined: what is not given is left out of a request. */
export function givenText(options: OptionValues, name: string): string | undefined {
  return textOption(options, name) ?? undefined;
}

/** A port option, or null when it is not given. */
export function portOption(options: OptionValues, name: string): Result<number | null, CliFailure> {
  const text = textOption(options, name);
  if (text === null) {
    return ok(null);
  }
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535
    ? ok(port)
    : fail(misused(`--${name} must be a port from 1 to 65535.`));
}

/** The command was typed wrongly. */
export function misused(sentence: string): CliFailure {
  return { exitCode: EXIT.usage, sentence };
}

/** The command could not be carried out. */
export function failed(sentence: string): CliFailure {
  return { exitCode: EXIT.failed, sentence };
}
