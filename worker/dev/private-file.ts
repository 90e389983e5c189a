/** Files with secrets: read by their owner alone, on the disk whole or not at all. */
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from "node:fs";

/** @throws {Error} of the file system. */
export function writePrivateFile(file: string, text: string): void {
  const temporary = `${file}.new`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    writeFileSync(descriptor, text);
    // Or a power cut could leave the new name with no content.
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}
