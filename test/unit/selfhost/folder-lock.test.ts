/** The lock of a control plane's state folder, against holders that live, are gone, or are others now. */
import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { lockHolder, releaseLock, takeLock } from "../../../worker/dev/folder-lock.ts";
import { startChild } from "../../harness/child-process.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

describe("the lock of a control plane's state folder", () => {
  it("names its holder while that one lives, and nobody afterwards", async () => {
    await using folder = await makeTempFolder();
    const script =
      `import { takeLock } from ${JSON.stringify(LOCK_MODULE)};` +
      `takeLock(${JSON.stringify(folder.path)}); console.log("taken"); setInterval(() => {}, 1e3);`;
    await using holder = startChild({
      command: process.execPath,
      args: ["--input-type=module-typescript", "-e", script],
    });
    await holder.waitForOutput("stdout", /taken/);
    expect(lockHolder(folder.path)).toBe(holder.pid);
    holder.signal("SIGKILL");
    await holder.waitForExit();
    expect(lockHolder(folder.path)).toBeNull();
  });

  it("is not held by a process that merely has the same number", async () => {
    await using folder = await makeTempFolder();
    await writeFile(folder.file("lock"), `${process.ppid} 1`);
    expect(lockHolder(folder.path)).toBeNull();
  });

  it("is nobody else's while we hold it, and is given back", async () => {
    await using folder = await makeTempFolder();
    takeLock(folder.path);
    expect(await readFile(folder.file("lock"), "utf8")).toMatch(/^\d+ \d+$/);
    expect(lockHolder(folder.path)).toBeNull();
    releaseLock(folder.path);
    await expect(readFile(folder.file("lock"))).rejects.toThrow("ENOENT");
  });
});

const LOCK_MODULE = new URL("../../../worker/dev/folder-lock.ts", import.meta.url).href;
