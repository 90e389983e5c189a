/**
 * Makes sure that the packages of the lock file are there, and finds the Node that comes with them.
 * Plain JavaScript that any Node from 18 on runs, because it runs before anything is installed.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const projectRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The Node that the project pins; machines may have an older one. */
export const projectNode = join(projectRoot, "node_modules", "node", "bin", "node");

/**
 * Installs what is missing or differs from the lock file.
 * @param {(line: string) => void} tell receives progress, a line at a time.
 * @throws {Error} with one sentence when it cannot be done.
 */
export async function ensureInstalled(tell) {
  if (isInstalled()) {
    return;
  }
  tell("Installing the packages of package-lock.json (once, about half a minute) …");
  const startedMs = Date.now();
  const beat = setInterval(() => {
    tell(`  still installing, ${Math.round((Date.now() - startedMs) / 1000)} s`);
  }, 5_000);
  try {
    await runNpmCi();
  } finally {
    clearInterval(beat);
  }
  if (!existsSync(projectNode)) {
    throw new Error("npm ci did not bring the project's Node: run `npm ci` and read its output.");
  }
  tell(`Installed in ${Math.round((Date.now() - startedMs) / 1000)} s.`);
}

/** Passed on to npm, so that it is not left behind, half done, when we are told to stop. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
/** What npm ends with after Ctrl-C. */
const EXIT_INTERRUPTED = 130;

/** Whether node_modules holds what the lock file names, by npm's own record of what it installed. */
function isInstalled() {
  const recordFile = join(projectRoot, "node_modules", ".package-lock.json");
  if (!existsSync(recordFile) || !existsSync(projectNode)) {
    return false;
  }
  const wanted = JSON.parse(readFileSync(join(projectRoot, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(recordFile, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === "" || entry.optional === true || present[path]?.version === entry.version,
  );
}

function runNpmCi() {
  const npmScript = process.env["npm_execpath"];
  const [command, first] =
    npmScript !== undefined && npmScript.endsWith(".js")
      ? [process.execPath, [npmScript]]
      : ["npm", []];
  const child = spawn(command, [...first, "ci", "--loglevel=error", "--no-audit", "--no-fund"], {
    cwd: projectRoot,
    stdio: ["ignore", 2, 2],
  });
  const forward = (signal) => child.kill(signal);
  for (const signal of SIGNALS) {
    process.on(signal, forward);
  }
  return new Promise((resolve, reject) => {
    child.once("close", () => {
      for (const signal of SIGNALS) {
        process.off(signal, forward);
      }
    });
    child.once("error", () => {
      reject(new Error("npm was not found: install Node 20 or newer together with npm."));
    });
    child.once("exit", (code, signal) => {
      if (signal !== null || code === EXIT_INTERRUPTED) {
        reject(new Error("stopped while it installed; start again to go on."));
      } else if (code === 0) {
        resolve(undefined);
      } else {
        reject(new Error(`npm ci failed with exit code ${code}: its output above says why.`));
      }
    });
  });
}
