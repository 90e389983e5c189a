import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const MODULE = fileURLToPath(
  new URL("../../../relay/workers/young-generation.ts", import.meta.url),
);

/** What a process's young generation has grown to when much of what it allocated has survived. */
function youngBytes(prelude: string): { readonly bytes: number; readonly stderr: string } {
  const program = `
    import v8 from "node:v8";
    import { keepYoungGeneration } from ${JSON.stringify(MODULE)};
    ${prelude}
    const kept = [];
    for (let count = 0; count < 1_000_000; count += 1) {
      kept.push({ count, list: [count] });
    }
    const space = v8.getHeapSpaceStatistics().find((each) => each.space_name === "new_space");
    console.log(space.space_size, kept.length);
  `;
  const args = ["--input-type=module", "--eval", program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  return { bytes: Number(stdout.split(" ")[0]), stderr };
}

describe("keepYoungGeneration", () => {
  it("keeps a running process's young generation from growing", () => {
    const kept = youngBytes("keepYoungGeneration();");
    expect(kept.bytes).toBeGreaterThan(0);
    expect(kept.bytes).toBeLessThan(youngBytes("").bytes / 2);
  });

  it("uses a flag that this Node knows", () => {
    expect(youngBytes("keepYoungGeneration();").stderr).toBe("");
  });
});
