/**
 * `npm run build:relay`: the relay as one file, for machines that get nothing but Node 24. Writes
 * dist/relay.mjs and starts it once, because a bundle that does not start is no release.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Bundles relay/main.ts into `outFile`. @throws Error when esbuild refuses the sources */
export async function buildRelay(outFile: string): Promise<void> {
  await build({
    entryPoints: [join(ROOT, "relay", "main.ts")],
    outfile: outFile,
    bundle: true,
    minify: true,
    // Stack traces stay readable.
    keepNames: true,
    legalComments: "linked",
    platform: "node",
    format: "esm",
    target: "node24",
    // An older Node would run the file to its end without a word. And packages in CommonJS call
    // require for Node's own modules.
    banner: {
      js:
        "if(Number(process.versions.node.split('.')[0])<24){" +
        "console.error(`This needs Node 24 or newer, not ${process.version}.`);process.exit(1);}" +
        "import{createRequire as kerbsideRequire}from'node:module';" +
        "const require=kerbsideRequire(import.meta.url);",
    },
    logLevel: "warning",
  });
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_DEADLINE_MS = 10_000;

if (import.meta.main) {
  const outFile = join(ROOT, "dist", "relay.mjs");
  await buildRelay(outFile);
  const started = spawnSync(process.execPath, [outFile, "--help"], { timeout: START_DEADLINE_MS });
  if (started.status === 0) {
    console.log(`Wrote ${outFile}.`);
  } else {
    console.error(`${outFile} does not start: ${started.stderr.toString()}`);
    process.exitCode = 1;
  }
}
