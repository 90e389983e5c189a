/** What a person can mend on the disk, whoever met it: it is told in a sentence. */
import { StartError } from "./state-folder.ts";

/** Null: the error is something else. */
export function diskTrouble(error: unknown): StartError | null {
  if (!(error instanceof Error && "code" in error)) {
    return null;
  }
  if (FULL.has(error.code)) {
    return new StartError("No space is left on the disk: make room and start again.");
  }
  // Other things than files may be forbidden too, such as a port.
  if (FORBIDDEN.has(error.code) && "path" in error) {
    const what = `${String(error.path)} cannot be used (${String(error.code)})`;
    return new StartError(`${what}: it has to belong to the user that starts this.`);
  }
  return null;
}

const FULL: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "SQLITE_FULL"]);
const FORBIDDEN: ReadonlySet<unknown> = new Set(["EACCES", "EPERM", "EROFS"]);
