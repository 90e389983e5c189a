import { describe, it } from "vitest";
import {
  forgetRequest,
  judgeRepetition,
  keepAnswer,
  LEASE_MS,
} from "../../../../worker/services/idempotency.ts";
import { readMetrics } from "../../../../worker/services/metrics.ts";
import { expectIndexed } from "./expect-indexed.ts";

describe("what idempotency keys ask of the database", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(5, async (services) => {
      const { context } = services;
      const request = { caller: "usr", key: "key", requestId: "req", content: ["POST"] };
      for (const outcome of ["dies", "is done"]) {
        const judged = await judgeRepetition(context, request);
        if (judged.ok && judged.value.kind === "first" && outcome === "is done") {
          await forgetRequest(context, judged.value.holder);
          const answer = { status: 204, contentType: null, body: "" };
          await keepAnswer(context, judged.value.holder, answer);
        }
        services.moveClock(LEASE_MS);
      }
    });
  });
});

describe("what metrics ask of the database", () => {
  it("is answered through indexes, in the order that they keep", async () => {
    await expectIndexed(2, async ({ context }) => {
      await readMetrics(context, []);
    });
  });
});
