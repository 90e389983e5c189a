/** Bundles the Worker in memory, as a deployment would: one ES module for workerd. */
import { join } from "node:path";
import { build } from "esbuild";

/** The module's text. @throws {Error} of esbuild, with the file and line, when it does not build. */
export async function bundleWorker(projectRoot: string): Promise<string> {
  const result = await build({
    entryPoints: [join(projectRoot, "worker", "index.ts")],
    absWorkingDir: projectRoot,
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
