/** Records that somebody had a job run at once. */
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { auditRecord } from "./audit-record.ts";
import type { Caller, ServiceContext } from "./context.ts";

export async function recordJobRequest(
  context: ServiceContext,
  caller: Caller,
  job: string,
): Promise<void> {
  const event = { type: "job.run-requested", data: { job } } as const;
  await storeWithAudit(context.database, [auditRecord(context, caller, event)]);
}
