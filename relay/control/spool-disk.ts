/**
 * The spool's file: append a line, replace the whole atomically, read it at start. It knows nothing
 * of events. A failed append leaves the file as it was before, so that no torn line gets into its
 * middle. Its calls are synchronous, because an event must be on disk before it is sent.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";

/** What the spool needs of a file; tests put a failing one in its place. */
export interface SpoolDisk {
  /** The whole text; null when there is no file. @throws Error when it cannot be read */
  read(): string | null;
  /** @throws Error when it could not be written (a full disk); then nothing was. */
  append(text: string): void;
  /** Puts `text` in the file's place at once, or not at all. @throws Error */
  replace(text: string): void;
  /** Keeps a file that cannot be used under another name, for an operator to look at. */
  setAside(): string;
  close(): void;
}

/** Opens the file at `path` when it is first needed; its folder exists. */
export function openSpoolDisk(path: string): SpoolDisk {
  let descriptor: number | null = null;
  const open = (): number => (descriptor ??= openSync(path, "a", FILE_MODE));
  const close = (): void => {
    if (descriptor !== null) {
      closeSync(descriptor);
      descriptor = null;
    }
  };
  return {
    read: () => readIfThere(path),
    append: (text) => appendWhole(open(), Buffer.from(text)),
    replace: (text) => {
      close();
      replaceFile(path, Buffer.from(text));
    },
    setAside: () => {
      close();
      renameSync(path, `${path}.unreadable`);
      return `${path}.unreadable`;
    },
    close,
  };
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return null;
    }
    throw error;
  }
}

function appendWhole(descriptor: number, bytes: Buffer): void {
  const sizeBytes = fstatSync(descriptor).size;
  try {
    writeWhole(descriptor, bytes);
  } catch (error) {
    ftruncateSync(descriptor, sizeBytes);
    throw error;
  }
}

function writeWhole(descriptor: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(descriptor, bytes, written);
  }
}

function replaceFile(path: string, bytes: Buffer): void {
  const temporary = `${path}.new`;
  const descriptor = openSync(temporary, "w", FILE_MODE);
  try {
    writeWhole(descriptor, bytes);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, path);
}

const FILE_MODE = 0o600;
