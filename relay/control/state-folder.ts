/**
 * The relay's state folder: readable by its owner alone, each file written whole or not at all.
 * Failures are sentences, because an operator reads them.
 */
import { access, chmod, constants, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fail, ok, type Result } from "#shared/base/result.ts";

/**
 * Whether {@link prepareFolder} can use the folder without a harm to others' files; changes nothing.
 * @param known names of which one at least stands in a folder that is ours already
 */
export async function judgeFolder(
  path: string,
  known: readonly string[],
): Promise<Result<null, string>> {
  try {
    const names = await readdir(path);
    const { uid } = await stat(path);
    if (
      !names.every((name) => name === LOST_AND_FOUND) &&
      !known.some((name) => names.includes(name))
    ) {
      return fail(`${path} is not empty and no state folder of a relay: choose another.`);
    }
    await access(path, constants.W_OK | constants.X_OK);
    const self = process.geteuid?.() ?? uid;
    return self === uid || self === 0
      ? ok(null)
      : fail(`The folder ${path} cannot be used: it belongs to another user.`);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return isMissing ? judgeParent(path) : cannotUse(path, error);
  }
}

/** Makes the folder (mode 0700) when it is missing, and closes it to others when it is open. */
export async function prepareFolder(path: string): Promise<Result<null, string>> {
  try {
    await mkdir(path, { recursive: true, mode: FOLDER_MODE });
    await chmod(path, FOLDER_MODE);
    return ok(null);
  } catch (error) {
    return cannotUse(path, error);
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

/** Gives a file the name of another one, which is gone then: at any moment one of them has it. */
export async function moveFile(from: string, to: string): Promise<Result<null, string>> {
  try {
    await rename(from, to);
    await syncFolder(dirname(to));
    return ok(null);
  } catch (error) {
    return fail(`${from} cannot be renamed: ${reasonOf(error)}.`);
  }
}

/** The operating system's reason in words a person knows. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ""] ?? message;
}

/** Whether a missing folder could be made, and its parents with it. */
async function judgeParent(path: string): Promise<Result<null, string>> {
  let parent = dirname(resolve(path));
  for (;;) {
    try {
      if (!(await stat(parent)).isDirectory()) {
        return fail(`The folder ${path} cannot be used: ${REASONS["ENOTDIR"]}.`);
      }
      await access(parent, constants.W_OK | constants.X_OK);
      return ok(null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === dirname(parent)) {
        return cannotUse(path, error);
      }
      parent = dirname(parent);
    }
  }
}

function cannotUse(path: string, error: unknown): Result<never, string> {
  return fail(`The folder ${path} cannot be used: ${reasonOf(error)}.`);
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
/** What a file system of its own begins with. */
const LOST_AND_FOUND = "lost+found";
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
