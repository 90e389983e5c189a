/** A folder for one test, gone afterwards: `await using folder = await makeTempFolder()`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An own folder, readable by us alone. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string;
  /** The path of a name inside the folder. */
  file(name: string): string;
}

/** Makes a folder under the system's temporary folder. The path is short enough for sockets. */
export async function makeTempFolder(): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), "kb-"));
  return {
    path,
    file: (name) => join(path, name),
    // A process that was killed may have children that write for a moment longer.
    [Symbol.asyncDispose]: () =>
      rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }),
  };
}
