/** A full disk, whoever met it: a person can make room, so it is told in a sentence. */
import { StartError } from "./state-folder.ts";

/** Null: the error is something else. */
export function diskFull(error: unknown): StartError | null {
  const isFull = error instanceof Error && "code" in error && CODES.has(error.code);
  return isFull ? new StartError("No space is left on the disk: make room and start again.") : null;
}

const CODES: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "SQLITE_FULL"]);
