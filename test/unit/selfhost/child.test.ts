/** A helper process whose parent goes before it is ready. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { makeTempFolder } from "../../harness/temp-folder.ts";

it("ends in order, and not by the failure to tell a parent that has gone", async () => {
  await using folder = await makeTempFolder();
  await writeFile(folder.file("helper.ts"), HELPER);
  const child = fork(folder.file("helper.ts"), {
    cwd: folder.path,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const exit = once(child, "exit");
  await once(child, "message");
  child.disconnect();
  await writeFile(folder.file("gone"), "");
  expect(await exit).toEqual([0, null]);
  expect(await readFile(folder.file("stopped"), "utf8")).toBe("in order");
});

/** Busy until its parent has gone, it becomes ready before it can notice that. */
const HELPER = `
import { existsSync, writeFileSync } from "node:fs";
import { runAsChild } from "${fileURLToPath(new URL("../../../worker/dev/child.ts", import.meta.url))}";

await runAsChild(async () => {
  await new Promise((resolve) => process.send({ type: "begun" }, resolve));
  while (!existsSync("gone")) {}
  return { ready: {}, stop: async () => writeFileSync("stopped", "in order") };
});
`;
