/**
 * One process at a time may use a relay's state folder: two would share a spool and take the hub
 * from each other. The lock names its holder by process id and start, so that a number which the
 * system has given out again locks nobody out.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, ok, type Result } from "#shared/base/result.ts";

/** Takes the lock; the value gives it back. A failure is a sentence for the operator. */
export function lockFolder(folder: string): Result<() => void, string> {
  const file = join(folder, LOCK_FILE);
  const holder = readHolder(file);
  if (holder !== null && holder.pid !== process.pid && startOf(holder.pid) === holder.start) {
    return fail(`${folder} is in use by process ${holder.pid}: stop it, or use another folder.`);
  }
  try {
    writeFileSync(file, `${process.pid} ${startOf(process.pid)}`, { mode: 0o600 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return fail(`${folder} cannot be written: ${reason}.`);
  }
  return ok(() => rmSync(file, { force: true }));
}

function readHolder(file: string): { readonly pid: number; readonly start: string } | null {
  try {
    const [pid = "", start = ""] = readFileSync(file, "utf8").split(" ");
    return /^[0-9]+$/.test(pid) ? { pid: Number(pid), start } : null;
  } catch {
    return null;
  }
}

/** When a process began, in the kernel's ticks; another text when there is no such process. */
function startOf(pid: number): string {
  try {
    // proc(5): the name in brackets may hold spaces; the 20th field behind it is the start.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "unknown";
  } catch {
    return pid === process.pid ? "unknown" : "gone";
  }
}

const LOCK_FILE = "lock";
