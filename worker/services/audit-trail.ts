/** Reading the audit trail. Writing it is part of each change, in the change's own transaction. */
import { asksForType } from "#shared/audit/event-patterns.ts";
import { AUDIT_EVENT_TYPES } from "#shared/audit/events.ts";
import type { StoredAuditEvent } from "#shared/audit/stored-event.ts";
import {
  type AuditCursor,
  type AuditFilter,
  type AuditRows,
  listAuditEvents,
  listChainLinks,
  subjectColumn,
} from "../repositories/audit-events.ts";
import type { ServiceContext } from "./context.ts";

/** What is asked for: as AuditFilter, with types as callers write them. */
export interface AuditQuery extends Omit<AuditFilter, "types"> {
  /** Types, or `family.*` for all of a family; none asks for all. */
  readonly types?: readonly string[] | undefined;
  /** The id of anything: of a console, a session or a relay, too. */
  readonly about?: string | undefined;
}

/** A page of the trail, newest first. It may be short, or empty, with more to come. */
export async function pageAuditTrail(
  context: ServiceContext,
  page: {
    readonly filter: AuditQuery;
    readonly after: AuditCursor | null;
    readonly limit: number;
  },
): Promise<AuditRows> {
  const filter = filterOf(page.filter);
  return filter === null
    ? { items: [], next: null }
    : await listAuditEvents(context.database, { ...page, filter, order: "newest-first" });
}

/** Position in the chains. */
export interface LinkCursor {
  readonly writer: string;
  readonly seq: number;
}

/** A page of the trail in the order of its chains: writer by writer, each from its first link on. */
export async function pageChainLinks(
  context: ServiceContext,
  page: { readonly after: LinkCursor | null; readonly limit: number },
): Promise<{ readonly items: readonly StoredAuditEvent[]; readonly next: LinkCursor | null }> {
  // One more than asked for tells whether there is another page.
  const rows = await listChainLinks(context.database, { ...page, limit: page.limit + 1 });
  const last = rows.length > page.limit ? rows[page.limit - 1] : undefined;
  return {
    items: rows.slice(0, page.limit),
    next: last === undefined ? null : { writer: last.writer, seq: last.seq ?? 0 },
  };
}

/** The filter, or null when nothing can fit it: a family that does not exist. */
export function filterOf(query: AuditQuery): AuditFilter | null {
  const { about, types: patterns, ...filter } = query;
  const subject = about === undefined ? {} : { [subjectColumn(about)]: about };
  if (patterns === undefined || patterns.includes("*")) {
    return { ...filter, ...subject };
  }
  const types = [...new Set(patterns.flatMap(typesOf))];
  return types.length === 0 ? null : { ...filter, ...subject, types };
}

/** A family has the types that this build knows; a single type may be one of another build's. */
function typesOf(pattern: string): string[] {
  return pattern.endsWith(".*")
    ? AUDIT_EVENT_TYPES.filter((type) => asksForType([pattern], type))
    : [pattern];
}
