/**
 * The relay's state folder: readable by its owner alone, each file written whole or not at all.
 * Failures are sentences, because an operator reads them.
 */
import { chmod, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { fail, ok, type Result } from "#shared/base/result.ts";

/** Makes the folder (mode 0700) when it is missing, and closes it to others when it is open. */
export async function prepareFolder(path: string): Promise<Result<null, string>> {
  try {
    await mkdir(path, { recursive: true, mode: FOLDER_MODE });
    await chmod(path, FOLDER_MODE);
    return ok(null);
  } catch (error) {
    return fail(`The folder ${path} cannot be used: ${reasonOf(error)}.`);
  }
}

/** Writes a file of mode 0600 so that a reader sees the old content or the new, never a part. */
export async function writeFileAtomically(
  path: string,
  text: string,
): Promise<Result<null, string>> {
  const temporary = `${path}.new`;
  try {
    // A left-over of a killed process may have another mode: begin with a fresh file.
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", FILE_MODE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return ok(null);
  } catch (error) {
    return fail(`${path} cannot be written: ${reasonOf(error)}.`);
  }
}

/** The operating system's reason in words a person knows. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ""] ?? message;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
  ENOTDIR: "a part of its path is not a folder",
  EISDIR: "it is a folder",
  EEXIST: "a file is in its place",
};
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
