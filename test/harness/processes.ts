/** Processes of this machine by their command lines, for tests of what is left behind. */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessLine {
  readonly pid: number;
  readonly commandLine: string;
}

/** Other processes whose command line has the text, such as a state folder's path. */
export function processesNaming(text: string): ProcessLine[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => ({ pid: Number(pid), commandLine: commandLineOf(pid) }))
    .filter(({ commandLine }) => commandLine.includes(text));
}

/** Empty when the process has gone, also while nobody has asked how it ended. */
function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
