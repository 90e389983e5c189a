/**
 * Where the processes of the benchmark run: what is compared has one core for itself, the load that
 * is put on it has the others. Without taskset (util-linux) or a second core they share.
 */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";

/** A command line on the cores for a proxy under test, or for its load. */
export function pinned(
  command: string,
  args: readonly string[],
  place: "proxy" | "load",
): { readonly command: string; readonly args: readonly string[] } {
  if (!isPinning()) {
    return { command, args };
  }
  const last = availableParallelism() - 1;
  const cores = place === "proxy" ? String(last) : `0-${last - 1}`;
  return { command: TASKSET, args: ["-c", cores, command, ...args] };
}

export function isPinning(): boolean {
  return availableParallelism() > 1 && existsSync(TASKSET);
}

const TASKSET = "/usr/bin/taskset";
