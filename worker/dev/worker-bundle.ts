/** Bundles the Worker in memory, as a deployment would: one ES module for workerd. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** @param entry from the top of the project. @throws {Error} of esbuild, with the file and line, when it does not build. */
export async function bundleWorker(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [join(PROJECT_ROOT, entry)],
    absWorkingDir: PROJECT_ROOT,
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    target: "es2024",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    logLevel: "silent",
  });
  const file = result.outputFiles[0];
  if (file === undefined) {
    throw new Error("esbuild produced no output");
  }
  return file.text;
}

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
