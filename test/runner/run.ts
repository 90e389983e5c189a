/**
 * `npm test`: installs what the tests need of the system, runs every check and every suite, and
 * closes with the line `N passed, N failed, N skipped`. With arguments it runs just those tests:
 * they are vitest's own.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { installCommand, missingTools, type RequiredTool } from "../harness/packages.ts";

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

async function main(args: readonly string[]): Promise<number> {
  const lacks = await installTools();
  const parts: Counts[] = [];
  if (args.length === 0) {
    for (const check of CHECKS) {
      parts.push(await runCheck(check));
    }
  }
  if (lacks.length > 0) {
    parts.push(countAbsentInterop(lacks));
  }
  parts.push(await runVitest(args, lacks.length === 0));
  const total = (key: keyof Counts): number => parts.reduce((sum, part) => sum + part[key], 0);
  console.log(`${total("passed")} passed, ${total("failed")} failed, ${total("skipped")} skipped`);
  return total("failed") > 0 ? 1 : 0;
}

/** What the interop tests still lack after trying to install it. */
async function installTools(): Promise<readonly RequiredTool[]> {
  const missing = await missingTools();
  if (missing.length === 0 || process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    return missing;
  }
  tell(`Installing Debian packages for: ${missing.map((tool) => tool.name).join(", ")} …`);
  apt(["update", "-qq"]);
  const optional = missing
    .flatMap((tool) => tool.packagesIfKnown ?? [])
    .filter((name) => spawnSync("apt-cache", ["show", name], { stdio: "ignore" }).status === 0);
  const packages = missing.flatMap((tool) => tool.packages);
  apt(["install", "-y", "-qq", "--no-install-recommends", ...packages, ...optional]);
  return await missingTools();
}

function apt(args: readonly string[]): void {
  spawnSync("apt-get", args, {
    stdio: ["ignore", "ignore", 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}

/** Skipped with the reason on a person's machine; in CI what cannot run has failed. */
function countAbsentInterop(lacks: readonly RequiredTool[]): Counts {
  const files = readdirSync(join(PROJECT_ROOT, "test/interop")).filter((name) =>
    name.endsWith(".test.ts"),
  );
  const names = lacks.map((tool) => tool.name).join(", ");
  tell(`Interop tests cannot run without ${names}; get them with: ${installCommand(lacks)}`);
  return process.env["CI"] === undefined
    ? { passed: 0, failed: 0, skipped: files.length }
    : { passed: 0, failed: files.length, skipped: 0 };
}

async function runCheck(name: string): Promise<Counts> {
  tell(`\n── ${name}`);
  const code = await run("npm", ["run", "--silent", name], {});
  return code === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

async function runVitest(args: readonly string[], withInterop: boolean): Promise<Counts> {
  tell("\n── tests");
  const folder = mkdtempSync(join(tmpdir(), "kerbside-test-"));
  const summaryFile = join(folder, "summary.json");
  const vitest = join(PROJECT_ROOT, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=./test/runner/summary-reporter.ts"];
  const projects = withInterop ? [] : ["--project=!interop"];
  try {
    const code = await run(process.execPath, [vitest, "run", ...reporters, ...projects, ...args], {
      KERBSIDE_TEST_SUMMARY: summaryFile,
      PATH: `${join(PROJECT_ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
    });
    return judge(code, readSummary(summaryFile));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function judge(code: number, summary: z.infer<typeof summarySchema> | null): Counts {
  if (summary === null || summary.passed + summary.failed === 0) {
    tell("No test was executed: that is a failure.");
    return { passed: 0, failed: 1, skipped: summary?.skipped ?? 0 };
  }
  for (const skip of summary.skips) {
    tell(`skipped: ${skip}`);
  }
  if (code !== 0 && summary.failed === 0) {
    tell(`vitest ended with exit code ${code} though no test failed.`);
    return { ...summary, failed: 1 };
  }
  return summary;
}

function readSummary(file: string): z.infer<typeof summarySchema> | null {
  return existsSync(file) ? summarySchema.parse(JSON.parse(readFileSync(file, "utf8"))) : null;
}

function run(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const child = spawn(command, [...args], {
    cwd: PROJECT_ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...environment },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => child.kill(signal));
  }
  return new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

const PROJECT_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const CHECKS = ["format:check", "lint", "types", "knip"];
const summarySchema = z.object({
  passed: z.int(),
  failed: z.int(),
  skipped: z.int(),
  skips: z.array(z.string()),
});

// Last, when every constant above has its value.
process.exitCode = await main(process.argv.slice(2));
