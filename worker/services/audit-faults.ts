/** What becomes of a chain of the audit trail that is found broken: everybody is told, once. */
import type { AuditEvent } from "#shared/audit/events.ts";
import { parseEventData } from "#shared/audit/stored-event.ts";
import { listAuditEvents } from "../repositories/audit-events.ts";
import { storeWithAudit } from "../repositories/store-with-audit.ts";
import { auditRecord, SYSTEM_CALLER } from "./audit-record.ts";
import type { ServiceContext } from "./context.ts";

/** From this link on the chain is not what was stored. */
export interface ChainFault {
  readonly writer: string;
  readonly seq: number;
}

/**
 * Records each fault that is not recorded yet.
 *
 * @throws {Error} when there is any, so that the job which looked counts as failed.
 */
export async function recordFaults(
  context: ServiceContext,
  faults: readonly ChainFault[],
): Promise<void> {
  for (const fault of faults.slice(0, FAULTS_TOLD_MAX)) {
    if (!(await isRecorded(context, fault))) {
      const event: AuditEvent = { type: "audit.broken", data: { ...fault } };
      const subject = { subjectId: fault.writer };
      await storeWithAudit(context.database, [auditRecord(context, SYSTEM_CALLER, event, subject)]);
    }
  }
  const [first] = faults;
  if (first !== undefined) {
    const more = faults.length === 1 ? "" : `, and ${faults.length - 1} more`;
    throw new Error(
      `The audit trail is broken: chain ${first.writer} at link ${first.seq}${more}. ` +
        "See npx kerbside audit verify.",
    );
  }
}

async function isRecorded({ database }: ServiceContext, fault: ChainFault): Promise<boolean> {
  const { items } = await listAuditEvents(database, {
    filter: { subjectId: fault.writer, types: ["audit.broken"] },
    order: "newest-first",
    after: null,
    limit: 1,
  });
  const [last] = items;
  return last !== undefined && parseEventData(last.data)?.["seq"] === fault.seq;
}

/** Of a trail that was destroyed as a whole, some are enough. */
const FAULTS_TOLD_MAX = 20;
