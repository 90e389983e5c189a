/** The `kerbside` command: finds the command that was asked for, runs it, says what went wrong. */
import { type CliTools, type Command, EXIT, runCommand } from "./command.ts";
import { ACCESS_COMMANDS } from "./commands/access.ts";
import { auditExportCommand } from "./commands/audit-export.ts";
import { auditSearchCommand } from "./commands/audit-search.ts";
import { auditVerifyCommand } from "./commands/audit-verify.ts";
import { consoleAddCommand } from "./commands/console-add.ts";
import { consoleDeleteCommand } from "./commands/console-delete.ts";
import { consolesCommand } from "./commands/consoles.ts";
import { GROUP_COMMANDS } from "./commands/groups.ts";
import { joinTokenCreateCommand } from "./commands/join-token-create.ts";
import { KEY_COMMANDS } from "./commands/keys.ts";
import { loginCommand } from "./commands/login.ts";
import { logoutCommand } from "./commands/logout.ts";
import { openCommand } from "./commands/open.ts";
import { POLICY_COMMANDS } from "./commands/policies.ts";
import { relayDrainCommand } from "./commands/relay-drain.ts";
import { relayEnrolCommand } from "./commands/relay-enrol.ts";
import { relayResumeCommand } from "./commands/relay-resume.ts";
import { relayRotateKeyCommand } from "./commands/relay-rotate-key.ts";
import { relayRunCommand } from "./commands/relay-run.ts";
import { relayStatusCommand } from "./commands/relay-status.ts";
import { RELAY_COMMANDS } from "./commands/relays.ts";
import { sessionsCommand } from "./commands/sessions.ts";
import { sessionsWatchCommand } from "./commands/sessions-watch.ts";
import { SITE_COMMANDS } from "./commands/sites.ts";
import { terminateCommand } from "./commands/terminate.ts";
import { SHARE_COMMANDS } from "./commands/shares.ts";
import { TOKEN_COMMANDS } from "./commands/tokens.ts";
import { USER_COMMANDS } from "./commands/users.ts";
import { nearest } from "./nearest.ts";
import { printable } from "./printable.ts";
import { processTools } from "./process-tools.ts";
import { sayVersion } from "../program.ts";

/** Runs one command line (without the program's name); resolves with the exit code. */
export async function runKerbside(args: readonly string[], tools: CliTools): Promise<number> {
  const [first] = args;
  if (first === undefined || isHelp(first)) {
    (first === undefined ? tools.note : tools.print)(overview());
    return first === undefined ? EXIT.usage : EXIT.done;
  }
  if (first === "--version") {
    tools.print(sayVersion());
    return EXIT.done;
  }
  const found = findCommand(args);
  if (found !== undefined) {
    const rest = args.slice(found.words.length);
    return runCommand(withFamily(found.command), rest, tools);
  }
  const family = familyOf(first);
  if (family.length > 0 && isHelp(args[1])) {
    tools.print(`Usage: kerbside ${first} COMMAND [options]\n\n${sayCommands(family)}\n${MORE}`);
    return EXIT.done;
  }
  tools.note(`${sayUnknown(args)} See npx kerbside --help.\n`);
  return EXIT.usage;
}

function isHelp(word: string | undefined): boolean {
  return word === "--help" || word === "-h" || word === "help";
}

/** The commands that begin with this word and another one. */
function familyOf(first: string): Command[] {
  return COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
}

/** A command that others begin with names them in its help: `relays` lists, `relays drain` acts. */
function withFamily(command: Command): Command {
  const family = familyOf(command.name);
  return family.length === 0
    ? command
    : { ...command, help: `${command.help}\nBesides:\n\n${sayCommands(family)}` };
}

/** The longest name that the line begins with: `relays drain` before `relays`. */
function findCommand(args: readonly string[]): Named | undefined {
  return COMMANDS.flatMap(namesOf)
    .filter(({ words }) => isPrefix(words, args))
    .sort((left, right) => right.words.length - left.words.length)[0];
}

interface Named {
  readonly words: readonly string[];
  readonly command: Command;
}

function namesOf(command: Command): Named[] {
  const words = command.name.split(" ");
  const named = { words, command };
  return command.isList === true ? [named, { words: [...words, "list"], command }] : [named];
}

function overview(): string {
  return `Usage: kerbside COMMAND [options]\n\n${sayCommands(COMMANDS)}\n${MORE}`;
}

function sayCommands(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`).join("");
}

function sayUnknown(args: readonly string[]): string {
  const [first = "", second] = args.map(printable);
  const family = familyOf(first);
  if (family.length === 0) {
    const meant = nearest(
      first,
      COMMANDS.map(({ name }) => name.split(" ")[0] ?? ""),
    );
    return `"${first}" is no command.${meant === null ? "" : ` Did you mean ${meant}?`}`;
  }
  const choices = CHOICES.format(family.map(({ name }) => name.slice(first.length + 1)));
  return second === undefined
    ? `Say what to do: npx kerbside ${first} ${choices}.`
    : `"${first} ${second}" is no command; try ${first} ${choices}.`;
}

function isPrefix(words: readonly string[], args: readonly string[]): boolean {
  return words.every((word, index) => args[index] === word);
}

const MORE =
  "npx kerbside COMMAND --help tells more. Exit codes: 0 done, 1 failed, 2 asked for wrongly.\n";
const CHOICES = new Intl.ListFormat("en-GB", { type: "disjunction" });
const COMMANDS: readonly Command[] = [
  loginCommand,
  logoutCommand,
  consolesCommand,
  openCommand,
  sessionsCommand,
  sessionsWatchCommand,
  terminateCommand,
  consoleAddCommand,
  consoleDeleteCommand,
  joinTokenCreateCommand,
  ...RELAY_COMMANDS,
  ...KEY_COMMANDS,
  ...SITE_COMMANDS,
  ...USER_COMMANDS,
  ...GROUP_COMMANDS,
  ...TOKEN_COMMANDS,
  ...ACCESS_COMMANDS,
  ...SHARE_COMMANDS,
  ...POLICY_COMMANDS,
  auditSearchCommand,
  auditExportCommand,
  auditVerifyCommand,
  relayEnrolCommand,
  relayRunCommand,
  relayStatusCommand,
  relayDrainCommand,
  relayResumeCommand,
  relayRotateKeyCommand,
];

if (import.meta.main) {
  const code = await runKerbside(process.argv.slice(2), processTools(process.env));
  // Idle connections to the control plane would otherwise keep the process for seconds.
  process.exit(code);
}
