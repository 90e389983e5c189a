/** What `npm start` says on a machine where its packages cannot be installed. */
import { cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runToEnd } from "../../harness/child-process.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

const PROJECT_ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

describe("npm start without installed packages", () => {
  it("says that npm is missing", async () => {
    const { code, stderr } = await startWithoutPackages({ PATH: "/nonexistent" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/Installing the packages/);
    expect(stderr).toContain("kerbside: npm was not found: install Node 20 or newer");
    expect(stderr).not.toContain("    at ");
  });

  it("says that npm failed", async () => {
    await using bin = await makeTempFolder();
    await writeFile(bin.file("npm"), "#!/bin/sh\nexit 7\n", { mode: 0o755 });
    const { code, stderr } = await startWithoutPackages({ PATH: bin.path });
    expect(code).toBe(1);
    expect(stderr).toContain("kerbside: npm ci failed with exit code 7");
  });
});

async function startWithoutPackages(environment: { readonly PATH: string }) {
  await using checkout = await makeTempFolder();
  await mkdir(checkout.file("worker/dev"), { recursive: true });
  for (const file of [
    ...["package.json", "package-lock.json"],
    ...["worker/dev/launch.mjs", "worker/dev/install.mjs"],
  ]) {
    await cp(join(PROJECT_ROOT, file), checkout.file(file));
  }
  return await runToEnd({
    command: process.execPath,
    args: [checkout.file("worker/dev/launch.mjs"), "worker/dev/start.ts"],
    env: { ...environment, npm_execpath: undefined },
  });
}
