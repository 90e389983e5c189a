/** The lock of a relay's state folder, against processes that live, are gone, or are others now. */
import { writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { lockFolder } from "../../../relay/control/folder-lock.ts";
import { startChild } from "../../harness/child-process.ts";
import { makeTempFolder } from "../../harness/temp-folder.ts";

describe("the lock of a relay's state folder", () => {
  it("keeps another process out while its holder lives, and lets it in afterwards", async () => {
    await using folder = await makeTempFolder();
    const script =
      `import { lockFolder } from ${JSON.stringify(LOCK_MODULE)};` +
      `console.log(lockFolder(${JSON.stringify(folder.path)}).ok); setInterval(() => {}, 1000);`;
    await using holder = startChild({
      command: process.execPath,
      args: ["--input-type=module-typescript", "-e", script],
    });
    await holder.waitForOutput("stdout", /true/);
    const refused = lockFolder(folder.path);
    expect(refused).toEqual({
      ok: false,
      error: expect.stringContaining(`is in use by process ${holder.pid}: stop it`),
    });
    holder.signal("SIGKILL");
    await holder.waitForExit();
    expect(lockFolder(folder.path).ok).toBe(true);
  });

  it("is not held by a process that merely has the same number", async () => {
    await using folder = await makeTempFolder();
    await writeFile(folder.file("lock"), `${process.ppid} 1`);
    expect(lockFolder(folder.path).ok).toBe(true);
  });

  it("is given back", async () => {
    await using folder = await makeTempFolder();
    const lock = lockFolder(folder.path);
    expect(lock.ok).toBe(true);
    if (lock.ok) {
      lock.value();
    }
    expect(lockFolder(folder.path).ok).toBe(true);
  });

  it("says so when the folder cannot be written", () => {
    expect(lockFolder("/nonexistent/folder")).toMatchObject({
      ok: false,
      error: expect.stringContaining("cannot be written"),
    });
  });
});

const LOCK_MODULE = new URL("../../../relay/control/folder-lock.ts", import.meta.url).href;
