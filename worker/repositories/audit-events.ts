/** The audit trail's table as it is read. What is written comes through store-with-audit.ts. */
import { and, between, desc, eq, sql } from "drizzle-orm";
import { auditEventSchema, type AuditRecord } from "#shared/audit/events.ts";
import { assert } from "#shared/base/assert.ts";
import type { Database } from "./database.ts";
import { auditEvents } from "./schema/audit.ts";

export interface AuditFilter {
  readonly consoleId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly relayId?: string | undefined;
  readonly type?: string | undefined;
}

/** Position in the list, newest first. */
export interface AuditCursor {
  readonly atMs: number;
  readonly id: string;
}

/** The record as a row. */
export function auditRow(record: AuditRecord): typeof auditEvents.$inferInsert {
  const { event, ...circumstances } = record;
  return { ...circumstances, type: event.type, data: JSON.stringify(event.data) };
}

/** A page of the trail, newest first. */
export async function listAuditEvents(
  database: Database,
  page: {
    readonly filter: AuditFilter;
    readonly after: AuditCursor | null;
    readonly limit: number;
  },
): Promise<AuditRecord[]> {
  const { filter, after } = page;
  const rows = await database
    .select()
    .from(auditEvents)
    .where(
      and(
        filter.consoleId === undefined ? undefined : eq(auditEvents.consoleId, filter.consoleId),
        filter.sessionId === undefined ? undefined : eq(auditEvents.sessionId, filter.sessionId),
        filter.relayId === undefined ? undefined : eq(auditEvents.relayId, filter.relayId),
        filter.type === undefined ? undefined : eq(auditEvents.type, filter.type),
        // As a row value, which SQLite looks up in an index; a disjunction it would read and sort.
        after === null
          ? undefined
          : sql`(${auditEvents.atMs}, ${auditEvents.id}) < (${after.atMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(auditEvents.atMs), desc(auditEvents.id))
    .limit(page.limit);
  return rows.map(fromRow);
}

/**
 * Whether a request changed anything: each change has its event. Reads every event of that time,
 * which is therefore to be short.
 */
export async function hasAuditedRequest(
  database: Database,
  request: { readonly requestId: string; readonly fromMs: number; readonly untilMs: number },
): Promise<boolean> {
  const rows = await database
    .select({ id: auditEvents.id })
    .from(auditEvents)
    .where(
      and(
        between(auditEvents.atMs, request.fromMs, request.untilMs),
        eq(auditEvents.requestId, request.requestId),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

function fromRow(row: typeof auditEvents.$inferSelect): AuditRecord {
  const { type, data, actorKind, ...circumstances } = row;
  const event = auditEventSchema.safeParse({ type, data: JSON.parse(data) });
  assert(event.success, `audit event ${row.id} does not match its schema`);
  return {
    ...circumstances,
    actorKind: actorKind as AuditRecord["actorKind"],
    event: event.data,
  };
}
