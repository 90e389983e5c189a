#!/usr/bin/env node
/**
 * The package's `kerbside` program. Plain JavaScript that any Node from 20 on runs: it finds a Node
 * that strips types (24 or newer: its own, or the one that the package depends on) and runs
 * kerbside.ts with the same arguments, streams, signals and exit code.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_MAJOR_MIN = 24;
const PASSED_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const here = dirname(fileURLToPath(import.meta.url));

const node = findNode();
if (node === null) {
  process.stderr.write(
    `The dependencies of Kerbside are not installed: run npm ci in ${root()}.\n`,
  );
  process.exit(1);
}
const child = spawn(node, [join(here, "kerbside.ts"), ...process.argv.slice(2)], {
  stdio: "inherit",
});
for (const signal of PASSED_SIGNALS) {
  process.on(signal, () => child.kill(signal));
}
child.once("error", (error) => {
  process.stderr.write(`${node} cannot be started: ${error.message}\n`);
  process.exit(1);
});
child.once("exit", (code, signal) => {
  process.exit(signal === null ? code : 128 + constants.signals[signal]);
});

/** A path of a Node that can run the sources, or null when the package is not installed. */
function findNode() {
  // A dependency that every command needs stands for all of them.
  if (!isInstalled("zod")) {
    return null;
  }
  if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN) {
    return process.execPath;
  }
  const bundled = join(root(), "node_modules", "node", "bin", "node");
  return existsSync(bundled) ? bundled : null;
}

function isInstalled(name) {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

function root() {
  return dirname(dirname(here));
}
