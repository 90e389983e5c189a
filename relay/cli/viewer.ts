/** Finds and runs a SPICE viewer. */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { fail, ok, type Result } from "#shared/base/result.ts";
import { reasonOf } from "../control/state-folder.ts";

export const VIEWER = "remote-viewer";

/** The path of a program, or null: of a name by the folders, of a path (with a slash) as it is. */
export async function findProgram(
  name: string,
  searchPath: readonly string[],
): Promise<string | null> {
  const paths = name.includes("/") ? [name] : searchPath.map((folder) => join(folder, name));
  for (const path of paths) {
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return null;
}

/**
 * Runs the viewer with a console file until it ends; signals that end us end it first. Resolves
 * with its exit code, 128 + n for signal n's usual meaning "failed".
 */
export function runViewer(viewer: string, file: string): Promise<Result<number, string>> {
  return new Promise((resolve) => {
    const child = spawn(viewer, [file], { stdio: ["ignore", "inherit", "inherit"] });
    const pass = (signal: NodeJS.Signals): void => {
      child.kill(signal);
    };
    const forget = (): void => {
      process.off("SIGINT", pass);
      process.off("SIGTERM", pass);
    };
    process.on("SIGINT", pass);
    process.on("SIGTERM", pass);
    child.once("error", (error) => {
      forget();
      resolve(fail(`${viewer} cannot be started: ${reasonOf(error)}.`));
    });
    child.once("close", (code) => {
      forget();
      resolve(ok(code ?? EXIT_BY_SIGNAL));
    });
  });
}

/** As shells say that a signal ended a program. */
const EXIT_BY_SIGNAL = 130;
