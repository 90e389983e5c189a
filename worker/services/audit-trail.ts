/** Reading the audit trail. Writing it is part of each change, in the change's own transaction. */
import type { AuditRecord } from "#shared/audit/events.ts";
import {
  type AuditCursor,
  type AuditFilter,
  listAuditEvents,
} from "../repositories/audit-events.ts";
import type { ServiceContext } from "./context.ts";

/** A page of the trail, newest first. */
export async function pageAuditTrail(
  context: ServiceContext,
  page: {
    readonly filter: AuditFilter;
    readonly after: AuditCursor | null;
    readonly limit: number;
  },
): Promise<{ readonly items: AuditRecord[]; readonly next: AuditCursor | null }> {
  // One more than asked for tells whether there is another page.
  const rows = await listAuditEvents(context.database, { ...page, limit: page.limit + 1 });
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined;
  return {
    items: rows.slice(0, page.limit),
    next: last === undefined ? null : { atMs: last.atMs, id: last.id },
  };
}
