import { describe, it } from "vitest";
import { JOBS } from "../../../../worker/jobs/jobs.ts";
import { expectIndexed } from "./expect-indexed.ts";

describe("what jobs ask of the database", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(JOBS.length, async ({ context }) => {
      for (const { run } of JOBS) {
        await run(context);
      }
    });
  });
});
