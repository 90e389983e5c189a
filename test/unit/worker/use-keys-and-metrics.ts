/** Asks the database what idempotency keys and metrics ask it: each way a key can go. */
import {
  forgetRequest,
  judgeRepetition,
  keepAnswer,
  LEASE_MS,
  sweepIdempotencyKeys,
} from "../../../worker/services/idempotency.ts";
import { readMetrics } from "../../../worker/services/metrics.ts";
import type { ControlServices } from "../../harness/control-services.ts";

export async function useKeysAndMetrics(services: ControlServices): Promise<void> {
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
  await sweepIdempotencyKeys(context);
  await readMetrics(context);
}
