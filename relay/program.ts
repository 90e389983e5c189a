/**
 * How this program is called by whoever reads its words: in a checkout through npm and npx, as the
 * one-file relay by its name. Promises commands that can be pasted where the sentence was read.
 */
import manifest from "../package.json" with { type: "json" };

/** How to run the relay with a state folder. */
export function sayRun(stateDir: string, isOneFile = IS_ONE_FILE): string {
  const program = isOneFile ? "node relay.mjs" : "npm run relay --";
  return `${program} --state-dir ${stateDir}`;
}

/** How to call a command, such as "relay enrol"; the one-file relay has the relay's own alone. */
export function sayCommand(name: string, isOneFile = IS_ONE_FILE): string {
  return isOneFile && name.startsWith("relay ")
    ? `node relay.mjs ${name.slice("relay ".length)}`
    : `npx kerbside ${name}`;
}

/** A command's help, as it is called here. */
export function sayHelp(name: string, help: string, isOneFile = IS_ONE_FILE): string {
  return isOneFile ? help.replaceAll(`kerbside ${name}`, sayCommand(name, isOneFile)) : help;
}

/** What `--version` prints. */
export function sayVersion(): string {
  return `kerbside ${manifest.version}\n`;
}

/** Sources keep their names; the bundle is one module. */
const IS_ONE_FILE = !import.meta.url.endsWith(".ts");
