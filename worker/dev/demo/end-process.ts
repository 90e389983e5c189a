/**
 * Ends a child process for certain: asks it with SIGTERM, waits, then kills it. Also the prefix for
 * a command that must not outlive us even when we are killed. It never signals anything but the
 * child that it is given.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";

/** A command line: the program and its arguments. */
export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

/** Resolves once `child` has exited (at once when it has already, or never came to life). */
export function awaitExit(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
  });
}

/**
 * Ends `child`: SIGTERM, and after `graceMs` SIGKILL. Resolves when it has exited.
 * Idempotent; a child that has exited already is left alone.
 */
export async function endProcess(child: ChildProcess, graceMs: number): Promise<void> {
  const exit = awaitExit(child);
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), graceMs);
  await exit;
  clearTimeout(force);
}

/**
 * The same command under `setpriv --pdeathsig KILL`, so that the kernel ends it when the process
 * that started it dies, whatever killed that one. Without setpriv (util-linux) the command as is.
 */
export function boundToParent(line: CommandLine): CommandLine {
  if (!existsSync(SETPRIV)) {
    return line;
  }
  return { command: SETPRIV, args: ["--pdeathsig", "KILL", "--", line.command, ...line.args] };
}

const SETPRIV = "/usr/bin/setpriv";
