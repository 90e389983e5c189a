/** What the audit trail has of something, oldest first, for tests of the services. */
import { and, asc, eq } from "drizzle-orm";
import { auditEvents } from "../../../worker/repositories/schema/audit.ts";
import type { ControlServices } from "../../harness/control-services.ts";

export interface AuditedEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export async function auditedEvents(
  { context }: ControlServices,
  about: { readonly relayId?: string; readonly sessionId?: string; readonly type?: string } = {},
): Promise<AuditedEvent[]> {
  const { relayId, sessionId, type } = about;
  const rows = await context.database
    .select({ type: auditEvents.type, data: auditEvents.data })
    .from(auditEvents)
    .where(
      and(
        relayId === undefined ? undefined : eq(auditEvents.relayId, relayId),
        sessionId === undefined ? undefined : eq(auditEvents.sessionId, sessionId),
        type === undefined ? undefined : eq(auditEvents.type, type),
      ),
    )
    .orderBy(asc(auditEvents.atMs));
  return rows.map((row) => ({
    type: row.type,
    data: JSON.parse(row.data) as AuditedEvent["data"],
  }));
}
