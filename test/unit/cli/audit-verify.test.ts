/** What `kerbside audit verify` says of a trail in a file. */
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { makeTempFolder } from "../../harness/temp-folder.ts";
import { run } from "./in-process.ts";

/** A trail without events, so that each chain that a head claims is one finding. */
async function verify(unchained: number, writers: readonly string[]) {
  await using folder = await makeTempFolder();
  const lines = [
    { trail: { issuer: "https://k.example", keys: [], unchained } },
    ...writers.map((writer) => ({ head: { writer, seq: 1, hash: "0".repeat(64) } })),
  ];
  const file = folder.file("trail.jsonl");
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return await run(["audit", "verify", "--file", file], () => undefined);
}

describe("audit verify", () => {
  it("counts in words that fit", async () => {
    const one = await verify(1, ["a"]);
    expect(one.code).toBe(1);
    expect(one.stdout).toContain("\n1 event of an older version waits to be put into a chain.\n");
    expect(one.stdout).toContain("\n1 finding.\n");
    const two = await verify(2, ["a", "b"]);
    expect(two.stdout).toContain("\n2 events of an older version wait to be put into a chain.\n");
    expect(two.stdout).toContain("\n2 findings.\n");
  });
});
