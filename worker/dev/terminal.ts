/**
 * How the programs that people start speak and are told to stop: progress and refusals on standard
 * error, one sentence each; standard output is for the one line that scripts read.
 */
import { diskTrouble } from "./disk-trouble.ts";
import { StartError } from "./state-folder.ts";

export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Says why not, and passes the exit code on. */
export function refuse(sentence: string, exitCode: number): number {
  tell(`kerbside: ${sentence}`);
  return exitCode;
}

/** A person's mistake as its sentence; a failure of ours with its stack. */
export function sentenceOf(reason: unknown): string {
  const error = diskTrouble(reason) ?? reason;
  if (error instanceof StartError) {
    return error.message;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** What the program ends with that could not start because of it. */
export function exitCodeOf(error: unknown): number {
  return error instanceof StartError ? error.exitCode : 1;
}

/** Settles with the first reason to stop: a signal, or that the launcher is gone. */
export function nextStopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => resolve(signal));
    }
    process.on("disconnect", () => resolve("disconnect"));
    process.channel?.unref();
  });
}
