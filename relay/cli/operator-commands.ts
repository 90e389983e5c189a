/**
 * The commands that the relay's own program has, so that a host which got nothing but the one-file
 * relay can enrol it, ask it and drain it: `node relay.mjs drain …` is `kerbside relay drain …`.
 */
import { type Command, runCommand } from "./command.ts";
import { relayDrainCommand } from "./commands/relay-drain.ts";
import { relayEnrolCommand } from "./commands/relay-enrol.ts";
import { relayResumeCommand } from "./commands/relay-resume.ts";
import { relayRotateKeyCommand } from "./commands/relay-rotate-key.ts";
import { relayStatusCommand } from "./commands/relay-status.ts";
import { processTools } from "./process-tools.ts";

/** Runs such a command and resolves with its exit code; null when `args` name none. */
export async function runOperatorCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number | null> {
  const [first = "", ...rest] = args;
  const command = COMMANDS.find(({ name }) => name === `relay ${first}`);
  if (command === undefined) {
    return null;
  }
  return runCommand(command, rest, processTools(environment));
}

const COMMANDS: readonly Command[] = [
  relayEnrolCommand,
  relayStatusCommand,
  relayDrainCommand,
  relayResumeCommand,
  relayRotateKeyCommand,
];
