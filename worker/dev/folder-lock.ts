/**
 * One process at a time may use a state folder. The lock names its holder by process id and start,
 * so that a number which the system has given out again, after a power cut, locks nobody out.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writePrivateFile } from "./private-file.ts";

/** The process that holds the folder; null when none does, or we do. */
export function lockHolder(folder: string): number | null {
  const [pid = "", start = ""] = readText(join(folder, LOCK_FILE)).split(" ");
  const holder = /^[0-9]+$/.test(pid) ? Number(pid) : 0;
  const isHeld = holder > 0 && holder !== process.pid && isAlive(holder);
  return isHeld && startOf(holder) === start ? holder : null;
}

/** @throws {Error} of the file system. */
export function takeLock(folder: string): void {
  writePrivateFile(join(folder, LOCK_FILE), `${process.pid} ${startOf(process.pid)}`);
}

export function releaseLock(folder: string): void {
  rmSync(join(folder, LOCK_FILE), { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives, and is somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** When a process began, in the kernel's ticks; one same text where there is no such record. */
function startOf(pid: number): string {
  // proc(5): the name in brackets may hold spaces; the 20th field behind it is the start.
  const stat = readText(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "unknown";
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

export const LOCK_FILE = "lock";
